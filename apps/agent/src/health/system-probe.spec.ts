import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { taskId } from '@ekiden/model';
import { systemProbe } from './system-probe.js';

const probe = systemProbe({ joinFiles: () => groups });
let groups: readonly string[] = [];
let server: Server;
let port: number;

beforeAll(async () => {
  server = createServer((request, response) => {
    if (request.url === '/silent') return;
    response.writeHead(Number(request.url?.slice(1)), { 'content-type': 'text/plain', location: '/500' }).end('body');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  port = (server.address() as AddressInfo).port;
});
afterAll(() => {
  server.closeAllConnections();
  server.close();
});

const http = (path: string, timeoutMs = 2000): ReturnType<typeof probe.http> =>
  probe.http({ scheme: 'http', host: '127.0.0.1', port, path, timeoutMs, keepBody: true });

describe('http', () => {
  it.each([
    ['/200', true, null],
    ['/302', true, null], // a redirect is success, and is not followed
    ['/404', false, 'HTTP 404'],
    ['/503', false, 'HTTP 503'],
  ])('%s', async (path, ok, cause) => {
    expect(await http(path)).toMatchObject({ ok, cause, response: { contentType: 'text/plain', body: 'body' } });
  });

  it('says why it got no answer', async () => {
    expect(await http('/silent', 50)).toMatchObject({ ok: false, cause: 'timed out after 50 ms', response: null });
    expect(await probe.http({ scheme: 'http', host: '127.0.0.1', port: 1, path: '/', timeoutMs: 1000, keepBody: false })).toMatchObject({
      cause: 'connection refused',
    });
  });
});

it('tcp: a connection is enough', async () => {
  expect(await probe.tcp({ host: '127.0.0.1', port, timeoutMs: 1000 })).toMatchObject({ ok: true });
  expect(await probe.tcp({ host: '127.0.0.1', port: 1, timeoutMs: 1000 })).toMatchObject({ ok: false, cause: 'connection refused' });
});

describe('command', () => {
  let sandbox: string;
  beforeEach(() => (sandbox = mkdtempSync(join(tmpdir(), 'ekiden-probe-'))));
  afterEach(() => rmSync(sandbox, { recursive: true, force: true }));
  const command = (line: string, timeoutMs = 5000, stop = new AbortController().signal): ReturnType<typeof probe.command> =>
    probe.command({ line, sandbox, env: { PATH: '/usr/bin:/bin', WORD: 'x' }, user: null, isolation: {}, timeoutMs, taskId: taskId('t1'), stop });

  it('runs in the sandbox with the environment of the task', async () => {
    expect(await command('test "$WORD" = x && touch here')).toMatchObject({ ok: true });
    expect(existsSync(join(sandbox, 'here'))).toBe(true);
    expect(await command('exit 3')).toMatchObject({ ok: false, cause: 'exit status 3' });
  });

  it('is in the groups of its task before it runs anything, and does not run when they are gone', async () => {
    groups = [join(sandbox, 'procs')];
    try {
      writeFileSync(join(sandbox, 'procs'), '');
      expect(await command('test "$(cat procs)" = $$ && ! read -r input')).toMatchObject({ ok: true });
      groups = [join(sandbox, 'gone', 'procs')];
      expect((await command('touch ran')).cause).toContain('could not enter the groups');
      expect(existsSync(join(sandbox, 'ran'))).toBe(false);
    } finally {
      groups = [];
    }
  });

  it('ends when its task is stopped', async () => {
    const stop = new AbortController();
    const result = command('sleep 1000', 60_000, stop.signal);
    setImmediate(() => stop.abort());
    expect(await result).toMatchObject({ ok: false, cause: 'killed by SIGKILL' });
  });

  it.each(['', 'setsid '])('is killed with all that it started when time is up (%s)', async (apart) => {
    expect(await command(`${apart}sleep 1000 & echo $! > pid; wait`, 200)).toMatchObject({ ok: false, cause: 'timed out after 200 ms' });
    const pid = Number(readFileSync(join(sandbox, 'pid'), 'utf8'));
    const isRunning = (): boolean => existsSync(`/proc/${pid}`) && !readFileSync(`/proc/${pid}/stat`, 'utf8').includes(') Z ');
    while (isRunning()) await new Promise((resolve) => setImmediate(resolve));
    expect(isRunning()).toBe(false);
  });
});
