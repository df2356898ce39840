/** The agent's logs and files over real HTTP, on a real disk; tasks are only told of. */
import { appendFileSync, chmodSync, existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { rotateLogs } from '@ekiden/isolation';
import { silentLog } from '@ekiden/service';
import { createParser } from 'eventsource-parser';
import type { TaskRecord } from '../agent-ports.js';
import { createAgentServer } from './agent-server.js';
import { modeText, sandboxPath } from './serve-mesos-files.js';

let workDir: string;
let sandbox: string;
let server: Server;
let base: string;
let stages: Map<string, TaskRecord['stage']>;
let isRecovered: boolean;

beforeEach(async () => {
  workDir = mkdtempSync(join(tmpdir(), 'ekiden-serve-logs-'));
  sandbox = join(workDir, 'tasks/t1/sandbox');
  mkdirSync(sandbox, { recursive: true });
  stages = new Map([['t1', 'running']]);
  isRecovered = true;
  server = createAgentServer({
    policy: { allowedHosts: [], tokens: [], contentTypes: [], openPaths: [] },
    log: silentLog,
    workDir,
    retentionMs: 3_600_000,
    tasks: () => [],
    task: (id) => (stages.has(id) ? ({ stage: stages.get(id) } as TaskRecord) : null),
    isRecovered: () => isRecovered,
    view: () => ({ agentId: null, registered: true, masterEpoch: 1, damaged: [] }),
    metrics: () => Promise.resolve({ text: '', contentType: 'text/plain' }),
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterEach(async () => {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
  rmSync(workDir, { recursive: true, force: true });
});

const write = (text: string): void => appendFileSync(join(sandbox, 'stdout'), text);
const rotate = (): Promise<unknown> => rotateLogs(sandbox, { maxBytes: 1, keep: 2 });
const end = (): void => {
  stages.delete('t1');
  writeFileSync(join(workDir, 'tasks/t1/ended'), '');
};
const get = (path: string, headers: Record<string, string> = {}): Promise<Response> => fetch(base + path, { headers });
const LOG = '/ekiden/v1/tasks/t1/logs/stdout';

interface Seen {
  readonly event: string;
  readonly id: string | undefined;
  readonly data: Readonly<Record<string, unknown>>;
}

async function open(path: string, lastEventId?: number): Promise<Response> {
  const headers = lastEventId === undefined ? {} : { 'last-event-id': String(lastEventId) };
  const response = await get(path, { accept: 'text/event-stream', ...headers });
  expect([response.status, response.headers.get('content-type')]).toEqual([200, 'text/event-stream; charset=utf-8']);
  return response;
}

async function* eventsOf(response: Response): AsyncGenerator<Seen> {
  const queue: Seen[] = [];
  const parser = createParser({ onEvent: ({ event = '', id, data }) => queue.push({ event, id, data: JSON.parse(data) as Seen['data'] }) });
  const decoder = new TextDecoder();
  for await (const chunk of response.body ?? []) {
    parser.feed(decoder.decode(chunk, { stream: true }));
    yield* queue.splice(0);
  }
}

describe('logs by offset', () => {
  it('mean the same byte before and after a rotation', async () => {
    write('one\n');
    await rotate();
    write('two\n');
    const part = await get(`${LOG}?offset=2&length=4`);
    const header = (name: string): string | null => part.headers.get(`x-ekiden-${name}`);
    expect([await part.text(), header('offset'), header('begin'), header('end'), header('kept-until')]).toEqual(['e\ntw', '2', '0', '8', null]);
    expect(await (await get(`${LOG}?offset=-4`)).text()).toBe('two\n');
    await rotate();
    write('three\n');
    await rotate();
    expect((await get(LOG)).headers.get('x-ekiden-offset')).toBe('4');
  });

  it('are empty before the task has said anything, and stay until a stated time when it is over', async () => {
    expect([(await get(LOG)).status, await (await get(LOG)).text()]).toEqual([200, '']);
    end();
    expect((await get(LOG)).status).toBe(404);
    write('last words\n');
    utimesSync(join(workDir, 'tasks/t1/ended'), 1_700_000_000, 1_700_000_000);
    const until = Date.parse((await get(LOG)).headers.get('x-ekiden-kept-until') ?? '');
    expect(until).toBeGreaterThanOrEqual(1_700_000_000_000);
    expect(until).toBeLessThanOrEqual(1_700_000_000_000 + 3_600_000 * 0.9);
  });

  it.each([
    ['offset=x', 'offset is "x", but has to be an integer'],
    ['length=-1', 'length is "-1", but has to be an integer from 0 to 1048576'],
    ['length=99999999999', 'length is "99999999999"'],
  ])('refuse %s', async (query, message) => {
    const response = await get(`${LOG}?${query}`);
    expect([response.status, ((await response.json()) as { message: string }).message]).toEqual([400, expect.stringContaining(message)]);
  });

  it.each(['/ekiden/v1/tasks/unknown/logs/stdout', '/ekiden/v1/tasks/t1/logs/stdin', '/ekiden/v1/tasks/t1/logs/..%2Fsecret'])(
    '%s is not there',
    async (path) => {
      expect((await get(path, { accept: 'text/event-stream' })).status).toBe(404);
    },
  );

  it('never lead out of the sandbox', async () => {
    writeFileSync(join(workDir, 'secret'), 'secret');
    symlinkSync(join(workDir, 'secret'), join(sandbox, 'stdout'));
    expect(await (await get(LOG)).text()).toBe('');
  });
});

describe('logs as events', () => {
  it('come as they are written, over rotations, every byte once, until the task is over', async () => {
    write('line 1\n');
    let text = '';
    let at = 0;
    let lines = 1;
    for await (const { event, id, data } of eventsOf(await open(LOG))) {
      if (event === 'end') {
        expect(data).toEqual({ offset: at, keptUntil: expect.stringMatching(/Z$/) });
        break;
      }
      expect([event, data['offset']]).toEqual(['log', at]);
      text += String(data['data']);
      at = Number(id);
      if (!text.endsWith(`line ${lines}\n`)) continue;
      if (lines === 12) end();
      else {
        if (lines % 3 === 0) await rotate();
        lines += 1;
        write(`line ${lines}\n`);
      }
    }
    expect(text).toBe(Array.from({ length: 12 }, (_, index) => `line ${index + 1}\n`).join(''));
    expect(existsSync(join(sandbox, 'stdout.2'))).toBe(true);
  });

  it('go on after the last one that was seen, and tell of what is gone', async () => {
    write('one\ntwo\n');
    const heard = async (path: string, lastId?: number): Promise<unknown[]> => {
      const seen = [];
      for await (const { event, data } of eventsOf(await open(path, lastId))) seen.push([event, data['data'] ?? data['to'] ?? data['offset']]);
      return seen;
    };
    stages.set('t1', 'ended');
    const all = [
      ['log', 'one\ntwo\n'],
      ['end', 8],
    ];
    expect(await heard(LOG)).toEqual(all);
    expect(await heard(`${LOG}?offset=0`, 4)).toEqual([
      ['log', 'two\n'],
      ['end', 8],
    ]);
    expect(await heard(LOG, 8)).toEqual([['end', 8]]);
    for (let piece = 0; piece < 3; piece += 1) {
      await rotate();
      write('more\n');
    }
    expect((await heard(LOG, 3))[0]).toEqual(['gap', 8]);
  });

  it('wait for a task that has no sandbox yet', async () => {
    rmSync(join(workDir, 'tasks/t1'), { recursive: true });
    const seen: string[] = [];
    const opened = await open(LOG);
    mkdirSync(sandbox, { recursive: true });
    write('hello\n');
    for await (const { event, data } of eventsOf(opened)) {
      seen.push(event === 'log' ? String(data['data']) : event);
      if (event === 'log') end();
    }
    expect(seen).toEqual(['hello\n', 'end']);
  });

  it('do not end because the agent has just started and does not know the task yet', async () => {
    isRecovered = false;
    stages.clear();
    const opened = await open(LOG);
    stages.set('t1', 'running');
    isRecovered = true;
    write('still here\n');
    const stream = eventsOf(opened);
    expect((await stream.next()).value).toMatchObject({ event: 'log', data: { data: 'still here\n' } });
    await stream.return(undefined);
  });
});

describe('sandboxes of tasks that are over', () => {
  it('are listed, the newest first, with the time until which they are kept', async () => {
    for (const [name, at] of [
      ['t0', 1_700_000_000],
      ['t1', 1_700_000_100],
    ] as const) {
      mkdirSync(join(workDir, 'tasks', name), { recursive: true });
      writeFileSync(join(workDir, 'tasks', name, 'ended'), '');
      utimesSync(join(workDir, 'tasks', name, 'ended'), at, at);
    }
    mkdirSync(join(workDir, 'tasks/lives/sandbox'), { recursive: true });
    const kept = { keptUntil: expect.stringMatching(/^2023-11-14T2[23]:.*Z$/) };
    expect(await (await get('/ekiden/v1/sandboxes')).json()).toEqual({
      sandboxes: [
        { name: 't1', sandbox, endedAt: '2023-11-14T22:15:00.000Z', ...kept },
        { name: 't0', sandbox: join(workDir, 'tasks/t0/sandbox'), endedAt: '2023-11-14T22:13:20.000Z', ...kept },
      ],
    });
  });
});

describe("files in Mesos' words", () => {
  const read = async (query: string): Promise<unknown> => (await get(`/files/read?path=${encodeURIComponent(join(sandbox, 'stdout'))}${query}`)).json();

  it('are browsed', async () => {
    write('0123456789');
    mkdirSync(join(sandbox, 'dir'));
    chmodSync(join(sandbox, 'dir'), 0o755);
    chmodSync(join(sandbox, 'stdout'), 0o640);
    const listed = await (await get(`/files/browse?path=${encodeURIComponent(sandbox)}`)).json();
    expect(listed).toEqual([
      {
        path: join(sandbox, 'dir'),
        nlink: expect.any(Number),
        size: expect.any(Number),
        mtime: expect.any(Number),
        mode: 'drwxr-xr-x',
        uid: expect.any(String),
        gid: expect.any(String),
      },
      expect.objectContaining({ path: join(sandbox, 'stdout'), nlink: 1, size: 10, mode: '-rw-r-----' }),
    ]);
    const virtual = '/frameworks/f/executors/t1/runs/latest';
    expect(await (await get(`/files/browse.json?path=${virtual}`)).json()).toContainEqual(expect.objectContaining({ path: `${virtual}/stdout` }));
  });

  it('are read by offset', async () => {
    write('0123456789€');
    expect(await read('')).toEqual({ data: '', offset: 13 });
    expect(await read('&offset=-1&length=100')).toEqual({ data: '', offset: 13 });
    expect(await read('&offset=2&length=3')).toEqual({ data: '234', offset: 2 });
    expect(await read('&offset=8&length=-1')).toEqual({ data: '89€', offset: 8 });
    expect(await read('&offset=8&length=3')).toEqual({ data: '89', offset: 8 });
    expect(await read('&offset=-2')).toEqual({ message: expect.stringContaining('offset is "-2"') });
  });

  it('are downloaded whole', async () => {
    const text = 'x'.repeat(300_000);
    write(text);
    const response = await get('/files/download?path=/frameworks/f/executors/t1/runs/latest/stdout');
    expect(response.headers.get('content-disposition')).toBe("attachment; filename*=UTF-8''stdout");
    expect(await response.text()).toBe(text);
  });

  it.each([
    '/etc/passwd',
    '/frameworks/f/executors/t1/runs/latest/../../../secret',
    '/frameworks/f/executors/t1/runs/latest/link',
    '{tasks}/t1/ended',
    '{tasks}/../secret',
    '{tasks}/t1/sandbox/../../../secret',
    '{tasks}/../tasks/t1/sandbox/stdout',
  ])('%s is not there', async (path) => {
    writeFileSync(join(workDir, 'secret'), 'secret');
    write('log');
    symlinkSync(join(workDir, 'secret'), join(sandbox, 'link'));
    const asked = encodeURIComponent(path.replace('{tasks}', join(workDir, 'tasks')));
    for (const call of ['read', 'download', 'browse']) expect([call, (await get(`/files/${call}?path=${asked}`)).status]).toEqual([call, 404]);
  });

  it('need a path, which names the sandbox', async () => {
    expect(await (await get('/files/read')).json()).toEqual({ message: expect.stringContaining('path is missing') });
    expect(sandboxPath('/w/tasks/t1/sandbox', '/w')).toEqual({ sandbox: '/w/tasks/t1/sandbox', inside: '' });
    expect(sandboxPath('/w/tasks/t1/sandbox/a/b/', '/w')).toEqual({ sandbox: '/w/tasks/t1/sandbox', inside: 'a/b' });
    expect(sandboxPath('/w/tasks/t1/run/exit', '/w')).toBeNull();
  });

  it('show their modes as ls does', () => {
    const none = { isDirectory: () => false, isSymbolicLink: () => false, isFIFO: () => false, isSocket: () => false };
    expect(modeText({ ...none, mode: 0o640 })).toBe('-rw-r-----');
    expect(modeText({ ...none, mode: 0o777, isSymbolicLink: () => true })).toBe('lrwxrwxrwx');
  });
});
