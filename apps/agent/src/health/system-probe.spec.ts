import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { ExecSpec, ProcessEnd } from '@ekiden/isolation';
import { taskId } from '@ekiden/model';
import { systemProbe, type TaskEntrance } from './system-probe.js';

const probe = systemProbe({});
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
  /** Ends as `end` says; killed: as SIGKILL ends it. */
  const entrance = (end: ProcessEnd | 'never'): TaskEntrance & { readonly asked: ExecSpec[] } => {
    const asked: ExecSpec[] = [];
    return {
      asked,
      exec: (spec) => {
        asked.push(spec);
        let kill = (): void => undefined;
        const ended = new Promise<ProcessEnd>((resolve) => {
          kill = () => resolve({ code: null, signal: 'SIGKILL' });
          if (end !== 'never') resolve(end);
        });
        return Promise.resolve({ input: null, output: null, errors: null, resize: () => undefined, kill, ended });
      },
    };
  };
  const command = (into: TaskEntrance, timeoutMs = 60_000, stop = new AbortController().signal): ReturnType<typeof probe.command> =>
    systemProbe(into).command({
      line: 'check',
      sandbox: '/s',
      env: { A: 'b' },
      user: 'web',
      isolation: { privateTmp: true },
      nofile: 9,
      timeoutMs,
      taskId: taskId('t1'),
      stop,
    });

  it('runs in its task, as the task runs', async () => {
    const into = entrance({ code: 0, signal: null });
    expect(await command(into)).toMatchObject({ ok: true, cause: null });
    expect(into.asked).toEqual([
      { taskId: 't1', sandbox: '/s', env: { A: 'b' }, user: 'web', privateTmp: true, nofile: 9, argv: ['/bin/sh', '-c', 'check'], io: 'none' },
    ]);
  });

  it('says how it failed, and why it could not be run', async () => {
    expect(await command(entrance({ code: 3, signal: null }))).toMatchObject({ ok: false, cause: 'exit status 3' });
    expect(await command(entrance({ code: null, signal: 'SIGSEGV' }))).toMatchObject({ ok: false, cause: 'killed by SIGSEGV' });
    expect(await command({ exec: () => Promise.reject(new Error('the task does not run')) })).toMatchObject({ ok: false, cause: 'the task does not run' });
    expect(await command({})).toMatchObject({ ok: false });
  });

  it('is killed when time is up, and when its task is being stopped', async () => {
    expect(await command(entrance('never'), 10)).toMatchObject({ ok: false, cause: 'timed out after 10 ms' });
    const stop = new AbortController();
    const result = command(entrance('never'), 60_000, stop.signal);
    stop.abort();
    expect(await result).toMatchObject({ ok: false, cause: 'killed by SIGKILL' });
  });
});
