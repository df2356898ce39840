/**
 * The agent with its real ports in one process: real disk, real children, a WebSocket to a master that is played by hand.
 * `kill -9` is played by dropping the agent without telling it.
 */
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { AGENT_LINK_PATH, type AgentMessage, type MasterMessage } from '@ekiden/agent-link';
import { createRuntime, type SupervisedRuntime } from '@ekiden/isolation';
import type { TaskInfo, TaskStatus } from '@ekiden/mesos';
import { NO_RESOURCES, taskId } from '@ekiden/model';
import { silentLog, systemWorld } from '@ekiden/service';
import { WebSocketServer, type WebSocket } from 'ws';
import { fsCheckpointStore } from '../src/checkpoint/fs-checkpoint-store.js';
import { createAgent, type Agent } from '../src/create-agent.js';
import { systemProbe } from '../src/health/system-probe.js';
import { systemHostPorts } from '../src/host-ports.js';
import { createAgentServer, OPEN_PATHS } from '../src/http/agent-server.js';
import { webSocketConnector } from '../src/link/websocket-connector.js';
import { createFetcher } from '../src/sandbox/create-fetcher.js';
import { fsSandboxes, prepareTasksDirectory, sandboxOf } from '../src/sandbox/fs-sandboxes.js';
import { aFramework, aTask, FRAMEWORK, registered } from './agent-bench.js';

const TOKEN = 'a-token-of-the-cluster';

let workDir: string;
let master: WebSocketServer;
let socket: WebSocket | null;
let heard: AgentMessage[];
let authorization: string | undefined;
let agent: Agent;
let runtime: SupervisedRuntime;

const until = async (what: string, condition: () => boolean): Promise<void> => {
  const end = Date.now() + 10_000;
  while (!condition()) {
    if (Date.now() > end) throw new Error(`not within 10 s: ${what}; heard ${JSON.stringify(heard)}`);
    await new Promise((resolve) => setImmediate(resolve));
  }
};
const say = (message: MasterMessage): void => socket?.send(JSON.stringify(message));
const statuses = (): TaskStatus[] => heard.flatMap((message) => (message.type === 'status' ? [message.status] : []));
const launch = (task: TaskInfo): void => say({ type: 'launch', framework: aFramework(), tasks: [task] });
const shell = (line: string): Partial<TaskInfo> => ({ command: { value: line } });

beforeEach(async () => {
  workDir = mkdtempSync(join(tmpdir(), 'ekiden-agent-'));
  heard = [];
  socket = null;
  master = new WebSocketServer({ host: '127.0.0.1', port: 0, path: AGENT_LINK_PATH });
  await new Promise((resolve) => master.on('listening', resolve));
  master.on('connection', (opened, request) => {
    socket = opened;
    authorization = request.headers.authorization;
    opened.on('message', (frame: Buffer) => {
      const message = JSON.parse(frame.toString()) as AgentMessage;
      heard.push(message);
      if (message.type === 'register') say(registered(1));
      if (message.type === 'status' && message.status.uuid !== undefined)
        say({ type: 'acknowledge', frameworkId: FRAMEWORK, taskId: taskId(message.status.task_id.value), uuid: message.status.uuid });
    });
  });
});
afterEach(async () => {
  await agent.endTasks(0);
  await agent.stop();
  runtime.close();
  for (const client of master.clients) client.terminate();
  await new Promise((resolve) => master.close(resolve));
  rmSync(workDir, { recursive: true, force: true });
});

async function start(): Promise<void> {
  await prepareTasksDirectory(workDir, false);
  runtime = createRuntime({ kind: 'process', driver: null, instance: `test-${process.pid}`, log: silentLog });
  const limits = { maxBytes: 1e6, timeoutMs: 60_000, stallMs: 60_000 };
  const fetcher = createFetcher({ workDir, limits, cacheBytes: 1e6, parallel: 2, fileDirs: [] });
  agent = createAgent({
    ...systemWorld(silentLog),
    config: {
      hostname: 'h',
      ip: '127.0.0.1',
      port: 1,
      version: '0',
      resources: NO_RESOURCES,
      attributes: {},
      region: null,
      zone: null,
      bootId: 'b',
      defaultKillGraceMs: 500,
      baseEnv: { PATH: '/usr/bin:/bin' },
    },
    checkpoints: fsCheckpointStore(workDir),
    runtime,
    master: webSocketConnector({ masters: [`http://127.0.0.1:${(master.address() as AddressInfo).port}`], token: TOKEN }),
    sandboxes: fsSandboxes(workDir, { ...fetcher, rotation: { maxBytes: 1_000_000, keep: 1 } }, false),
    hostPorts: systemHostPorts,
    probe: systemProbe({}),
  });
  await agent.start();
  await until('registered', () => agent.view().registered);
}

it('joins with its token, runs a command, keeps its output, and forgets it when all is acknowledged', async () => {
  await start();
  expect(authorization).toBe(`Bearer ${TOKEN}`);
  launch(aTask('t1', shell('echo "in $MESOS_SANDBOX"; echo bad >&2; exit 7')));
  await until('forgotten', () => statuses().length === 2 && agent.tasks().length === 0);
  expect(statuses()).toMatchObject([{ state: 'TASK_RUNNING' }, { state: 'TASK_FAILED', message: 'Command exited with status 7' }]);
  const sandbox = sandboxOf(workDir, taskId('t1'));
  expect(readFileSync(join(sandbox, 'stdout'), 'utf8')).toBe(`in ${sandbox}\n`);
  await until('retired', () => existsSync(join(sandbox, '..', 'ended')));
});

it('says why a program could not be started', async () => {
  await start();
  launch(aTask('t1', { command: { shell: false, value: '/no/such/program' } }));
  launch(aTask('t2', { command: { value: 'true', user: 'nobody-of-that-name' } }));
  await until('both ended', () => statuses().filter((status) => status.state === 'TASK_FAILED' || status.state === 'TASK_ERROR').length === 2);
  expect(
    statuses()
      .map((status) => status.message ?? '')
      .join(),
  ).toContain('--allow-user nobody-of-that-name');
});

it('a killed agent leaves its task alone; the next one finds it, and its end', async () => {
  await start();
  launch(aTask('t1', shell('touch started; while [ ! -e stop ]; do sleep 0.02; done; exit 4')));
  const sandbox = sandboxOf(workDir, taskId('t1'));
  await until('running', () => existsSync(join(sandbox, 'started')) && statuses().length === 1);
  await agent.stop();
  runtime.close();
  heard = [];
  await start();
  expect(heard[0]).toMatchObject({ type: 'register', agentId: 'agent-1', tasks: [{ task: { task_id: { value: 't1' } }, state: 'TASK_RUNNING' }] });
  expect(statuses()).toEqual([]);
  launch(aTask('t2', { command: { value: `touch ${sandbox}/stop` } }));
  await until('the end of t1', () => statuses().some((status) => status.message === 'Command exited with status 4'));
});

it('kills what ignores SIGTERM, with its children', async () => {
  await start();
  launch(aTask('t1', shell("trap '' TERM; sleep 1000 & echo $! > child; touch started; wait; wait")));
  const sandbox = sandboxOf(workDir, taskId('t1'));
  await until('running', () => existsSync(join(sandbox, 'started')));
  const child = Number(readFileSync(join(sandbox, 'child'), 'utf8'));
  say({ type: 'kill', frameworkId: FRAMEWORK, taskId: taskId('t1'), killPolicy: { grace_period: { nanoseconds: 2e8 } } });
  await until('killed', () => statuses().some((status) => status.state === 'TASK_KILLED'));
  // Killed; who reaps it is the machine's business.
  expect(!existsSync(`/proc/${child}`) || readFileSync(`/proc/${child}/stat`, 'utf8').includes(') Z ')).toBe(true);
});

it('ends all tasks when its parent asks, and starts nothing afterwards', async () => {
  await start();
  launch(aTask('t1', shell('sleep 1000')));
  await until('running', () => statuses().length === 1);
  await agent.endTasks(null);
  await until('told', () => statuses().length === 2);
  expect(statuses()[1]).toMatchObject({ state: 'TASK_KILLED' });
  launch(aTask('t2', shell('sleep 1000')));
  await until('dropped', () => statuses().some((status) => status.state === 'TASK_DROPPED'));
});

it('serves files and tasks over HTTP to whoever has the token', async () => {
  await start();
  launch(aTask('t1', shell('printf 0123456789')));
  await until('forgotten', () => statuses().length === 2 && agent.tasks().length === 0);
  const server = createAgentServer({
    policy: { allowedHosts: [], tokens: [TOKEN], contentTypes: [], openPaths: OPEN_PATHS },
    log: silentLog,
    tasks: () => agent.tasks(),
    view: () => agent.view(),
    workDir,
    retentionMs: 3_600_000,
    task: (id) => agent.task(id),
    isRecovered: () => true,
    statistics: { sampler: agent.sampler, hardCpus: false, agentId: () => agent.view().agentId },
    metrics: () => Promise.resolve({ text: '', contentType: 'text/plain' }),
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const get = (path: string, headers: Record<string, string> = { authorization: `Bearer ${TOKEN}` }): Promise<Response> => fetch(base + path, { headers });
  try {
    const part = await get('/ekiden/v1/tasks/t1/files/stdout?offset=2&length=3');
    expect([await part.text(), part.headers.get('x-ekiden-size'), part.headers.get('x-ekiden-offset')]).toEqual(['234', '10', '2']);
    expect(await (await get('/ekiden/v1/tasks/t1/files')).json()).toMatchObject({
      files: expect.arrayContaining([expect.objectContaining({ path: 'stdout' })]),
    });
    expect((await get('/health', {})).status).toBe(200);
    expect((await get('/ekiden/v1/tasks', {})).status).toBe(401);
    expect([(await get('/containers', {})).status, await (await get('/monitor/statistics')).json()]).toEqual([401, []]);
    for (const path of ['/files/..%2F..%2Fmeta%2Fagent.json', '/files/%2Fetc%2Fpasswd', '/files/nothing']) {
      expect((await get(`/ekiden/v1/tasks/t1${path}`)).status).toBe(404);
    }
    expect((await get('/ekiden/v1/tasks/..%2Ft1/files/stdout')).status).toBe(400);
    expect((await get('/ekiden/v1/tasks', { origin: 'http://evil.example', authorization: `Bearer ${TOKEN}` })).status).toBe(403);
  } finally {
    server.closeAllConnections();
    server.close();
  }
});
