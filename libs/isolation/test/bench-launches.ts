/**
 * Measures bursts of launches of `sleep 1000` beside their floor, plain `spawn` with a sandbox and two log files, in one run.
 *
 * `node --import tsx libs/isolation/test/bench-launches.ts [N …]`; median of three, in ms; PSS is what a task costs beyond its own program.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, openSync, closeSync, mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { type LaunchSpec, type SupervisedRuntime, createRuntime, probeRuntimes } from '../src/index.js';
import { taskId } from '@ekiden/model';
import { readJournal } from '../src/run-journal.js';

const ROUNDS = 3;
const ignore = (): void => undefined;
const log = { debug: ignore, info: ignore, warn: ignore, error: ignore };
const pssKib = (pid: number): number => Number(/^Pss: +(\d+)/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8'))?.[1] ?? 0);
let made = 0;

function specIn(dir: string): LaunchSpec {
  made += 1;
  const [sandbox, runDir] = [join(dir, `s${made}`), join(dir, `r${made}`)];
  mkdirSync(sandbox);
  mkdirSync(runDir);
  const id = taskId(`bench.${made}`);
  const env = { PATH: process.env['PATH'] ?? '', MESOS_TASK_ID: id };
  return { taskId: id, sandbox, runDir, command: { kind: 'shell', line: 'sleep 1000' }, env, user: null, limits: { cpusMilli: 100, memMib: 32 } };
}

async function floor(dir: string, count: number): Promise<number> {
  const children: ChildProcess[] = [];
  const from = performance.now();
  for (let index = 0; index < count; index += 1) {
    const box = join(dir, `f${index}`);
    mkdirSync(box);
    const [out, err] = [openSync(join(box, 'stdout'), 'a'), openSync(join(box, 'stderr'), 'a')];
    children.push(spawn('sleep', ['1000'], { cwd: box, detached: true, stdio: ['ignore', out, err] }));
    closeSync(out);
    closeSync(err);
    if (index % 4 === 3) await new Promise((resolve) => setImmediate(resolve));
  }
  const took = performance.now() - from;
  await Promise.all(children.map((child) => new Promise((resolve) => child.once('exit', resolve).kill('SIGKILL'))));
  return took;
}

interface Burst {
  readonly ms: number;
  readonly loopMs: number;
  readonly pssMib: number;
}

async function burst(runtime: SupervisedRuntime, dir: string, count: number): Promise<Burst> {
  let longest = 0;
  let last = performance.now();
  const specs: LaunchSpec[] = [];
  const beat = setInterval(() => {
    longest = Math.max(longest, performance.now() - last);
    last = performance.now();
  }, 1);
  const from = performance.now();
  for (let index = 0; index < count; index += 1) specs.push(specIn(dir));
  const results = await Promise.all(specs.map((spec) => runtime.launch(spec)));
  const ms = performance.now() - from;
  clearInterval(beat);
  const bad = results.find(({ kind }) => kind === 'failed');
  if (bad !== undefined) throw new Error(JSON.stringify(bad));
  const supervisors = specs.map(({ runDir }) => readJournal(runDir).supervisor?.pid ?? 0);
  const pssMib = supervisors.reduce((sum, pid) => sum + pssKib(pid), 0) / 1024 / count;
  const ends = specs.map(({ taskId: id }) => new Promise((resolve) => runtime.onExit(id, resolve)));
  for (const { taskId: id } of specs) runtime.kill(id);
  await Promise.all(ends);
  await Promise.all(specs.map(({ taskId: id, runDir }) => runtime.forget(id, runDir)));
  return { ms, loopMs: longest, pssMib };
}

const median = (values: readonly number[]): number => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;

/** Crash to notice: SIGKILL of the main process until onExit. */
async function crash(runtime: SupervisedRuntime, dir: string): Promise<number[]> {
  const took: number[] = [];
  for (let index = 0; index < 50; index += 1) {
    const spec = specIn(dir);
    const result = await runtime.launch(spec);
    if (result.kind === 'failed') throw new Error(result.reason);
    const ended = new Promise((resolve) => runtime.onExit(spec.taskId, resolve));
    const from = performance.now();
    process.kill(result.pid, 'SIGKILL');
    await ended;
    took.push(performance.now() - from);
    await runtime.forget(spec.taskId, spec.runDir);
  }
  return took.sort((a, b) => a - b);
}

async function main(): Promise<void> {
  const counts = process.argv.length > 2 ? process.argv.slice(2).map(Number) : [10, 50, 100, 200];
  const { cgroup, reasons } = await probeRuntimes();
  const dir = mkdtempSync(join(tmpdir(), 'ekiden-bench-'));
  const instance = `bench-${process.pid}`;
  const runtimes = [
    createRuntime({ kind: 'process', driver: null, instance, log }),
    ...(cgroup === null ? [] : [createRuntime({ kind: 'cgroup', driver: cgroup, instance, log })]),
  ];
  if (cgroup === null) console.log(reasons.join('; '));
  for (const count of counts) {
    const floors: number[] = [];
    const bursts = new Map<string, Burst[]>();
    for (let round = 0; round < ROUNDS; round += 1) {
      const box = join(dir, `${count}-${round}`);
      mkdirSync(box);
      floors.push(await floor(box, count));
      for (const runtime of runtimes) bursts.set(runtime.name, [...(bursts.get(runtime.name) ?? []), await burst(runtime, box, count)]);
    }
    const told = [...bursts].map(([name, all]) => {
      const of = (pick: (burst: Burst) => number): number => median(all.map(pick));
      return `${name} ${of((each) => each.ms).toFixed(0)} ms (longest turn ${of((each) => each.loopMs).toFixed(0)} ms, ${of((each) => each.pssMib).toFixed(2)} MiB PSS a task)`;
    });
    console.log(`${count}: floor ${median(floors).toFixed(0)} ms, ${told.join(', ')}`);
  }
  for (const runtime of runtimes) {
    const took = await crash(runtime, dir);
    console.log(`${runtime.name}: SIGKILL → onExit p50 ${took[25]?.toFixed(1)} ms, p98 ${took[48]?.toFixed(1)} ms`);
    runtime.close();
  }
  cgroup?.remove(`ekiden/${instance}`);
  rmSync(dir, { recursive: true, force: true });
  if (readdirSync('/proc').length === 0) throw new Error('no /proc');
}

void main();
