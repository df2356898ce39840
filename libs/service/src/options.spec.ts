import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { defineOptions, describeOptions, HelpRequested, parseOptions } from './options.js';

const schema = defineOptions({
  masterPort: { type: 'int', default: 5050, min: 0, max: 65535, env: 'EKIDEN_MASTER_PORT', help: 'Port to listen on.' },
  ratio: { type: 'number', default: 0.5, help: 'A ratio.' },
  dataDir: { type: 'string', default: '.ekiden', unit: 'path', help: 'Where state is kept.' },
  level: { type: 'string', default: 'info', choices: ['info', 'debug'], help: 'How much is logged.' },
  extensions: { type: 'boolean', default: true, help: 'Announce the extensions.' },
  roles: { type: 'list', default: [], help: 'Roles.' },
  tokenFile: { type: 'string', default: null, help: 'File with tokens.' },
  databaseUrl: { type: 'secret', env: 'DATABASE_URL', default: null, help: 'Postgres.' },
});
const parse = (argv: readonly string[], env: Record<string, string> = {}) => parseOptions(schema, argv, env);

describe('parseOptions', () => {
  it('takes a flag before the environment before the default', () => {
    expect(parse([]).masterPort).toBe(5050);
    expect(parse([], { EKIDEN_MASTER_PORT: '6000' }).masterPort).toBe(6000);
    expect(parse(['--master-port', '7000'], { EKIDEN_MASTER_PORT: '6000' }).masterPort).toBe(7000);
  });

  it('reads every type', () => {
    const values = parse(['--ratio=0.25', '--data-dir', '/x', '--no-extensions', '--roles', 'a,b', '--roles=c', '--level', 'debug']);
    expect(values).toMatchObject({ ratio: 0.25, dataDir: '/x', extensions: false, roles: ['a', 'b', 'c'], level: 'debug', tokenFile: null, databaseUrl: null });
    expect(parse(['--extensions', 'false', '--extensions=true'].slice(0, 2)).extensions).toBe(false);
  });

  it.each([
    [['--master-prt', '1'], /--master-prt is no option/],
    [['--port', '1'], /did you mean --master-port/],
    [['--master-port', 'x'], /--master-port .*"x".*integer/],
    [['--master-port', '1.5'], /integer/],
    [['--master-port', '70000'], /at most 65535/],
    [['--master-port='], /integer/],
    [['--master-port'], /needs a value/],
    [['--master-port', '--ratio'], /needs a value/],
    [['--master-port', '1', '--master-port', '2'], /twice/],
    [['--level', 'loud'], /one of info, debug/],
    [['--extensions=maybe'], /true or false/],
    [['stray'], /unexpected argument "stray"/],
    [['--database-url', 'postgres://u:p@h/d'], /DATABASE_URL/],
  ])('refuses %j and names the option', (argv, message) => {
    expect(() => parse(argv)).toThrow(message);
  });

  it('demands an option without a default', () => {
    const required = defineOptions({ master: { type: 'string', env: 'EKIDEN_MASTER', help: 'Address of the master.' } });
    expect(() => parseOptions(required, [], {})).toThrow(/--master \(EKIDEN_MASTER\) is required/);
  });

  it('reads a secret from the environment or a file, and never prints it', () => {
    const file = join(mkdtempSync(join(tmpdir(), 'ekiden-options-')), 'url');
    writeFileSync(file, 'postgres://from-file\n');
    expect(parse([], { DATABASE_URL_FILE: file }).databaseUrl?.reveal()).toBe('postgres://from-file');
    const values = parse([], { DATABASE_URL: 'postgres://u:hush@h' });
    expect(values.databaseUrl?.reveal()).toBe('postgres://u:hush@h');
    expect(JSON.stringify(values) + inspect(values) + String(values.databaseUrl)).not.toContain('hush');
    expect(() => parse([], { DATABASE_URL_FILE: '/nowhere' })).toThrow(/DATABASE_URL_FILE/);
  });

  it('prints help', () => {
    expect(() => parse(['--help'])).toThrow(HelpRequested);
    expect(describeOptions(schema)).toMatch(/--master-port <int> +Port to listen on\. \(env EKIDEN_MASTER_PORT; default 5050\)/);
    expect(describeOptions(schema)).toMatch(/DATABASE_URL or DATABASE_URL_FILE +Postgres\./);
  });
});
