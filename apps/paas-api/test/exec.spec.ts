/** Commands in tasks, handed on to an agent that is played by hand. */
import { createServer, type IncomingMessage, type Server } from 'node:http';
import { connect as connectTcp, type AddressInfo } from 'node:net';
import { appId, instanceId, type Condition, type Instance, type Log } from '@ekiden/model';
import { WebSocket, WebSocketServer } from 'ws';
import { aTaskOf } from './a-task.js';
import { openBench, type HttpBench } from './http-bench.js';

const APP = appId('/shop/web');
const UUIDS = ['5cb1d3a0-7c11-11eb-8f2b-0242ac110002', '5cb1ffff-7c11-11eb-8f2b-0242ac110002'] as const;
const PROTOCOL = 'ekiden.exec.v1';

let agent: Server;
let sockets: WebSocketServer;
let asked: IncomingMessage[];
let refuses: { status: number; message: string } | null;
let bench: HttpBench;
let log: string[];
const open: WebSocket[] = [];

const place = (): string => `127.0.0.1:${(agent.address() as AddressInfo).port}`;

function instance(index: 0 | 1, change: Partial<Instance> & { readonly kind?: 'running' | 'staging' | 'unreachable' } = {}, agentAddress = place()): Instance {
  const id = instanceId(`shop_web.instance-${UUIDS[index]}`);
  const task = aTaskOf(id, { agent: 'a-1', hostname: 'n1', agentAddress });
  const conditions: Record<'running' | 'staging' | 'unreachable', Condition> = {
    running: { kind: 'running', since: 0, task, checks: [], readiness: null, ipAddresses: [] },
    staging: { kind: 'staging', since: 0, task },
    unreachable: { kind: 'unreachable', since: 0, task, inactiveAt: null, expungeAt: null, inactive: false },
  };
  const { kind = 'running', ...rest } = change;
  return { id, appId: APP, version: 0, goal: 'running', incarnation: 1, createdAt: index, stop: null, backoffMs: 0, condition: conditions[kind], ...rest };
}

beforeEach(async () => {
  asked = [];
  log = [];
  refuses = null;
  sockets = new WebSocketServer({ noServer: true, handleProtocols: () => PROTOCOL });
  agent = createServer();
  agent.on('upgrade', (request: IncomingMessage, socket, head) => {
    asked.push(request);
    if (refuses !== null) {
      const body = JSON.stringify({ message: refuses.message });
      return void socket.end(`HTTP/1.1 ${refuses.status} No\r\nConnection: close\r\nContent-Length: ${body.length}\r\n\r\n${body}`);
    }
    sockets.handleUpgrade(request, socket, head, (opened) => opened.on('message', (data, isBinary) => opened.send(data, { binary: isBinary })));
  });
  await new Promise<void>((resolve) => agent.listen(0, '127.0.0.1', resolve));
  const note = (event: string, fields: Readonly<Record<string, unknown>> = {}): void => void log.push(`${event} ${JSON.stringify(fields)}`);
  const noting: Log = { debug: () => undefined, info: note, warn: note, error: note };
  bench = await openBench({ clusterToken: 'join', log: noting });
  await bench.send('POST', '/v2/apps', { id: APP, cmd: 'sleep 1000' });
});
afterEach(async () => {
  for (const socket of open.splice(0)) socket.terminate();
  await bench.close();
  sockets.close();
  agent.closeAllConnections();
  await new Promise((resolve) => agent.close(resolve));
});

const dial = (path: string, headers: Readonly<Record<string, string>> = {}, base = bench.url): WebSocket => {
  const socket = new WebSocket(base.replace('http', 'ws') + path, PROTOCOL, { headers });
  socket.on('error', () => undefined);
  open.push(socket);
  return socket;
};
const refusal = (path: string, headers: Readonly<Record<string, string>> = {}): Promise<[number | undefined, string]> =>
  new Promise((resolve) =>
    dial(path, headers).on('unexpected-response', (_, response) => {
      let text = '';
      response.on('data', (chunk) => (text += String(chunk))).on('end', () => resolve([response.statusCode, JSON.parse(text).message]));
    }),
  );
const opened = (socket: WebSocket): Promise<string> =>
  new Promise((resolve) => {
    let task = '';
    socket.on('upgrade', (response) => (task = String(response.headers['x-ekiden-task'])));
    socket.on('open', () => resolve(task));
  });

it('hands a session on to the agent of the task, with its own token and the word for whom', async () => {
  const own = instance(0);
  bench.api.instancesOf.set(APP, [instance(1), own]);
  const socket = dial('/ekiden/v1/apps/shop/web/exec', { authorization: 'Bearer mine' });
  expect(await opened(socket)).toBe(`${own.id}._app.1`);
  const [request] = asked;
  expect(request?.url).toBe(`/ekiden/v1/tasks/${own.id}._app.1/exec`);
  expect(request?.headers).toMatchObject({ authorization: 'Bearer join', 'x-ekiden-for': '127.0.0.1', 'sec-websocket-protocol': PROTOCOL });
  const echoed = new Promise((resolve) => socket.on('message', (data: Buffer) => resolve(data.toString())));
  socket.send('x'.repeat(100_000));
  expect(await echoed).toHaveLength(100_000);
  const closed = new Promise((resolve) => [...sockets.clients][0]?.on('close', resolve));
  socket.terminate();
  await closed;
  while (!log.some((line) => line.startsWith('exec-ended'))) await new Promise((resolve) => setImmediate(resolve));
  expect(log.join()).toContain(`exec-begins {"appId":"/shop/web","taskId":"${own.id}._app.1","agent":"${place()}","by":"127.0.0.1"}`);
  expect(log.join()).not.toMatch(/Bearer|mine/);
});

it('finds an instance by how it begins, a task by its id, and says which are not to be had', async () => {
  bench.api.instancesOf.set(APP, [instance(0), instance(1)]);
  expect(await opened(dial('/ekiden/v1/apps/shop/web/5cb1f/exec'))).toContain(UUIDS[1]);
  expect(await opened(dial(`/ekiden/v1/tasks/${instance(0).id}._app.1/exec`))).toContain(UUIDS[0]);
  expect(await refusal('/ekiden/v1/apps/shop/web/5cb1/exec')).toEqual([400, expect.stringContaining('names 2 instances')]);
  expect(await refusal('/ekiden/v1/apps/shop/web/abcd/exec')).toEqual([404, expect.stringContaining("'abcd' of '/shop/web'")]);
  expect(await refusal('/ekiden/v1/apps/shop/other/exec')).toEqual([404, expect.stringContaining('/shop/other')]);
  expect(await refusal('/ekiden/v1/tasks/nobody/exec')).toEqual([404, expect.stringContaining('nobody')]);
  expect(await refusal('/ekiden/v1/nodes')).toEqual([404, 'URI not found']);
  bench.api.instancesOf.set(APP, [instance(0, { kind: 'staging' })]);
  expect(await refusal('/ekiden/v1/apps/shop/web/exec')).toEqual([409, expect.stringContaining('it is starting')]);
  bench.api.instancesOf.set(APP, [instance(0, { kind: 'unreachable' })]);
  expect(await refusal('/ekiden/v1/apps/shop/web/exec')).toEqual([502, expect.stringContaining('is away')]);
  bench.api.instancesOf.set(APP, []);
  expect(await refusal('/ekiden/v1/apps/shop/web/exec')).toEqual([409, expect.stringContaining('no instances')]);
  expect(await bench.send('GET', '/ekiden/v1/apps/shop/web/exec')).toMatchObject({ status: 400, body: { message: expect.stringContaining('WebSocket') } });
});

it('passes on why the agent refuses, and that it does not answer', async () => {
  bench.api.instancesOf.set(APP, [instance(0)]);
  refuses = { status: 409, message: 'it is ended' };
  expect(await refusal('/ekiden/v1/apps/shop/web/exec')).toEqual([409, 'it is ended']);
  refuses = { status: 401, message: 'a valid token is needed' };
  expect(await refusal('/ekiden/v1/apps/shop/web/exec')).toEqual([502, expect.stringContaining('a valid token is needed')]);
  bench.api.instancesOf.set(APP, [instance(0, {}, '127.0.0.1:1')]);
  expect(await refusal('/ekiden/v1/apps/shop/web/exec')).toEqual([502, expect.stringContaining('does not answer')]);
});

it('lets no page of another site in, and nobody without a token where there is one', async () => {
  bench.api.instancesOf.set(APP, [instance(0)]);
  expect((await refusal('/ekiden/v1/apps/shop/web/exec', { origin: 'http://evil.example' }))[0]).toBe(403);
  expect((await refusal('/ekiden/v1/apps/shop/web/exec', { origin: 'http://127.0.0.1:31000' }))[0]).toBe(403);
  expect((await refusal('/ekiden/v1/apps/shop/web/exec', { 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'navigate' }))[0]).toBe(403);
  expect((await refusal('/ekiden/v1/apps/shop/web/exec', { host: 'evil.example' }))[0]).toBe(403);
  expect(asked).toEqual([]);
  const guarded = await openBench({ policy: { allowedHosts: [], tokens: ['people'], contentTypes: [], openPaths: [] } });
  try {
    const socket = dial('/ekiden/v1/apps/shop/web/exec', { authorization: 'Bearer wrong' }, guarded.url);
    expect(await new Promise((resolve) => socket.on('unexpected-response', (_, response) => resolve(response.statusCode)))).toBe(401);
  } finally {
    await guarded.close();
  }
});

it('is handed on by a process that does not lead, to the one that does', async () => {
  bench.api.instancesOf.set(APP, [instance(0)]);
  const standby = await openBench({ leader: async () => ({ address: new URL(bench.url).host }) });
  standby.api.isLeading = false;
  try {
    expect(await opened(dial('/ekiden/v1/apps/shop/web/exec', {}, standby.url))).toContain(UUIDS[0]);
  } finally {
    await standby.close();
  }
});

it('answers requests that offer another protocol as if nothing had been offered, body and all', async () => {
  const { port } = new URL(bench.url);
  const app = JSON.stringify({ id: '/offered', cmd: 'x'.repeat(100_000) });
  const socket = connectTcp(Number(port), '127.0.0.1');
  let text = '';
  socket.on('data', (chunk) => (text += String(chunk)));
  const offer = 'Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAEAAEAAAAIAAAABAAMAAABkAAQBAAAAAAUAAEAA\r\n';
  const half = app.length / 2;
  socket.write(`POST /v2/apps HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nContent-Type: application/json\r\nContent-Length: ${app.length}\r\n${offer}\r\n`);
  socket.write(app.slice(0, half));
  while (socket.bytesWritten < half) await new Promise((resolve) => setImmediate(resolve));
  socket.write(app.slice(half));
  while (!text.includes('\r\n\r\n')) await new Promise((resolve) => setImmediate(resolve));
  expect(text).toMatch(/^HTTP\/1\.1 (201) /);
  text = '';
  socket.write(`GET /ping HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\n${offer}\r\n`);
  while (!text.includes('pong')) await new Promise((resolve) => setImmediate(resolve));
  socket.destroy();
});
