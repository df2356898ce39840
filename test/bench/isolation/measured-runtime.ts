/** A runtime of libs/isolation, asked directly: what each of its deeds takes. Nothing is recorded, and nobody is told. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createRuntime, probeRuntimes, type CgroupDriver, type LaunchSpec, type SupervisedRuntime } from '@ekiden/isolation';
import { taskId, type Log } from '@ekiden/model';
import { eventually } from '../../e2e/ekiden.js';
import { SLEEP } from '../contender.js';
import { descendantsOf, memoryOf } from '../processes.js';
import { percentile } from '../statistics.js';

const silent: Log = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined };
const LIMITS = { cpusMilli: 500, memMib: 32 };
/** A group with children, one of whom has left the session as daemons do. */
const FAMILY = `for i in 1 2 3 4 5 6 7 8 9; do ${SLEEP} & done; setsid ${SLEEP} & echo up; wait`;

export class MeasuredRuntime {
  private readonly dir = mkdtempSync(join(tmpdir(), 'ekiden-bench-isolation-'));
  private made = 0;

  private constructor(
    readonly name: 'process' | 'cgroup',
    private readonly runtime: SupervisedRuntime,
    private readonly driver: CgroupDriver | null,
    private readonly instance: string,
  ) {}

  /** Throws with the reason where this machine cannot carry that runtime. */
  static async open(name: 'process' | 'cgroup'): Promise<MeasuredRuntime> {
    const { cgroup, reasons } = await probeRuntimes();
    if (name === 'cgroup' && cgroup === null) throw new Error(reasons.join('; '));
    const driver = name === 'cgroup' ? cgroup : null;
    const instance = `bench-${name}-${process.pid}`;
    const runtime = createRuntime({ kind: name, driver, instance, log: silent });
    const measured = new MeasuredRuntime(name, runtime, driver, instance);
    await measured.oneByOne(1); // the forker is started with the first
    return measured;
  }

  /** Each from the call to the pid on disk. */
  async oneByOne(count: number): Promise<number[]> {
    const took: number[] = [];
    const specs: LaunchSpec[] = [];
    for (let at = 0; at < count; at += 1) {
      const began = performance.now();
      specs.push(await this.launch(this.spec(SLEEP)));
      took.push(performance.now() - began);
    }
    await this.endAll(specs);
    return took;
  }

  /** All at once, and what stands around them: the supervisors, and a share of the forker. */
  async burst(count: number): Promise<{ readonly ms: number; readonly helperPssMib: number; readonly statisticsMs: number }> {
    const began = performance.now();
    const specs = await Promise.all(Array.from({ length: count }, () => this.launch(this.spec(SLEEP))));
    const ms = performance.now() - began;
    const helpers = descendantsOf(process.pid).filter(({ program }) => program === 'sh' || program === 'dash');
    const helperPssMib = helpers.reduce((sum, { pid }) => sum + memoryOf(pid).pssMib, 0) / count;
    const asked = performance.now();
    const found = this.runtime.stats(specs.map((spec) => spec.taskId));
    const statisticsMs = performance.now() - asked;
    if (found.size !== count) throw new Error(`statistics of ${found.size} of ${count} tasks`);
    await this.endAll(specs);
    return { ms, helperPssMib, statisticsMs };
  }

  /** From SIGKILL of the group to nobody left, told by the runtime. */
  async groupKills(count: number): Promise<number[]> {
    const took: number[] = [];
    for (let at = 0; at < count; at += 1) {
      const spec = await this.launch(this.spec(FAMILY));
      await eventually('the family is complete', () => readFileSync(join(spec.sandbox, 'stdout'), 'utf8') === 'up\n');
      const began = performance.now();
      const over = this.over(spec);
      this.runtime.kill(spec.taskId);
      await over;
      took.push(performance.now() - began);
      await this.runtime.forget(spec.taskId, spec.runDir);
    }
    return took;
  }

  /** From the death of the first process to the call back. */
  async exits(count: number): Promise<number[]> {
    const took: number[] = [];
    for (let at = 0; at < count; at += 1) {
      const spec = this.spec(`exec ${SLEEP}`);
      const result = await this.runtime.launch(spec);
      if (result.kind === 'failed') throw new Error(result.reason);
      const over = this.over(spec);
      const began = performance.now();
      process.kill(result.pid, 'SIGKILL');
      await over;
      took.push(performance.now() - began);
      await this.runtime.forget(spec.taskId, spec.runDir);
    }
    return took;
  }

  /** A command in a running task, as a health check or an operator runs it: from the call to its end, with nothing of it left. */
  async commands(count: number): Promise<number[]> {
    const spec = await this.launch(this.spec(SLEEP));
    const took: number[] = [];
    for (let at = 0; at < count; at += 1) {
      const began = performance.now();
      const command = await this.runtime.exec?.({ ...spec, argv: ['/bin/sh', '-c', 'exit 0'], io: 'none' });
      await command?.ended;
      took.push(performance.now() - began);
    }
    await this.endAll([spec]);
    return took;
  }

  async end(): Promise<void> {
    await this.runtime.sweep(new Set());
    const { driver } = this;
    if (driver !== null) await eventually('the control group is removed', () => driver.remove(`ekiden/${this.instance}`));
    this.runtime.close();
    rmSync(this.dir, { recursive: true, force: true });
  }

  private over(spec: LaunchSpec): Promise<unknown> {
    return new Promise((resolve) => this.runtime.onExit(spec.taskId, resolve));
  }

  private async launch(spec: LaunchSpec): Promise<LaunchSpec> {
    const result = await this.runtime.launch(spec);
    if (result.kind === 'failed') throw new Error(`a launch failed: ${result.reason}`);
    return spec;
  }

  private async endAll(specs: readonly LaunchSpec[]): Promise<void> {
    const ends = specs.map((spec) => this.over(spec));
    for (const spec of specs) this.runtime.kill(spec.taskId);
    await Promise.all(ends);
    await Promise.all(specs.map((spec) => this.runtime.forget(spec.taskId, spec.runDir)));
  }

  /** With its two directories: no launch can do without. */
  private spec(line: string): LaunchSpec {
    const id = taskId(`${this.instance}.${this.made++}`);
    const sandbox = join(this.dir, `${id}-sandbox`);
    const runDir = join(this.dir, `${id}-run`);
    mkdirSync(sandbox);
    mkdirSync(runDir, { mode: 0o700 });
    const env = { PATH: process.env['PATH'] ?? '/usr/bin:/bin', MESOS_TASK_ID: id, MESOS_SANDBOX: sandbox };
    return { taskId: id, sandbox, runDir, command: { kind: 'shell', line }, env, user: null, limits: LIMITS };
  }
}

export const p50 = (values: readonly number[]): number => percentile(values, 0.5);
export const p99 = (values: readonly number[]): number => percentile(values, 0.99);
