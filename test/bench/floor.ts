/**
 * The floor of starting and restarting: the same processes through the same libs/isolation runtime, with nobody around it.
 *
 * Making the two directories of a task is part of it, since no launch can do without. Nothing is recorded and nobody is told.
 */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createRuntime, probeRuntimes, type CgroupDriver, type LaunchSpec, type SupervisedRuntime } from '@ekiden/isolation';
import { taskId, type Log, type TaskId } from '@ekiden/model';
import { eventually } from '../e2e/ekiden.js';
import type { Contender } from './contender.js';

const silent: Log = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined };
const INSTANCE = `bench-${process.pid}`;
const LIMITS = { cpusMilli: 500, memMib: 32 };

export class Floor implements Contender {
  private readonly dir = mkdtempSync(join(tmpdir(), 'ekiden-bench-floor-'));
  private readonly live = new Map<TaskId, LaunchSpec>();
  private launches = 0;
  private isClearing = false;

  private constructor(
    readonly name: 'floor' | 'floor-cgroup',
    private readonly runtime: SupervisedRuntime,
    private readonly driver: CgroupDriver | null,
  ) {}

  /** Null where this machine cannot carry that runtime. */
  static async open(kind: 'process' | 'cgroup'): Promise<Floor | null> {
    const probed = await probeRuntimes();
    if (kind === 'cgroup' && probed.cgroup === null) return null;
    const driver = kind === 'cgroup' ? probed.cgroup : null;
    const runtime = createRuntime({ kind, driver, instance: INSTANCE, log: silent });
    return new Floor(kind === 'cgroup' ? 'floor-cgroup' : 'floor', runtime, driver);
  }

  async start(count: number, line: string): Promise<number> {
    const began = performance.now();
    await Promise.all(Array.from({ length: count }, () => this.launch(line)));
    return performance.now() - began;
  }

  private async launch(line: string): Promise<void> {
    const id = taskId(`bench-${process.pid}.${this.launches++}`);
    const sandbox = join(this.dir, `${id}-sandbox`);
    const runDir = join(this.dir, `${id}-run`);
    mkdirSync(sandbox);
    mkdirSync(runDir, { mode: 0o700 });
    const env = { PATH: process.env['PATH'] ?? '/usr/bin:/bin', MESOS_TASK_ID: id, MESOS_SANDBOX: sandbox };
    const spec: LaunchSpec = { taskId: id, sandbox, runDir, command: { kind: 'shell', line }, env, user: null, limits: LIMITS };
    this.live.set(id, spec);
    this.runtime.onExit(id, () => {
      if (!this.isClearing) void this.launch(line);
      void this.runtime.forget(id, runDir).finally(() => this.live.delete(id));
    });
    const result = await this.runtime.launch(spec);
    if (result.kind === 'failed') throw new Error(`the floor's launch failed: ${result.reason}`);
  }

  async clear(): Promise<void> {
    this.isClearing = true;
    for (const id of this.live.keys()) this.runtime.kill(id);
    while (this.live.size > 0) await new Promise((resolve) => setTimeout(resolve, 5));
    this.isClearing = false;
    rmSync(this.dir, { recursive: true, force: true });
    mkdirSync(this.dir);
  }

  async end(): Promise<void> {
    await this.clear();
    await this.runtime.sweep(new Set());
    const { driver } = this;
    if (driver !== null) await eventually('the control group of the floor is removed', () => driver.remove(`ekiden/${INSTANCE}`));
    this.runtime.close();
    rmSync(this.dir, { recursive: true, force: true });
  }
}
