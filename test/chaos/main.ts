/**
 * `npm run test:chaos -- --minutes 10`: a real cluster under load and bad luck, and what is left of the promises afterwards.
 *
 * Root gets a machine of its own for it (small-machine.ts), with real network cuts and a small disk; everybody else gets
 * the rest, and is told what is missing. Exit status 0: no request and no task was lost, no promise broken, nothing left behind.
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { build, Cluster } from './cluster.js';
import { ALL_FAULTS } from './faults/all-faults.js';
import { processesNaming } from './processes.js';
import { run } from './run.js';
import { drawSchedule } from './schedule.js';
import { hasProgram, isRoot, leftOnMachine, runInside, whyNoMachine } from './small-machine.js';

const MAX_MINUTES = 24 * 60;
const HOME = process.cwd();

interface Options {
  readonly minutes: number;
  readonly seed: number;
  readonly only: readonly string[];
  readonly plan: boolean;
  readonly keep: boolean;
  readonly inside: string | null;
}

function readOptions(args: readonly string[]): Options {
  const { values } = parseArgs({
    args: [...args],
    options: {
      minutes: { type: 'string', default: '2' },
      seed: { type: 'string' },
      only: { type: 'string' },
      plan: { type: 'boolean', default: false },
      keep: { type: 'boolean', default: false },
      inside: { type: 'string' },
    },
  });
  const [minutes, seed] = [Number(values.minutes), Number(values.seed ?? Math.floor(Date.now() / 1000) % 1_000_000)];
  if (!(minutes > 0) || minutes > MAX_MINUTES) throw new Error(`--minutes is ${values.minutes}: give a number above 0, at most ${MAX_MINUTES}`);
  if (!Number.isSafeInteger(seed)) throw new Error(`--seed is ${values.seed}: give a whole number`);
  const only = values.only?.split(',') ?? [];
  const unknown = only.filter((name) => !ALL_FAULTS.some((fault) => fault.name === name));
  if (unknown.length > 0) throw new Error(`--only ${unknown.join(',')}: there are ${ALL_FAULTS.map(({ name }) => name).join(', ')}`);
  return { minutes, seed, only, plan: values.plan, keep: values.keep, inside: values.inside ?? null };
}

const chosenFaults = ({ only }: Options) => ALL_FAULTS.filter(({ name }) => only.length === 0 || only.includes(name));

async function main(): Promise<number> {
  const args = process.argv.slice(2);
  const options = readOptions(args);
  if (options.plan) {
    for (const { atMs, fault } of drawSchedule(options.seed, options.minutes, chosenFaults(options)))
      console.log(`${(atMs / 1000).toFixed(1)} s: ${fault.name}`);
    return 0;
  }
  if (options.inside !== null) return runHere(options, options.inside, true);
  build(HOME);
  const directory = mkdtempSync(join(tmpdir(), 'ekiden-chaos-'));
  const whyNot = whyNoMachine();
  if (whyNot !== null) console.log(`without a machine of its own (${whyNot}): no cuts by the kernel, no small disk`);
  let code = 1;
  try {
    const again = [...process.execArgv, process.argv[1] ?? '', ...args, '--seed', `${options.seed}`, '--inside', directory];
    code = whyNot === null ? await runInside([process.execPath, ...again]) : await runHere(options, directory, false);
  } finally {
    code = Math.max(code, cleanUp(directory, options.keep || code !== 0));
  }
  return code;
}

const runHere = (options: Options, directory: string, ownMachine: boolean): Promise<number> =>
  run({
    home: HOME,
    directory,
    minutes: options.minutes,
    seed: options.seed,
    faults: chosenFaults(options),
    powers: { ownMachine, ownNetwork: ownMachine && isRoot && hasProgram('ip') && hasProgram('tc') },
  });

/** Says what is left behind, and takes away what a run has written unless somebody may want to read it. */
function cleanUp(directory: string, keeps: boolean): number {
  const processes = processesNaming(directory).map(({ pid, command }) => `process ${pid}: ${command.slice(0, 200)}`);
  const left = [...processes, ...leftOnMachine(directory, Cluster.instancesOf(directory)), ...leftInterfaces()];
  console.log(`left behind: ${left.length === 0 ? 'no process, mount, network or control group' : left.join('; ')}`);
  if (keeps) console.log(`what was said and recorded is in ${directory}`);
  else rmSync(directory, { recursive: true, force: true });
  return left.length === 0 ? 0 : 1;
}

const leftInterfaces = (): string[] =>
  readFileSync('/proc/net/dev', 'utf8')
    .split('\n')
    .map((line) => line.split(':')[0]?.trim() ?? '')
    .filter((name) => /^(ctl|dat)[01]$/.test(name))
    .map((name) => `interface ${name}`);

main().then(
  (code) => process.exit(code),
  (error: unknown) => {
    console.error(error instanceof Error ? (error.stack ?? error.message) : error);
    process.exit(2);
  },
);
