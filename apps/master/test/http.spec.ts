/** The rim over real sockets: one session from SUBSCRIBE to TEARDOWN (reference: 9), and who is let in. */
import { request, type IncomingMessage } from 'node:http';
import { connect } from 'node:net';
import { AGENT_LINK_PATH, type AgentMessage, type MasterMessage } from '@ekiden/agent-link';
import type { SchedulerEvent, TaskStatus, WireOffer } from '@ekiden/mesos';
import { frameworkId, type Log } from '@ekiden/model';
import { systemWorld } from '@ekiden/service';
import { WebSocket } from 'ws';
import { createMaster } from '../src/create-master.js';
import { OPEN_PATHS } from '../src/http/gate.js';
import { openHttp, type OpenHttp } from '../src/http/open-http.js';
import type { Master } from '../src/master-ports.js';
import { createMemoryMasterStore } from '../src/store/memory-master-store.js';
import { aTask, CONFIG, someResources } from './test-master.js';

const silent: Log = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined };
const PATH = '/api/v1/scheduler';

let open: { readonly http: OpenHttp; readonly master: Master; readonly port: number; leader: string | null };

async function start({ leads = true, tokens = [] as string[], log = silent } = {}) {
  const world = systemWorld(silent);
  const store = createMemoryMasterStore();
  const master = createMaster({ ...world, config: CONFIG, store });
  if (leads) await master.start();
  const state = { leader: null as string | null };
  const http = await openHttp(
    {
      master,
      config: CONFIG,
      leader: () => Promise.resolve(state.leader),
      log,
      policy: { allowedHosts: [], tokens, contentTypes: [], openPaths: OPEN_PATHS },
      startedAtMs: world.clock.now(),
      now: () => world.clock.now(),
    },
    { host: '127.0.0.1', port: 0 },
  );
  open = Object.assign(state, { http, master, port: http.port });
}

afterEach(async () => {
  await open.master.stop();
  await open.http.close();
});

interface Answer {
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  readonly text: string;
}

function send(path: string, body: unknown, headers: Record<string, string> = {}, method = 'POST'): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const sent = request({ port: open.port, host: '127.0.0.1', path, method, headers: { 'content-type': 'application/json', ...headers } }, (response) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (chunk: string) => (text += chunk));
      response.on('end', () => resolve({ status: response.statusCode ?? 0, headers: response.headers, text }));
    });
    sent.on('error', reject);
    sent.end(typeof body === 'string' ? body : JSON.stringify(body));
  });
}

/** A stream as a JavaScript client of old reads it: each chunk is one record. */
class Stream {
  readonly events: SchedulerEvent[] = [];
  readonly chunks: string[] = [];
  ended = false;
  headers: IncomingMessage['headers'] = {};
  private wake = (): void => undefined;

  static open(call: unknown): Promise<Stream> {
    const stream = new Stream();
    return new Promise((resolve, reject) => {
      const sent = request({ port: open.port, host: '127.0.0.1', path: PATH, method: 'POST', headers: { 'content-type': 'application/json' } }, (response) => {
        stream.headers = response.headers;
        response.on('data', (chunk: Buffer) => stream.heard(chunk.toString('latin1')));
        response.on('close', () => {
          stream.ended = true;
          stream.wake();
        });
        resolve(stream);
      });
      sent.on('error', reject);
      sent.end(JSON.stringify(call));
    });
  }

  /** The first event for which `find` has something; taken out of the list. */
  async next<T>(find: (event: SchedulerEvent) => T | undefined): Promise<T> {
    for (;;) {
      for (const [index, event] of this.events.entries()) {
        const found = find(event);
        if (found === undefined) continue;
        this.events.splice(index, 1);
        return found;
      }
      if (this.ended) throw new Error('the stream ended first');
      await new Promise<void>((resolve) => (this.wake = resolve));
    }
  }

  async end(): Promise<void> {
    while (!this.ended) await new Promise<void>((resolve) => (this.wake = resolve));
  }

  private heard(chunk: string): void {
    this.chunks.push(chunk);
    this.events.push(JSON.parse(chunk.slice(chunk.indexOf('\n') + 1)) as SchedulerEvent);
    this.wake();
  }
}

const anOffer = (event: SchedulerEvent): WireOffer | undefined => (event.type === 'OFFERS' ? event.offers.offers?.[0] : undefined);
const aStatus = (event: SchedulerEvent): TaskStatus | undefined => (event.type === 'UPDATE' ? event.update.status : undefined);
const info = {
  user: 'root',
  name: 'dé\u{1F600}mo',
  roles: ['web'],
  failover_timeout: 60,
  checkpoint: true,
  capabilities: [{ type: 'MULTI_ROLE' }, { type: 'PARTITION_AWARE' }],
};
const SUBSCRIBE = { type: 'SUBSCRIBE', subscribe: { framework_info: info } };

/** An agent that runs whatever it is told to. */
async function anAgent(
  headers: Record<string, string> = {},
): Promise<{ readonly messages: MasterMessage[]; say(message: AgentMessage): void; readonly socket: WebSocket }> {
  const socket = new WebSocket(`ws://127.0.0.1:${open.port}${AGENT_LINK_PATH}`, { headers });
  const messages: MasterMessage[] = [];
  const say = (message: AgentMessage) => socket.send(JSON.stringify(message));
  await new Promise<void>((resolve, reject) => {
    socket.on('error', reject);
    socket.on('open', () =>
      say({
        type: 'register',
        v: 1,
        agentId: null,
        hostname: 'h1',
        ip: '127.0.0.1',
        port: 5051,
        version: '0',
        resources: someResources(4, 8192),
        attributes: [],
        region: null,
        zone: null,
        bootId: 'b',
        frameworks: [],
        tasks: [],
      }),
    );
    socket.on('message', (frame: Buffer) => {
      const message = JSON.parse(frame.toString()) as MasterMessage;
      messages.push(message);
      if (message.type === 'registered') resolve();
      const uuid = Buffer.alloc(16, messages.length).toString('base64');
      if (message.type === 'launch')
        say({
          type: 'status',
          frameworkId: frameworkId(message.framework.id?.value ?? ''),
          latestState: 'TASK_RUNNING',
          status: { task_id: { value: 't1' }, state: 'TASK_RUNNING', uuid },
        });
      if (message.type === 'kill')
        say({ type: 'status', frameworkId: message.frameworkId, latestState: 'TASK_KILLED', status: { task_id: { value: 't1' }, state: 'TASK_KILLED', uuid } });
    });
  });
  return { messages, say, socket };
}

it('leads a framework from SUBSCRIBE to TEARDOWN', async () => {
  await start();
  const agent = await anAgent();
  const stream = await Stream.open(SUBSCRIBE);
  expect(stream.headers).toMatchObject({ 'content-type': 'application/json', 'transfer-encoding': 'chunked', 'mesos-stream-id': expect.any(String) });
  expect(stream.headers['content-length']).toBeUndefined();
  const framework = await stream.next((event) => (event.type === 'SUBSCRIBED' ? event.subscribed.framework_id : undefined));
  await stream.next((event) => (event.type === 'HEARTBEAT' ? true : undefined));
  const stream_id = { 'mesos-stream-id': String(stream.headers['mesos-stream-id']) };
  const call = (body: Record<string, unknown>, headers: Record<string, string> = stream_id) => send(PATH, { framework_id: framework, ...body }, headers);

  const offer = await stream.next(anOffer);
  const agentId = offer.agent_id.value;
  const launch = { type: 'LAUNCH', launch: { task_infos: [aTask('t1', agentId)] } };
  const accepted = await call({ type: 'ACCEPT', accept: { offer_ids: [offer.id], operations: [launch], filters: { refuse_seconds: 0 } } });
  expect(accepted).toMatchObject({ status: 202, text: '', headers: { 'content-length': '0' } });
  const running = await stream.next(aStatus);
  expect(running).toMatchObject({ state: 'TASK_RUNNING', agent_id: offer.agent_id });
  const acknowledge = (status: TaskStatus) =>
    call({ type: 'ACKNOWLEDGE', acknowledge: { agent_id: status.agent_id, task_id: status.task_id, uuid: status.uuid } });
  expect((await acknowledge(running)).status).toBe(202);

  const rest = await stream.next(anOffer);
  expect(rest.resources?.[0]?.scalar?.value).toBe(3.9);
  expect((await call({ type: 'DECLINE', decline: { offer_ids: [rest.id], filters: { refuse_seconds: 3600 } } })).status).toBe(202);
  expect((await call({ type: 'SUPPRESS' })).status).toBe(202);
  expect((await call({ type: 'KILL', kill: { task_id: { value: 't1' } } })).status).toBe(202);
  const killed = await stream.next(aStatus);
  expect(killed.state).toBe('TASK_KILLED');
  expect((await acknowledge(killed)).status).toBe(202);

  expect((await call({ type: 'REVIVE' }, { 'mesos-stream-id': 'wrong' })).status).toBe(400);
  expect((await call({ type: 'REVIVE' }, {})).status).toBe(400);
  expect(
    (await call({ type: 'RECONCILE', reconcile: { tasks: [{ task_id: { value: 't9' } }, { task_id: { value: 't8' }, agent_id: { value: agentId } }] } }))
      .status,
  ).toBe(202);
  expect([(await stream.next(aStatus)).state, (await stream.next(aStatus)).state]).toEqual(['TASK_UNKNOWN', 'TASK_GONE']);

  const second = await Stream.open({ ...SUBSCRIBE, framework_id: framework, subscribe: { framework_info: { ...info, id: framework } } });
  expect(await stream.next((event) => (event.type === 'ERROR' ? event.error.message : undefined))).toBe('Framework failed over');
  await stream.end();
  const newer = { 'mesos-stream-id': String(second.headers['mesos-stream-id']) };
  expect((await call({ type: 'TEARDOWN' }, newer)).status).toBe(202);
  await second.end();
  const spent = await Stream.open({ ...SUBSCRIBE, framework_id: framework, subscribe: { framework_info: { ...info, id: framework } } });
  expect(await spent.next((event) => (event.type === 'ERROR' ? event.error.message : undefined))).toBe('Framework has been removed');
  // One record a chunk, ASCII, and the length is right.
  for (const chunk of [...stream.chunks, ...second.chunks]) {
    const newline = chunk.indexOf('\n');
    expect(Number(chunk.slice(0, newline))).toBe(chunk.length - newline - 1);
  }
  expect(agent.messages.filter(({ type }) => type === 'acknowledge')).toHaveLength(2);
  agent.socket.terminate();
});

describe('a request to the scheduler API', () => {
  it.each([
    ['a GET', 405, () => send(PATH, '', {}, 'GET')],
    ['another media type', 415, () => send(PATH, '{}', { 'content-type': 'application/x-protobuf' })],
    ['no JSON', 400, () => send(PATH, '{"type":')],
    ['no type', 400, () => send(PATH, {})],
    ['an unknown type', 501, () => send(PATH, { type: 'DANCE' })],
    ['a part missing', 400, () => send(PATH, { type: 'ACCEPT', framework_id: { value: 'f' } })],
    ['an Accept without JSON', 406, () => send(PATH, SUBSCRIBE, { accept: 'application/x-protobuf' })],
    ['a SUBSCRIBE with a stream id', 400, () => send(PATH, SUBSCRIBE, { 'mesos-stream-id': 'x' })],
    ['an unknown framework', 400, () => send(PATH, { type: 'REVIVE', framework_id: { value: 'f' } })],
    ['another site’s Host', 403, () => send(PATH, SUBSCRIBE, { host: 'evil.example' })],
    ['another site’s Origin', 403, () => send(PATH, SUBSCRIBE, { origin: 'http://evil.example' })],
  ])('with %s gets %i and one sentence', async (_what, status, ask) => {
    await start();
    const answer = await ask();
    expect(answer).toMatchObject({ status, headers: { 'content-type': 'text/plain; charset=utf-8' } });
    expect(answer.text.length).toBeGreaterThan(0);
  });

  it('takes `; charset=utf-8` as JSON', async () => {
    await start();
    expect((await send(PATH, { type: 'REVIVE', framework_id: { value: 'f' } }, { 'content-type': 'application/json; charset=utf-8' })).text).toBe(
      'Framework cannot be found',
    );
  });

  it('is sent to the leader, scheme-less, or told to wait when there is none', async () => {
    await start({ leads: false });
    expect(await send(PATH, SUBSCRIBE)).toMatchObject({ status: 503, text: 'No leader elected' });
    open.leader = 'm2:5050';
    expect(await send(PATH, SUBSCRIBE)).toMatchObject({ status: 307, headers: { location: '//m2:5050/api/v1/scheduler' } });
    expect(await send('/redirect', '', {}, 'GET')).toMatchObject({ status: 307, headers: { location: '//m2:5050' } });
    expect((await send('/health', '', {}, 'GET')).status).toBe(200);
  });

  it('needs the token once there is one; health and figures do not', async () => {
    await start({ tokens: ['secret'] });
    expect((await send(PATH, SUBSCRIBE)).status).toBe(401);
    expect((await send(PATH, { type: 'REVIVE', framework_id: { value: 'f' } }, { authorization: 'Bearer secret' })).status).toBe(400);
    expect((await send('/metrics/snapshot', '', {}, 'GET')).status).toBe(200);
    await expect(anAgent()).rejects.toThrow('401');
    expect((await send('/%61pi/v1/scheduler', SUBSCRIBE, { authorization: 'Bearer secret', 'content-type': 'text/plain' })).status).toBe(415);
    const agent = await anAgent({ authorization: 'Bearer secret' });
    agent.socket.terminate();
  });
});

it('keeps no connection of an agent that it has refused', async () => {
  await start({ tokens: ['secret'] });
  const socket = connect({ port: open.port, host: '127.0.0.1', allowHalfOpen: true });
  socket.write(`GET ${AGENT_LINK_PATH} HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n`);
  let answer = '';
  socket.on('data', (chunk) => (answer += chunk.toString()));
  await new Promise((resolve) => socket.once('end', resolve));
  expect(answer).toContain('HTTP/1.1 401');
  // Our half is still open; the first byte to a connection that is gone is answered with a reset.
  const gone = new Promise((resolve) => socket.once('error', resolve));
  const knocking = setInterval(() => socket.write('x'), 5);
  await gone;
  clearInterval(knocking);
});

describe('an operator', () => {
  it.each(['GET_HEALTH', 'GET_VERSION', 'GET_AGENTS', 'GET_FRAMEWORKS', 'GET_TASKS', 'GET_STATE', 'GET_MASTER'])(
    'asks %s, also below /master',
    async (type) => {
      await start();
      const agent = await anAgent();
      for (const path of ['/api/v1', '/master/api/v1/', '/api/v1/operator']) {
        const answer = await send(path, { type });
        expect(answer.status).toBe(200);
        expect(JSON.parse(answer.text)).toMatchObject({ type, [type.toLowerCase()]: {} });
      }
      agent.socket.terminate();
    },
  );

  it('gets 501 for the rest, and figures in two forms', async () => {
    await start();
    const agent = await anAgent();
    expect((await send('/api/v1', { type: 'TEARDOWN' })).status).toBe(501);
    expect(JSON.parse((await send('/metrics/snapshot', '', {}, 'GET')).text)).toMatchObject({
      'master/elected': 1,
      'master/slaves_connected': 1,
      'master/cpus_total': 4,
    });
    expect((await send('/metrics/prometheus', '', {}, 'GET')).text).toContain('ekiden_master_agents{state="registered"} 1');
    expect(JSON.parse((await send('/version', '', {}, 'GET')).text).version).toMatch(/^\d+\.\d+\.\d+$/);
    agent.socket.terminate();
  });
});

it('cuts an agent that speaks nonsense, and lives on', async () => {
  await start();
  const agent = await anAgent();
  const closed = new Promise<void>((resolve) => void agent.socket.on('close', () => resolve()));
  agent.socket.send('{"type":"status"}');
  await closed;
  expect((await send('/health', '', {}, 'GET')).status).toBe(200);
});

it('says in its log, and not to the caller, what a bug was', async () => {
  const said: unknown[] = [];
  await start({ log: { ...silent, error: (event, fields) => void said.push([event, String(fields?.['error'])]) } });
  Object.assign(open.master, {
    subscribe: () => {
      throw new Error('a bug');
    },
  });
  expect(await send(PATH, SUBSCRIBE)).toMatchObject({ status: 500, text: 'internal error: the log of the master has the cause' });
  expect(said).toEqual([['request-failed', 'Error: a bug']]);
  expect(await send('/nowhere', '', {}, 'GET')).toMatchObject({ status: 404, headers: { 'content-type': 'text/plain; charset=utf-8' } });
});
