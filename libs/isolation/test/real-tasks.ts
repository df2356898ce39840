/**
 * A small world of real processes for the isolation suites: a runtime of an instance of its own, task after task in directories
 * of their own, and a check that nothing is left behind.
 */
import { mkdirSync, mkdtempSync, readFileSync, readlinkSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Log, type TaskId, taskId } from '@ekiden/model';
import { type CgroupDriver, type ContainerMachine, type LaunchSpec, type SupervisedRuntime, type TaskExit, createRuntime } from '../src/index.js';
import { isAlive, listProcesses, readEnviron } from '../src/proc.js';
import { readJournal } from '../src/run-journal.js';

const CONDITION_PERIOD_MS = 5;
/** For what is waited for; more where the processor is emulated. */
export const PATIENCE_MS = Number(process.env['EKIDEN_TEST_PATIENCE_MS'] ?? 20_000);

/** Waits for a condition, looking again every few milliseconds; fails naming it. */
export async function until(what: string, condition: () => boolean): Promise<void> {
  const deadline = performance.now() + PATIENCE_MS;
  while (!condition()) {
    if (performance.now() > deadline) throw new Error(`in vain waited for: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, CONDITION_PERIOD_MS));
  }
}

export const silentLog: Log = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined };

export type SpecChanges = Partial<Pick<LaunchSpec, 'command' | 'env' | 'user' | 'limits' | 'container' | 'security' | 'namespaces' | 'privateTmp'>>;

export interface RealTasks {
  readonly dir: string;
  readonly instance: string;
  readonly runtime: SupervisedRuntime;
  /** Another agent of the same instance, as after a restart, perhaps with the other runtime; the former is let go of. */
  restart(as?: 'process' | 'cgroup'): SupervisedRuntime;
  /** One more, while the present one lives on: as if that had been killed. */
  another(): SupervisedRuntime;
  spec(line: string, changes?: SpecChanges): LaunchSpec;
  /** Launches and fails the test when that fails. */
  start(spec: LaunchSpec): Promise<number>;
  ended(id: TaskId): Promise<TaskExit>;
  /** Starts it and waits for its end. */
  run(line: string, changes?: SpecChanges): Promise<TaskExit & { readonly stdout: string; readonly stderr: string }>;
  output(spec: LaunchSpec): string;
  /** Kills and forgets everything; answers what is left of it, which should be nothing. */
  clear(): Promise<readonly string[]>;
}

let worlds = 0;

export function realTasks(kind: 'process' | 'cgroup', driver: CgroupDriver | null, hardCpu = true, containers: ContainerMachine | null = null): RealTasks {
  const dir = mkdtempSync(join(tmpdir(), 'ekiden-isolation-'));
  worlds += 1;
  const instance = `test-${process.pid}-${worlds}`;
  const specs: LaunchSpec[] = [];
  const open = (as = kind): SupervisedRuntime => createRuntime({ kind: as, driver, instance, log: silentLog, hardCpu, containers });
  let runtime = open();

  const world: RealTasks = {
    dir,
    instance,
    get runtime() {
      return runtime;
    },
    restart(as) {
      runtime.close();
      runtime = open(as);
      return runtime;
    },
    another: () => open(),
    spec(line, changes = {}) {
      const id = taskId(`${instance}.${specs.length}`);
      const sandbox = join(dir, `sandbox-${specs.length}`);
      const runDir = join(dir, `run-${specs.length}`);
      mkdirSync(sandbox);
      mkdirSync(runDir, { mode: 0o700 });
      const env = { PATH: process.env['PATH'] ?? '', MESOS_TASK_ID: id };
      const spec: LaunchSpec = {
        taskId: id,
        sandbox,
        runDir,
        command: { kind: 'shell', line },
        env,
        user: null,
        limits: { cpusMilli: 500, memMib: 64 },
        ...changes,
      };
      specs.push(spec);
      return spec;
    },
    async start(spec) {
      const result = await runtime.launch(spec);
      if (result.kind === 'failed') throw new Error(`the launch failed: ${result.reason}`);
      return result.pid;
    },
    ended: (id) => new Promise((resolve) => runtime.onExit(id, resolve)),
    async run(line, changes) {
      const spec = world.spec(line, changes);
      await world.start(spec);
      const exit = await world.ended(spec.taskId);
      return { ...exit, stdout: world.output(spec), stderr: readFileSync(join(spec.sandbox, 'stderr'), 'utf8') };
    },
    output: (spec) => readFileSync(join(spec.sandbox, 'stdout'), 'utf8'),
    async clear() {
      for (const { taskId: id } of specs) runtime.kill(id);
      const supervisors = specs.flatMap(({ runDir }) => readJournal(runDir).supervisor ?? []);
      await until('every task to be forgotten', () => {
        for (const { taskId: id, runDir } of specs) runtime.forget(id, runDir).catch(() => undefined);
        return processesIn(dir).length === 0;
      });
      await until('the supervisors to have gone', () => supervisors.every((supervisor) => !isAlive(supervisor)));
      await runtime.sweep(new Set());
      const group = `ekiden/${instance}`;
      if (driver !== null) await until('the groups to be removed', () => driver.remove(group));
      runtime.close();
      const left = [
        ...processesIn(dir),
        ...(driver?.children('ekiden').filter((name) => name === instance) ?? []),
        ...mounts().filter((mount) => mount.includes(dir)),
      ];
      rmSync(dir, { recursive: true, force: true });
      return left;
    },
  };
  return world;
}

/** Processes that have to do with a world: by working directory, or by an environment that names it. */
function processesIn(dir: string): string[] {
  const instanceMark = dir;
  return listProcesses()
    .filter(({ pid }) => pid !== process.pid && (linkOf(`/proc/${pid}/cwd`).startsWith(dir) || readEnviron(pid).some((entry) => entry.includes(instanceMark))))
    .map(({ pid }) => `process ${pid}`);
}

/** Where something is mounted in our own view: what a task mounts must not show here. */
const mounts = (): string[] =>
  readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .map((line) => `mount ${line.split(' ')[3]} at ${line.split(' ')[4]}`);

function linkOf(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return ''; // It ended meanwhile.
  }
}
