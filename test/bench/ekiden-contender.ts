/**
 * Ekiden as a contender: a real `ekiden up` with one agent that pretends to be big, asked over its API, awaited by its events.
 */
import { rmSync, mkdtempSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Ekiden } from '../e2e/ekiden.js';
import type { Deployer } from './contender.js';
import { EventWatch } from './event-watch.js';

export const APP = '/bench/app';
/** Enough for 200 instances twice over, in cpus that are enforced without slowing a start. */
const AGENT = ['--agent-cpus', '1000', '--agent-mem', '200000'];

const SHAPE = {
  cpus: 0.5,
  mem: 32,
  backoffSeconds: 0,
  upgradeStrategy: { minimumHealthCapacity: 0.8, maximumOverCapacity: 0.2 },
};

export class EkidenContender implements Deployer {
  private current: { readonly count: number; readonly line: string; readonly revision: number } | null = null;

  private constructor(
    readonly name: 'ekiden' | 'ekiden-cgroup',
    readonly ekiden: Ekiden,
    readonly watch: EventWatch,
    private readonly dataDir: string,
  ) {}

  static async open(runtime: 'process' | 'cgroup'): Promise<EkidenContender> {
    const dataDir = mkdtempSync(join(tmpdir(), `ekiden-bench-${runtime}-`));
    const ekiden = await Ekiden.start({ dataDir, args: [...AGENT, '--runtime', runtime] });
    const watch = await EventWatch.open(ekiden.api);
    return new EkidenContender(runtime === 'process' ? 'ekiden' : 'ekiden-cgroup', ekiden, watch, dataDir);
  }

  /** From the POST to the last first TASK_RUNNING that a client of the event stream sees. */
  async start(count: number, line: string): Promise<number> {
    this.current = { count, line, revision: 0 };
    const running = this.running(count);
    const began = performance.now();
    await Promise.all([running, this.change('POST', '/v2/apps', this.app())]);
    const ms = performance.now() - began;
    await this.ekiden.settled(APP);
    return ms;
  }

  /** Until `count` different tasks said that they run. */
  private running(count: number): Promise<void> {
    const seen = new Set<unknown>();
    return this.watch.until(`${count} tasks run`, ({ type, data }) => {
      if (type === 'status_update_event' && data['appId'] === APP && data['taskStatus'] === 'TASK_RUNNING') seen.add(data['taskId']);
      return seen.size >= count;
    });
  }

  /** `batch` of the 20 instances is what minimumHealthCapacity and maximumOverCapacity leave room for. */
  async roll(batch: number): Promise<number> {
    const { count, line, revision } = this.known();
    if (batch !== Math.round(count * 0.2)) throw new Error(`the app's upgradeStrategy replaces ${count * 0.2} at a time, not ${batch}`);
    this.current = { count, line, revision: revision + 1 };
    return this.deployed();
  }

  async scale(count: number): Promise<number> {
    this.current = { ...this.known(), count };
    return this.deployed();
  }

  /** From the PUT to the event that its deployment is done. */
  private async deployed(): Promise<number> {
    const began = performance.now();
    const { deploymentId } = await this.change('PUT', `/v2/apps${APP}`, this.app());
    await this.watch.deploymentSucceeded(String(deploymentId));
    return performance.now() - began;
  }

  async clear(): Promise<void> {
    const { deploymentId } = await this.change('DELETE', `/v2/apps${APP}?force=true`);
    await this.watch.deploymentSucceeded(String(deploymentId));
    this.current = null;
  }

  private known(): NonNullable<EkidenContender['current']> {
    if (this.current === null) throw new Error('the app was not started');
    return this.current;
  }

  private app(): Readonly<Record<string, unknown>> {
    const { count, line, revision } = this.known();
    return { id: APP, cmd: line, instances: count, env: { REVISION: String(revision) }, ...SHAPE };
  }

  private async change(method: string, path: string, body?: unknown): Promise<Readonly<Record<string, unknown>>> {
    const reply = await this.ekiden.send(method, path, body);
    if (reply.status >= 300) throw new Error(`${method} ${path} answered ${reply.status}: ${JSON.stringify(reply.body)}`);
    return reply.body;
  }

  /** The URL of its embedded Postgres as superuser, for the floor of durable writes. */
  get postgresUrl(): string {
    const port = readFileSync(join(this.dataDir, 'postgres/postmaster.pid'), 'utf8').split('\n')[3];
    const password = readFileSync(join(this.dataDir, 'tokens/postgres-admin'), 'utf8').trim();
    return `postgres://postgres:${encodeURIComponent(password)}@127.0.0.1:${port}/postgres`;
  }

  /** The directories of its agent's tasks: each has `sandbox` and `run`. */
  get tasksDir(): string {
    return join(this.dataDir, 'agents/1/tasks');
  }

  async end(): Promise<void> {
    this.watch.end();
    try {
      await this.ekiden.end();
    } finally {
      rmSync(this.dataDir, { recursive: true, force: true });
    }
  }
}
