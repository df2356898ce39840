/** A runtime of libs/isolation, asked directly: what each of its deeds takes. Nothing is recorded, and nobody is told. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { LaunchSpec } from '@ekiden/isolation';
import { taskId } from '@ekiden/model';
import { initListens } from '../../../libs/isolation/src/oci/init-listens.js';
import { eventually } from '../../e2e/ekiden.js';
import { SLEEP } from '../contender.js';
import { memoryOf } from '../processes.js';
import { percentile } from '../statistics.js';
import { openRuntime, type AskedRuntime, type OpenedRuntime, type RuntimeName } from './open-runtime.js';

const LIMITS = { cpusMilli: 500, memMib: 32 };
/** A group with children, one of whom has left the session as daemons do; in the image `setsid` is known to busybox alone. */
const family = (setsid: string): string => `for i in 1 2 3 4 5 6 7 8 9; do ${SLEEP} & done; ${setsid} ${SLEEP} & echo up; wait`;
const LOOK_AGAIN_MS = 2;

interface Launched {
  readonly spec: LaunchSpec;
  readonly pid: number;
}

export interface Burst {
  readonly ms: number;
  readonly helperPssMib: number;
  readonly statisticsMs: number;
  /** Of all of them, by the next one after it. */
  readonly recoveryMs: number;
}

export class MeasuredRuntime {
  private readonly dir = mkdtempSync(join(tmpdir(), 'ekiden-bench-isolation-'));
  private made = 0;

  private constructor(
    readonly name: RuntimeName,
    private readonly opened: OpenedRuntime,
    private runtime: AskedRuntime,
    private readonly instance: string,
  ) {}

  /** Throws with the reason where this machine cannot carry that runtime. */
  static async open(name: RuntimeName): Promise<MeasuredRuntime> {
    const instance = `bench-${name}-${process.pid}`;
    const opened = await openRuntime(name, instance);
    const measured = new MeasuredRuntime(name, opened, opened.open(), instance);
    await measured.oneByOne(1); // the forker is started with the first
    return measured;
  }

  /** Each from the call until its program runs, or is about to. */
  async oneByOne(count: number): Promise<number[]> {
    const took: number[] = [];
    const specs: LaunchSpec[] = [];
    for (let at = 0; at < count; at += 1) {
      const began = performance.now();
      specs.push((await this.launch(this.spec(SLEEP))).spec);
      took.push(performance.now() - began);
    }
    await this.endAll(specs);
    return took;
  }

  /** All at once, what stands around them, and an agent's restart among them. */
  async burst(count: number): Promise<Burst> {
    const began = performance.now();
    const launched = await Promise.all(Array.from({ length: count }, () => this.launch(this.spec(SLEEP))));
    const ms = performance.now() - began;
    const helpers = this.opened.helpers(launched.map(({ pid }) => pid));
    const helperPssMib = helpers.reduce((sum, pid) => sum + memoryOf(pid).pssMib, 0) / count;
    const specs = launched.map(({ spec }) => spec);
    const statisticsMs = await this.statisticsOf(specs);
    const recoveryMs = await this.recovery(specs);
    await this.endAll(specs);
    return { ms, helperPssMib, statisticsMs, recoveryMs };
  }

  /** An engine is asked from time to time, and answers what it knows: until it knows all. */
  private async statisticsOf(specs: readonly LaunchSpec[]): Promise<number> {
    const ids = specs.map((spec) => spec.taskId);
    await eventually('all are known by their statistics', () => this.runtime.stats(ids).size === ids.length);
    const asked = performance.now();
    this.runtime.stats(ids);
    return performance.now() - asked;
  }

  private async recovery(specs: readonly LaunchSpec[]): Promise<number> {
    this.runtime.close();
    const began = performance.now();
    this.runtime = this.opened.open();
    const found = await Promise.all(specs.map((spec) => this.runtime.recover(spec.taskId, spec.runDir)));
    const ms = performance.now() - began;
    const lost = found.filter(({ kind }) => kind !== 'running').length;
    if (lost > 0) throw new Error(`${lost} of ${specs.length} tasks were not found again`);
    return ms;
  }

  /** From SIGKILL of the group to nobody left, told by the runtime. */
  async groupKills(count: number): Promise<number[]> {
    const took: number[] = [];
    for (let at = 0; at < count; at += 1) {
      const { spec } = await this.launch(this.spec(family(this.opened.image === null ? 'setsid' : 'busybox setsid')));
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
      const { spec, pid } = await this.launch(this.spec(`exec ${SLEEP}`));
      const over = this.over(spec);
      const began = performance.now();
      process.kill(pid, 'SIGKILL');
      await over;
      took.push(performance.now() - began);
      await this.runtime.forget(spec.taskId, spec.runDir);
    }
    return took;
  }

  /** A command in a running task, as a health check or an operator runs it: from the call to its end, with nothing of it left. */
  async commands(count: number): Promise<number[]> {
    const { spec } = await this.launch(this.spec(SLEEP));
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
    this.runtime.close();
    await this.opened.end();
    rmSync(this.dir, { recursive: true, force: true });
  }

  private over(spec: LaunchSpec): Promise<unknown> {
    return new Promise((resolve) => this.runtime.onExit(spec.taskId, resolve));
  }

  private async launch(spec: LaunchSpec): Promise<Launched> {
    const result = await this.runtime.launch(spec);
    if (result.kind === 'failed') throw new Error(`a launch failed: ${result.reason}`);
    // A container of ours has only begun by then. True for everybody else.
    while (!initListens(spec.runDir, result.pid)) await new Promise((resolve) => setTimeout(resolve, LOOK_AGAIN_MS));
    return { spec, pid: result.pid };
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
    const common = { taskId: id, sandbox, runDir, user: null, limits: LIMITS };
    const { image } = this.opened;
    const own = { MESOS_TASK_ID: id, MESOS_SANDBOX: sandbox };
    if (image === null) return { ...common, command: { kind: 'shell', line }, env: { PATH: process.env['PATH'] ?? '/usr/bin:/bin', ...own } };
    const argv = line === SLEEP ? SLEEP.split(' ') : ['/bin/sh', '-c', line];
    return { ...common, command: { kind: 'argv', argv }, env: { PATH: '/bin', ...own }, container: { image, workingDirectory: null, volumes: [] } };
  }
}

export const p50 = (values: readonly number[]): number => percentile(values, 0.5);
export const p99 = (values: readonly number[]): number => percentile(values, 0.99);
