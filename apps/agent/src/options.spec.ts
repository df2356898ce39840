import { checkMasters, parseCapabilities } from './options.js';

it.each([[[]], [['localhost:5050']], [['http://']], [['ftp://m:1']], [['http://m:5050/path']], [['http://m:99999']]])('refuses the masters %j', (masters) =>
  expect(() => checkMasters(masters)).toThrow('--master'),
);

it('takes one or more masters', () => expect(checkMasters(['http://m1:5050', 'https://m2/'])).toHaveLength(2));

it('takes capabilities in any spelling, and the words of an option, and no others', () => {
  expect(parseCapabilities('--x', ['cap_kill', 'NET_RAW', '*'], '*')).toEqual(['KILL', 'NET_RAW', '*']);
  expect(() => parseCapabilities('--x', ['FLY'], '*')).toThrow('--x has "FLY"');
  expect(() => parseCapabilities('--x', ['all'], '*')).toThrow('--x has "all"');
});
