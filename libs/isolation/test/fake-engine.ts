/**
 * A container engine in memory behind a real unix socket: as much of the API as the runtime uses, and faults to order. Nothing runs in it:
 * a test says what a container prints and how it ends.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { type IncomingMessage, type Server, type ServerResponse, createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface FakeContainer {
  readonly name: string;
  readonly body: Readonly<Record<string, unknown>>;
  status: 'created' | 'running' | 'exited';
  exitCode: number;
  starts: number;
  readonly signals: string[];
  /** Other limits that it was given. */
  readonly updates: unknown[];
  /** Frames with time, as the log keeps them. */
  readonly logs: Buffer[];
}

/** What happens to a request: `before` the engine acts, or `after`, the answer is lost; or it is refused with a status. */
export type Fault = { readonly kind: 'cut-before' | 'cut-after' | 'half' } | { readonly kind: 'refuse'; readonly status: number; readonly message: string };

export interface FakeEngine {
  readonly socket: string;
  readonly containers: Map<string, FakeContainer>;
  /** For the next request of this method whose path holds the text. */
  fault(method: string, path: string, fault: Fault): void;
  print(name: string, stream: 'stdout' | 'stderr', text: string): void;
  exit(name: string, code: number): void;
  /** Breaks off whatever listens or follows. */
  cutStreams(): void;
  /** Stops answering, as if it had been killed. */
  stop(): Promise<void>;
  start(): Promise<void>;
  close(): Promise<void>;
}

interface Follower {
  readonly answer: ServerResponse;
  readonly name: string | null;
}

const FIRST_SECOND = 1_700_000_000;
const MS_PER_SEC = 1000;

export async function startFakeEngine(): Promise<FakeEngine> {
  const dir = mkdtempSync(join(tmpdir(), 'ekiden-fake-engine-'));
  const socket = join(dir, 'engine.sock');
  const containers = new Map<string, FakeContainer>();
  const images = new Set<string>();
  const faults: { readonly method: string; readonly path: string; readonly fault: Fault }[] = [];
  const followers = new Set<Follower>();
  let server: Server | null = null;
  let prints = 0;

  const send = (answer: ServerResponse, status: number, body?: unknown): void => {
    answer.writeHead(status, { 'content-type': 'application/json' });
    answer.end(body === undefined ? undefined : JSON.stringify(body));
  };
  const refuse = (answer: ServerResponse, status: number, message: string): void => send(answer, status, { message });
  const follow = (answer: ServerResponse, name: string | null): void => {
    const follower = { answer, name };
    followers.add(follower);
    answer.on('close', () => followers.delete(follower));
  };
  const describe = (container: FakeContainer): unknown => ({
    Id: container.name,
    NetworkSettings: { Networks: { bridge: { IPAddress: '172.17.0.9', GlobalIPv6Address: '' } } },
    State: { Status: container.status, Pid: container.status === 'running' ? 4_000_000 : 0, ExitCode: container.exitCode, OOMKilled: false, Error: '' },
  });
  /** The one label that is asked for. */
  const isLabelled = ({ body }: FakeContainer, url: URL): boolean => {
    const { label = [] } = JSON.parse(url.searchParams.get('filters') ?? '{}') as { readonly label?: readonly string[] };
    return label.every((each) => Object.entries(body['Labels'] as object).some(([name, value]) => each === `${name}=${value}`));
  };
  const labels = ({ body }: FakeContainer): unknown => body['Labels'];
  const tell = (event: unknown): void => {
    for (const { answer, name } of followers) if (name === null) answer.write(`${JSON.stringify(event)}\n`);
  };
  const end = (container: FakeContainer, code: number): void => {
    if (container.status !== 'running') return;
    container.status = 'exited';
    container.exitCode = code;
    for (const { answer, name } of followers) if (name === container.name) answer.end();
    tell({ Type: 'container', Action: 'die', Actor: { Attributes: { ...(labels(container) as object), exitCode: String(code) } } });
  };

  async function handle(asked: IncomingMessage, answer: ServerResponse): Promise<void> {
    const url = new URL(asked.url ?? '', 'http://engine');
    const method = asked.method ?? '';
    const chunks: Buffer[] = [];
    for await (const chunk of asked) chunks.push(Buffer.from(chunk as Uint8Array));
    const at = faults.findIndex((each) => each.method === method && url.pathname.includes(each.path));
    const fault = at < 0 ? null : (faults.splice(at, 1)[0]?.fault ?? null);
    if (fault?.kind === 'cut-before') return void asked.socket.destroy();
    if (fault?.kind === 'refuse') return refuse(answer, fault.status, fault.message);
    if (fault?.kind === 'half') {
      answer.writeHead(200, { 'content-length': 1000 });
      answer.write('{"half":');
      return void setImmediate(() => asked.socket.destroy());
    }
    if (fault?.kind === 'cut-after') {
      answer.writeHead = () => answer;
      answer.end = () => {
        asked.socket.destroy();
        return answer;
      };
    }
    const isJson = asked.headers['content-type'] === 'application/json' && chunks.length > 0;
    act(method, url, isJson ? JSON.parse(Buffer.concat(chunks).toString('utf8')) : null, answer);
  }

  function act(method: string, url: URL, body: unknown, answer: ServerResponse): void {
    const path = url.pathname.replace(/^\/v1\.\d+/, '');
    if (path === '/version') return send(answer, 200, { ApiVersion: '1.41', MinAPIVersion: '1.12', Version: '1', Components: [{ Name: 'Fake Engine' }] });
    if (path === '/info') return send(answer, 200, { OSType: 'linux', CpuCfsQuota: true, MemoryLimit: true, PidsLimit: true });
    if (path === '/networks') return send(answer, 200, [{ Name: 'bridge' }, { Name: 'host' }, { Name: 'none' }, { Name: 'blue' }]);
    if (path === '/networks/bridge' || path === '/networks/blue') return send(answer, 200, {});
    if (path === '/images/create') {
      images.add('sha256:imported');
      return send(answer, 200, { status: 'sha256:imported' });
    }
    if (path === '/images/sha256:imported/tag') {
      images.add(`${url.searchParams.get('repo')}:${url.searchParams.get('tag')}`);
      return send(answer, 201);
    }
    if (path === '/events') {
      answer.writeHead(200);
      answer.flushHeaders();
      return follow(answer, null);
    }
    if (path === '/containers/json')
      return send(
        answer,
        200,
        [...containers.values()].filter((each) => isLabelled(each, url)).map((each) => ({ Id: each.name, State: each.status, Labels: labels(each) })),
      );
    if (path === '/containers/create') {
      const name = url.searchParams.get('name') ?? '';
      const image = (body as FakeContainer['body'])['Image'];
      if (typeof image === 'string' && !image.startsWith('sha256:') && !images.has(image)) return refuse(answer, 404, `No such image: ${image}`);
      if (containers.has(name)) return refuse(answer, 409, `the name ${name} is in use`);
      containers.set(name, { name, body: body as FakeContainer['body'], status: 'created', exitCode: 0, starts: 0, signals: [], updates: [], logs: [] });
      return send(answer, 201, { Id: name });
    }
    const [, name = '', verb = ''] = /^\/containers\/([^/]+)(?:\/(\w+))?$/.exec(path) ?? [];
    const container = containers.get(name);
    if (container === undefined) return refuse(answer, 404, `no such container: ${name}`);
    if (method === 'DELETE') {
      if (container.status === 'running' && url.searchParams.get('force') !== '1') return refuse(answer, 409, 'it runs');
      end(container, 137);
      containers.delete(name);
      return send(answer, 204);
    }
    switch (verb) {
      case 'json':
        return send(answer, 200, describe(container));
      case 'start':
        if (container.status === 'created') {
          container.starts += 1;
          container.status = 'running';
        }
        return send(answer, 204);
      case 'update':
        container.updates.push(body);
        return send(answer, 200, { Warnings: [] });
      case 'stats':
        return send(answer, 200, { memory_stats: { usage: 1, stats: { total_rss: 40 * 1024 * 1024, total_shmem: 10 * 1024 * 1024 } } });
      case 'kill': {
        if (container.status !== 'running') return refuse(answer, 409, 'it does not run');
        const signal = url.searchParams.get('signal') ?? '';
        container.signals.push(signal);
        if (signal === '9') end(container, 137);
        return send(answer, 204);
      }
      case 'logs': {
        const since = Number(url.searchParams.get('since'));
        answer.writeHead(200);
        answer.flushHeaders();
        for (const frame of container.logs) if (Date.parse(frame.subarray(8, frame.indexOf(0x20, 8)).toString()) / MS_PER_SEC >= since) answer.write(frame);
        if (url.searchParams.get('follow') === '1' && container.status === 'running') follow(answer, name);
        else answer.end();
        return undefined;
      }
      default:
        return refuse(answer, 404, 'page not found');
    }
  }

  const fake: FakeEngine = {
    socket,
    containers,
    fault: (method, path, fault) => void faults.push({ method, path, fault }),
    print(name, stream, text) {
      prints += 1;
      // Two messages each have the same time.
      const payload = Buffer.from(`${new Date((FIRST_SECOND + Math.floor(prints / 2)) * MS_PER_SEC).toISOString().replace('Z', '000000Z')} ${text}`);
      const head = Buffer.alloc(8);
      head[0] = stream === 'stderr' ? 2 : 1;
      head.writeUInt32BE(payload.length, 4);
      const frame = Buffer.concat([head, payload]);
      containers.get(name)?.logs.push(frame);
      for (const { answer, name: of } of followers) if (of === name) answer.write(frame);
    },
    exit(name, code) {
      const container = containers.get(name);
      if (container !== undefined) end(container, code);
    },
    cutStreams() {
      for (const { answer } of followers) answer.destroy();
    },
    async start() {
      const made = createServer((asked, answer) => void handle(asked, answer));
      await new Promise<void>((resolve) => made.listen(socket, resolve));
      server = made;
    },
    async stop() {
      const closing = server;
      server = null;
      if (closing === null) return;
      const closed = new Promise((resolve) => closing.close(resolve));
      closing.closeAllConnections();
      await closed;
    },
    async close() {
      await fake.stop();
      rmSync(dir, { recursive: true, force: true });
    },
  };
  await fake.start();
  return fake;
}
