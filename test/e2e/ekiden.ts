/**
 * A real Ekiden for a test: `ekiden up` in a data directory and on ports of its own, seen only from the outside.
 *
 * Everything is awaited as a condition with a bound that is far above what it needs, never slept for. `end` leaves no
 * process behind, whatever the test did, and says so when it finds one.
 */
import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { hasCode } from '../../libs/isolation/src/cgroup-driver.js';

export const HOME = process.cwd();
/** Where every container sees its sandbox. */
const CONTAINER_SANDBOX = '/mnt/mesos/sandbox';
const BOUND_MS = 60_000;
const LOOK_AGAIN_MS = 20;

export interface StartOptions {
  readonly agents?: number;
  readonly args?: readonly string[];
  readonly dataDir?: string;
  /** `undefined` takes a variable of this process away. */
  readonly env?: Readonly<Record<string, string | undefined>>;
}

export interface HttpReply<T = unknown> {
  readonly status: number;
  readonly headers: Headers;
  readonly body: T;
}

/** An answer as a test looks at it: whatever it asks for is there, or its expectation fails. */
// oxlint-disable-next-line typescript/no-explicit-any
export type AnyJson = any;

export type PartName = 'master' | 'agent' | 'api' | 'postgres';

export class Ekiden {
  private up: ChildProcess | null = null;
  output = '';

  private constructor(
    readonly dataDir: string,
    readonly apiPort: number,
    readonly masterPort: number,
    readonly agentPort: number,
    private readonly options: StartOptions,
  ) {}

  static async start(options: StartOptions = {}): Promise<Ekiden> {
    const dataDir = options.dataDir ?? mkdtempSync(join(tmpdir(), 'ekiden-e2e-'));
    const [api, master, agent] = await freePorts(3);
    const ekiden = new Ekiden(dataDir, api!, master!, agent!, options);
    try {
      await ekiden.startUp();
    } catch (error) {
      await ekiden.end();
      throw error;
    }
    return ekiden;
  }

  get api(): string {
    return `http://127.0.0.1:${this.apiPort}`;
  }

  get pid(): number {
    if (this.up?.pid === undefined) throw new Error('Ekiden is not up');
    return this.up.pid;
  }

  /** `ekiden up` again on the same data and ports, until its ready line. The last of two equal options counts. */
  async startUp(extra: readonly string[] = []): Promise<void> {
    const child = spawn(process.execPath, [join(HOME, 'bin/ekiden.mjs'), ...this.upArguments(extra)], {
      cwd: HOME,
      env: this.environment(),
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.up = child;
    this.output = '';
    const collect = (chunk: Buffer): void => {
      if (this.up === child) this.output += chunk.toString();
    };
    child.stdout.on('data', collect);
    child.stderr.on('data', collect);
    await eventually('the ready line', () => {
      if (child.exitCode !== null) throw new Fatal(`ekiden up ended with ${child.exitCode}:\n${this.output}`);
      return this.output.includes('Ekiden is ready');
    });
  }

  /** `ekiden up` where it is expected to refuse: what it said and how it ended. */
  async refusedUp(extra: readonly string[] = []): Promise<{ code: number; out: string }> {
    return runEkiden(this.upArguments(extra), this.environment());
  }

  private upArguments(extra: readonly string[]): string[] {
    const ports = ['--api-port', `${this.apiPort}`, '--master-port', `${this.masterPort}`, '--agent-port', `${this.agentPort}`];
    return ['up', '--data-dir', this.dataDir, ...ports, '--agents', `${this.options.agents ?? 1}`, ...(this.options.args ?? []), ...extra];
  }

  /** Without the database and the queue of the surroundings, unless the test names them. */
  private environment(): NodeJS.ProcessEnv {
    return { ...process.env, DATABASE_URL: undefined, REDIS_URL: undefined, NODE_ENV: 'production', NO_COLOR: '1', ...this.options.env };
  }

  async get<T = AnyJson>(path: string, headers: Record<string, string> = {}): Promise<HttpReply<T>> {
    return this.send('GET', path, undefined, headers);
  }

  async send<T = AnyJson>(method: string, path: string, body?: unknown, headers: Record<string, string> = {}): Promise<HttpReply<T>> {
    // No connection is kept: it could die while `cli` blocks this process, and the next request would be sent over it.
    const reply = await fetch(this.api + path, {
      method,
      headers: { connection: 'close', ...(body === undefined ? {} : { 'content-type': 'application/json' }), ...headers },
      ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    });
    const text = await reply.text();
    let parsed: unknown = text;
    try {
      parsed = JSON.parse(text);
    } catch {
      // Not JSON: the text itself is the answer.
    }
    return { status: reply.status, headers: reply.headers, body: parsed as T };
  }

  /** Creates or changes an app and waits until its deployment is over and `instances` run. */
  async deploy(app: { id: string } & Record<string, unknown>): Promise<void> {
    const reply = await this.send('PUT', `/v2/apps/${app.id}`, app);
    if (reply.status >= 300) throw new Fatal(`PUT ${app.id}: ${reply.status} ${JSON.stringify(reply.body)}`);
    await this.settled(app.id);
  }

  /** No deployment affects the app, as many tasks run as it wants, and each can be seen: one just forked has no name of its own yet. */
  async settled(id: string): Promise<void> {
    await eventually(`${id} is settled`, async () => {
      const { status, body } = await this.get(`/v2/apps/${id}`);
      if (status !== 200 || body.app.deployments.length > 0) return false;
      const { instances, tasks, tasksRunning } = body.app;
      if (tasksRunning !== instances || tasks.length !== instances) return false;
      const seen = new Set(namedProcesses().map(({ taskId }) => taskId));
      return tasks.every((task: AnyJson) => seen.has(task.id));
    });
  }

  async tasks(id: string): Promise<AnyJson[]> {
    return (await this.get(`/v2/apps/${id}/tasks`)).body.tasks;
  }

  /** Processes on this machine whose environment names a task of ours: the task and what it started. */
  taskProcesses(): { pid: number; taskId: string }[] {
    const isOurs = (pid: number, sandbox: string): boolean => (sandbox === CONTAINER_SANDBOX ? mountedSandbox(pid) : sandbox).includes(this.dataDir);
    return namedProcesses().flatMap(({ pid, taskId, sandbox }) => (isOurs(pid, sandbox) ? [{ pid, taskId }] : []));
  }

  /** All that runs for this data directory, whoever started it: parts, Postgres, supervisors, tasks and what they forked. */
  ownProcesses(): { pid: number; command: string }[] {
    return processes().flatMap(({ pid, command }) => {
      const isOurs = command.includes(this.dataDir) || (environmentOf(pid)?.['MESOS_SANDBOX'] ?? '').startsWith(this.dataDir);
      return isOurs && pid !== process.pid && isAlive(pid) ? [{ pid, command }] : [];
    });
  }

  /** The pids of one kind of part, children of this `ekiden up`. */
  parts(name: PartName): number[] {
    if (name === 'postgres') {
      try {
        return [Number(readFileSync(join(this.dataDir, 'postgres/postmaster.pid'), 'utf8').split('\n')[0])].filter(isAlive); // a killed one leaves its file
      } catch {
        return [];
      }
    }
    const script = { master: 'apps/master/main.js', agent: 'apps/agent/main.js', api: 'apps/paas-api/main.js' }[name];
    return processes()
      .filter((process) => process.ppid === this.up?.pid && process.command.includes(script))
      .map((process) => process.pid);
  }

  /** The pid of the agent that is known by this host name. */
  agentOn(hostname: string): number {
    const found = processes().find(({ pid, command }) => this.parts('agent').includes(pid) && command.includes(`--hostname ${hostname} `));
    if (found === undefined) throw new Fatal(`no agent on ${hostname}`);
    return found.pid;
  }

  /** `kill -9` of a part; answers when it is gone. */
  async kill(name: PartName): Promise<void> {
    await eventually(`there is a ${name} to kill`, () => this.parts(name).length > 0);
    const pids = this.parts(name);
    for (const pid of pids) killIfAlive(pid, 'SIGKILL');
    await eventually(`${name} is gone`, () => pids.every((pid) => !isAlive(pid)));
  }

  /** `kill -9` of `ekiden up` itself. */
  async killUp(): Promise<void> {
    const pid = this.pid;
    process.kill(pid, 'SIGKILL');
    await eventually('ekiden up is gone', () => !isAlive(pid));
  }

  /** Ctrl-C; answers with the exit code. */
  async interrupt(): Promise<number> {
    const child = this.up;
    if (child === null || !isRunning(child)) return child?.exitCode ?? 0;
    process.kill(this.pid, 'SIGINT');
    await eventually('ekiden up has ended', () => !isRunning(child));
    return child.exitCode ?? -1;
  }

  /**
   * Ends everything and removes the data, whatever the test did before. Throws when an orderly end left a process or a lock
   * behind; after a test that failed half way (Ekiden itself killed, parts stopped) it only cleans up.
   */
  async end(): Promise<void> {
    const isOrderly = this.up !== null && isRunning(this.up);
    for (const { pid } of this.ownProcesses()) killIfAlive(pid, 'SIGCONT'); // a part that a test had stopped
    await this.interrupt();
    const left = this.ownProcesses();
    const hasLock = existsSync(join(this.dataDir, 'lock'));
    await eventually('nothing is left', () => {
      for (const { pid } of this.ownProcesses()) killIfAlive(pid, 'SIGKILL');
      return this.ownProcesses().length === 0;
    });
    if (this.options.dataDir === undefined) rmSync(this.dataDir, { recursive: true, force: true });
    if (isOrderly && (left.length > 0 || hasLock)) throw new Error(`left behind: ${JSON.stringify(left)}${hasLock ? ' and the lock' : ''}`);
  }

  /** Runs `ekiden …` against this Ekiden. */
  cli(...args: string[]): { code: number; out: string } {
    try {
      const out = execFileSync(process.execPath, [join(HOME, 'bin/ekiden.mjs'), ...args], {
        cwd: HOME,
        env: { ...process.env, EKIDEN_API: this.api, NO_COLOR: '1' },
        encoding: 'utf8',
        stdio: ['ignore', 'pipe', 'pipe'],
        timeout: BOUND_MS,
      });
      return { code: 0, out };
    } catch (error) {
      const failed = error as { status: number | null; stdout: string; stderr: string };
      return { code: failed.status ?? -1, out: failed.stdout + failed.stderr };
    }
  }
}

/** Ends the waiting at once: it can come true no more. */
export class Fatal extends Error {}

/** Waits for a condition; errors on the way (connection refused while a part restarts) count as "not yet". */
export async function eventually(what: string, condition: () => boolean | Promise<boolean>, boundMs = BOUND_MS): Promise<void> {
  const end = Date.now() + boundMs;
  let last: Error | null = null;
  for (;;) {
    try {
      if (await condition()) return;
      last = null;
    } catch (error) {
      if (error instanceof Fatal) throw error;
      last = error instanceof Error ? error : new Error('thrown by the condition');
    }
    if (Date.now() > end) throw new Error(`after ${boundMs} ms still not: ${what}${last === null ? '' : ` (${last.message})`}`);
    await new Promise((resolve) => setTimeout(resolve, LOOK_AGAIN_MS));
  }
}

/** Below the task ports of all agents (29000 and up), and those from which the kernel takes ports for outgoing connections: nobody gets one by chance. */
const PORTS = { first: 15_000, count: 14_000 };

/** Different ones that are free on loopback now. */
export async function freePorts(count: number): Promise<number[]> {
  const found = new Set<number>();
  await eventually(`${count} free ports`, async () => {
    const port = PORTS.first + randomInt(PORTS.count);
    if (await canListen(port)) found.add(port);
    return found.size === count;
  });
  return [...found];
}

function canListen(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}

/** Runs `ekiden …` to its end. */
export async function runEkiden(args: readonly string[], env: NodeJS.ProcessEnv): Promise<{ code: number; out: string }> {
  const child = spawn(process.execPath, [join(HOME, 'bin/ekiden.mjs'), ...args], { cwd: HOME, env, stdio: ['ignore', 'pipe', 'pipe'] });
  let out = '';
  child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (out += chunk.toString()));
  try {
    await eventually(`ekiden ${args[0] ?? ''} has ended`, () => !isRunning(child));
  } finally {
    child.kill('SIGKILL');
  }
  return { code: child.exitCode ?? -1, out };
}

const isRunning = (child: ChildProcess): boolean => child.exitCode === null && child.signalCode === null;

export function killIfAlive(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if (!hasCode(error, 'ESRCH')) throw error; // no `instanceof`: the error is of another realm than a test's Error
  }
}

export function isAlive(pid: number): boolean {
  try {
    const state = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.[0];
    return state !== 'Z' && state !== 'X';
  } catch {
    return false;
  }
}

/** The parent of the kernel's own threads. */
const KERNEL = 2;

/** Those of programs that run. */
function processes(): { pid: number; ppid: number; command: string }[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => {
      try {
        const [state, parent] = readFileSync(`/proc/${name}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
        const ppid = Number(parent);
        if (state === 'Z' || ppid === KERNEL || Number(name) === KERNEL) return [];
        return [{ pid: Number(name), ppid, command: readFileSync(`/proc/${name}/cmdline`, 'utf8').replaceAll('\0', ' ') }];
      } catch {
        return []; // It ended meanwhile.
      }
    });
}

/** Those whose environment names a task, of whatever Ekiden. */
function namedProcesses(): { pid: number; taskId: string; sandbox: string }[] {
  return processes().flatMap(({ pid }) => {
    const { MESOS_TASK_ID: taskId, MESOS_SANDBOX: sandbox } = environmentOf(pid) ?? {};
    return taskId !== undefined && sandbox !== undefined ? [{ pid, taskId, sandbox }] : [];
  });
}

/** Where a container's sandbox is on the machine; empty: it has ended. */
function mountedSandbox(pid: number): string {
  try {
    const mounts = readFileSync(`/proc/${pid}/mountinfo`, 'utf8').split('\n');
    return mounts.map((line) => line.split(' ')).find(([, , , , at]) => at === CONTAINER_SANDBOX)?.[3] ?? '';
  } catch {
    return '';
  }
}

function environmentOf(pid: number): Record<string, string> | null {
  try {
    return Object.fromEntries(
      readEnvironment(pid)
        .split('\0')
        .filter((line) => line.includes('='))
        .map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]),
    );
  } catch {
    return null;
  }
}

/** Looks at a process in the midst of becoming another program, a millisecond apart. */
const MAX_LOOKS = 100;

/** In the instant in which a process becomes another program it has neither words nor an environment: it is looked at again. */
function readEnvironment(pid: number): string {
  for (let look = 0; look < MAX_LOOKS; look += 1) {
    const text = readFileSync(`/proc/${pid}/environ`, 'utf8');
    if (text !== '' || readFileSync(`/proc/${pid}/cmdline`, 'utf8') !== '') return text;
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1);
  }
  return '';
}
