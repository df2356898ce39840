/**
 * `npm run bench`: Ekiden beside its floor and beside PM2, all in one run, taking turns, so that a slow hour of the machine is slow for
 * everybody. Figures are files in figures/; how to read them: docs/reference/benchmarks.md.
 */
import { writeFileSync } from 'node:fs';
import { cpus, release, totalmem } from 'node:os';
import { resolve } from 'node:path';
import type { Context, Figure, Sample } from './context.js';
import { EkidenContender } from './ekiden-contender.js';
import { createEndings, type Endings } from './endings.js';
import { agentRestart } from './figures/agent-restart.js';
import { cpu } from './figures/cpu.js';
import { isolation } from './figures/isolation.js';
import { logFlood } from './figures/log-flood.js';
import { memory } from './figures/memory.js';
import { neighbours } from './figures/neighbours.js';
import { reads } from './figures/reads.js';
import { recovery } from './figures/recovery.js';
import { rolling } from './figures/rolling.js';
import { scaling } from './figures/scaling.js';
import { start } from './figures/start.js';
import { timeline } from './figures/timeline.js';
import { writes } from './figures/writes.js';
import { Floor } from './floor.js';
import { HELP, readOptions, type BenchOptions } from './options.js';
import { Pm2, PM2_VERSION } from './pm2.js';
import { linesOf, renderTables } from './report.js';

/** Memory first: idle is what it is before anything has run. */
const FIGURES: readonly Figure[] = [memory, start, recovery, rolling, scaling, reads, writes, cpu, timeline, isolation, agentRestart, logFlood, neighbours];
const BYTES_IN_GIB = 1024 ** 3;

const progress = (line: string): void => void process.stderr.write(`${line}\n`);

async function main(): Promise<void> {
  const names = FIGURES.map((figure) => figure.name);
  const options = readOptions(process.argv.slice(2), names);
  if (options === null) return void process.stdout.write(`${HELP(names)}\n`);
  const endings = createEndings();
  const samples: Sample[] = [];
  const notes: string[] = [];
  let clean = true;
  try {
    const figures = FIGURES.filter(({ name }) => options.only === null || options.only.has(name));
    const contenders = figures.some(({ isAlone }) => isAlone !== true) ? options.contenders : new Set<string>();
    const context = await open({ ...options, contenders }, endings, samples, notes);
    for (const figure of figures) {
      progress(`measuring ${figure.name} …`);
      await figure.run(context);
    }
  } finally {
    clean = await endings.endAll();
  }
  tell(options, samples, notes);
  process.exit(clean ? 0 : 1);
}

async function open(options: BenchOptions, endings: Endings, samples: Sample[], notes: string[]): Promise<Context> {
  const note = (line: string): void => {
    progress(`note: ${line}`);
    notes.push(line);
  };
  const come = async <T extends { end(): Promise<void> }>(kind: string, what: string, start: () => Promise<T | null>): Promise<T | null> => {
    if (!options.contenders.has(kind)) return null;
    try {
      progress(`starting ${what} …`);
      const one = await start();
      if (one === null) note(`${what}: not possible on this machine`);
      else endings.add(what, () => one.end());
      return one;
    } catch (error) {
      note(`${what} did not come up: ${error instanceof Error ? error.message : String(error)}`);
      return null;
    }
  };
  const floor = await come('floor', 'the floor (process)', () => Floor.open('process'));
  const cgroupFloor = await come('floor', 'the floor (cgroup)', () => Floor.open('cgroup'));
  const pm2 = await come('pm2', `PM2 ${PM2_VERSION}`, () => Pm2.open());
  const ekiden = await come('ekiden', 'Ekiden (process)', () => EkidenContender.open('process'));
  const ekidenCgroup = await come('ekiden', 'Ekiden (cgroup)', () => EkidenContender.open('cgroup'));
  return {
    rounds: options.rounds,
    quick: options.quick,
    ekiden,
    ekidenCgroup,
    pm2,
    floors: [floor, cgroupFloor].filter((one) => one !== null),
    endings,
    sample: (sample) => {
      progress(`  ${sample.figure}: ${sample.what}: ${sample.of}: ${sample.value.toFixed(sample.value < 10 ? 2 : 0)} ${sample.unit}`);
      samples.push(sample);
    },
    note,
  };
}

function tell(options: BenchOptions, samples: readonly Sample[], notes: readonly string[]): void {
  const lines = linesOf(samples);
  const machine = `${cpus().length} × ${cpus()[0]?.model ?? 'unknown cpu'}, ${(totalmem() / BYTES_IN_GIB).toFixed(0)} GiB, Linux ${release()}, Node ${process.versions.node}`;
  const at = new Date().toISOString();
  process.stdout.write(`\n${at}, ${machine}, medians of ${options.rounds}\n\n${renderTables(lines)}\n`);
  for (const line of notes) process.stdout.write(`note: ${line}\n`);
  const json = JSON.stringify({ at, machine, rounds: options.rounds, quick: options.quick, pm2: PM2_VERSION, figures: lines, notes });
  if (options.jsonFile === null) process.stdout.write(`\n${json}\n`);
  else writeFileSync(resolve(options.jsonFile), `${json}\n`);
}

main().catch((error: unknown) => {
  process.stderr.write(`${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
  process.exit(1);
});
