/**
 * A real agent as a process, with a master that is played by hand: what the agent alone costs, without the rest of Ekiden.
 *
 * The agent may be killed and started again on its work directory; its tasks run on meanwhile.
 */
import { fork, type ChildProcess } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { AGENT_LINK_PATH, type AgentMessage, type MasterMessage } from '@ekiden/agent-link';
import type { TaskInfo } from '@ekiden/mesos';
import { agentId, frameworkId, taskId } from '@ekiden/model';
import { WebSocketServer, type WebSocket } from 'ws';
import { eventually, HOME } from '../e2e/ekiden.js';

const FRAMEWORK = frameworkId('bench');
/** Of each task that is given none; the agent is told to have enough for all. */
const SHARE = { cpus: 0.1, mem: 16 };
type Share = typeof SHARE;

export class LoneAgent {
  readonly workDir = mkdtempSync(join(tmpdir(), 'ekiden-bench-agent-'));
  /** Tasks whose TASK_RUNNING has been heard and whose end has not. */
  readonly running = new Set<string>();
  url = '';
  private child: ChildProcess | null = null;
  private socket: WebSocket | null = null;
  private registered: ((tasks: number) => void) | null = null;
  private made = 0;

  private constructor(
    private readonly runtime: 'process' | 'cgroup',
    private readonly master: WebSocketServer,
  ) {
    master.on('connection', (socket) => {
      this.socket = socket;
      socket.on('message', (frame: Buffer) => this.hear(JSON.parse(frame.toString()) as AgentMessage));
    });
  }

  static async open(runtime: 'process' | 'cgroup'): Promise<LoneAgent> {
    const master = new WebSocketServer({ host: '127.0.0.1', port: 0, path: AGENT_LINK_PATH });
    await new Promise((resolve) => master.on('listening', resolve));
    const agent = new LoneAgent(runtime, master);
    await agent.start();
    return agent;
  }

  /** Answers how long it took from the fork until the agent has told its master of all tasks, and how many these are. */
  async start(args: readonly string[] = []): Promise<{ readonly ms: number; readonly tasks: number }> {
    const { port } = this.master.address() as AddressInfo;
    const began = performance.now();
    const script = join(HOME, 'dist/apps/agent/main.js');
    const argv = [
      '--master',
      `http://127.0.0.1:${port}`,
      '--port',
      '0',
      '--work-dir',
      this.workDir,
      '--runtime',
      this.runtime,
      '--cpus',
      '1000',
      '--mem',
      '100000',
    ];
    const child = fork(script, [...argv, '--log-level', 'warn', ...args], {
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
      execArgv: [],
      env: { ...process.env, NODE_ENV: 'production' },
    });
    this.child = child;
    child.on('message', (message: { ready?: boolean; url?: string }) => (this.url = message.url ?? this.url));
    const tasks = await new Promise<number>((resolve, reject) => {
      this.registered = resolve;
      child.once('exit', (code) => reject(new Error(`the agent ended with ${code}`)));
    });
    const ms = performance.now() - began;
    await eventually('the agent serves', () => this.url !== '');
    return { ms, tasks };
  }

  /** Resolves when all of them run. */
  async launch(count: number, line: string, share: Share = SHARE): Promise<void> {
    const wanted = this.running.size + count;
    const tasks = Array.from({ length: count }, () => this.task(line, share));
    this.say({ type: 'launch', framework: { user: '', name: 'bench', id: { value: FRAMEWORK } }, tasks });
    await eventually(`${wanted} tasks run`, () => this.running.size >= wanted);
  }

  get pid(): number {
    return this.child?.pid ?? -1;
  }

  async kill(): Promise<void> {
    const { child } = this;
    if (child === null || child.exitCode !== null) return;
    const gone = new Promise((resolve) => child.once('exit', resolve));
    child.removeAllListeners('message');
    child.kill('SIGKILL');
    await gone;
    this.url = '';
  }

  async end(): Promise<void> {
    this.say({ type: 'shutdown-framework', frameworkId: FRAMEWORK });
    await eventually('all tasks are over', () => this.running.size === 0);
    const { child } = this;
    if (child !== null && child.exitCode === null) {
      const gone = new Promise((resolve) => child.once('exit', resolve));
      child.kill('SIGTERM');
      await gone;
    }
    for (const client of this.master.clients) client.terminate();
    await new Promise((resolve) => this.master.close(resolve));
    rmSync(this.workDir, { recursive: true, force: true });
  }

  private task(line: string, share: Share): TaskInfo {
    this.made += 1;
    const resources = Object.entries(share).map(([name, value]) => ({ name, type: 'SCALAR' as const, scalar: { value } }));
    return { name: 'bench', task_id: { value: `bench.${this.made}` }, agent_id: { value: 'agent' }, resources, command: { value: line } };
  }

  private hear(message: AgentMessage): void {
    if (message.type === 'register') {
      this.say({ type: 'registered', v: 1, agentId: agentId('agent'), masterId: 'bench', masterEpoch: 1, linkEpoch: 1, pingIntervalMs: 60_000 });
      this.registered?.(message.tasks.length);
    }
    if (message.type !== 'status') return;
    const { task_id: id, uuid, state } = message.status;
    if (state === 'TASK_RUNNING') this.running.add(id.value);
    else this.running.delete(id.value);
    if (uuid !== undefined) this.say({ type: 'acknowledge', frameworkId: FRAMEWORK, taskId: taskId(id.value), uuid });
  }

  private say(message: MasterMessage): void {
    this.socket?.send(JSON.stringify(message));
  }
}
