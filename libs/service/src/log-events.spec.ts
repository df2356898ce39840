import { lastEventId, logFrame, wholeCharacters } from './log-events.js';

const hex = (text: string): Buffer => Buffer.from(text, 'hex');

describe('a log as events', () => {
  it('is text, with the place where the next event begins as its id', () => {
    expect(logFrame({ kind: 'log', offset: 10, bytes: Buffer.from('über\nzwei') })).toBe('event: log\nid: 20\ndata: {"offset":10,"data":"über\\nzwei"}\n\n');
    expect(logFrame({ kind: 'gap', from: 5, to: 9 })).toBe('event: gap\nid: 9\ndata: {"from":5,"to":9}\n\n');
    expect(logFrame({ kind: 'interrupted', why: 'gone' })).toBe('event: interrupted\ndata: {"why":"gone"}\n\n');
    expect(logFrame({ kind: 'end', offset: 9, keptUntil: null })).toBe('event: end\nid: 9\ndata: {"offset":9,"keptUntil":null}\n\n');
  });

  it('has the very bytes beside, where they are no text', () => {
    expect(logFrame({ kind: 'log', offset: 0, bytes: hex('41ff42') })).toBe('event: log\nid: 3\ndata: {"offset":0,"data":"A\ufffdB","base64":"Qf9C"}\n\n');
  });

  it.each([
    ['', 0],
    ['41', 1],
    ['41c3', 1],
    ['41c3bc', 3],
    ['e282', 0],
    ['41e282ac', 4],
    ['f09f98', 0],
    ['f09f9880', 4],
    ['41ff', 2],
    ['80808080', 4],
  ])('leaves the character that %s cuts to the next piece', (bytes, whole) => {
    expect(wholeCharacters(hex(bytes))).toBe(whole);
  });

  it.each([
    ['42', 42],
    [undefined, null],
    ['', null],
    ['-1', null],
    ['1e3', null],
    [['1', '2'], null],
  ])('goes on after %j at %j', (header, offset) => {
    expect(lastEventId(header)).toBe(offset);
  });
});
