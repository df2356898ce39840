/**
 * `npm run test:sim`: random seeds for a minute of real time. `--seed N`: that one; `--minutes M`: so long; `--virtual V`: minutes of
 * users and bad luck in each run; `--keep-going`: do not stop at a failure; `--shrink`: make a failing run smaller; `--schedule FILE`:
 * run what such a file says.
 *
 * The first run is done twice: its two trace hashes have to be equal. A failing run prints its story and the command that repeats it.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { GROUPS } from './happenings.js';
import { drawSchedule, type Schedule } from './schedule.js';
import { parseSchedule, printSchedule } from './schedule-text.js';
import { shrink } from './shrink.js';
import { play, type RunResult } from './simulate.js';
import { summary } from './summary.js';

const DEFAULT_VIRTUAL_MINUTES = 10;
const MAX_SEED = 1_000_000;
/** Lines of a story where many seeds are run whatever they say. */
const SHORT_STORY_LINES = 3;

interface Options {
  /** Null: seed after seed, from a random one on. */
  readonly seed: number | null;
  /** Null: one run only. */
  readonly minutes: number | null;
  readonly virtual: number;
  readonly file: string | null;
  readonly isKeptGoing: boolean;
  readonly isShrunk: boolean;
}

function readOptions(args: readonly string[]): Options {
  const { values } = parseArgs({
    args: [...args],
    options: {
      seed: { type: 'string' },
      minutes: { type: 'string' },
      virtual: { type: 'string', default: String(DEFAULT_VIRTUAL_MINUTES) },
      schedule: { type: 'string' },
      'keep-going': { type: 'boolean', default: false },
      shrink: { type: 'boolean', default: false },
    },
  });
  const number = (name: 'seed' | 'minutes' | 'virtual'): number | null => {
    const text = values[name];
    if (text !== undefined && (!Number.isFinite(Number(text)) || Number(text) < 0)) throw new Error(`--${name} takes a number, not "${text}"`);
    return text === undefined ? null : Number(text);
  };
  const seed = number('seed');
  const file = values.schedule ?? null;
  return {
    seed,
    minutes: number('minutes') ?? (seed === null && file === null ? 1 : null),
    virtual: number('virtual') ?? DEFAULT_VIRTUAL_MINUTES,
    file,
    isKeptGoing: values['keep-going'],
    isShrunk: values.shrink,
  };
}

/** Answers the exit status: 0 when nothing failed. */
export async function runSeeds(args: readonly string[]): Promise<number> {
  const options = readOptions(args);
  const began = Date.now();
  const until = began + (options.minutes ?? 0) * 60_000;
  const first = options.seed ?? Math.floor(Math.random() * MAX_SEED);
  if (options.seed === null && options.file === null) console.log(`seeds from ${first} on, ${options.virtual} virtual minutes each`);
  const results: RunResult[] = [];
  const failed: string[] = [];
  for (let seed = first; results.length === 0 || Date.now() < until; seed += 1) {
    const schedule = options.file === null ? drawSchedule(seed, options.virtual, GROUPS) : parseSchedule(readFileSync(options.file, 'utf8'));
    const result = await play(schedule);
    results.push(result);
    announce(result);
    if (results.length === 1 && !(await isRepeatable(schedule, result))) failed.push('the first run was not the same again');
    if (result.failure !== null) {
      failed.push(`seed ${result.seed}`);
      const again = options.file === null ? `--seed ${seed} --virtual ${options.virtual}` : `--schedule ${options.file}`;
      await report(schedule, result, again, options);
    }
    if (failed.length > 0 && !options.isKeptGoing) break;
  }
  console.log(summary(results, (Date.now() - began) / 1000));
  // The repetition counts as one.
  console.log(`${results.length + 1 - failed.length} passed, ${failed.length} failed${failed.length > 0 ? `: ${failed.join(', ')}` : ''}`);
  return failed.length === 0 ? 0 : 1;
}

function announce({ seed, promise, virtualMs, convergedInMs, hash }: RunResult): void {
  const verdict = promise === null ? 'ok' : `FAILED (${promise})`;
  const converged = convergedInMs === null ? '' : `, right again after ${(convergedInMs / 1000).toFixed(0)} s`;
  console.log(`seed ${seed}: ${verdict}, ${(virtualMs / 60_000).toFixed(1)} virtual minutes${converged}, trace hash: ${hash}`);
}

/** The same run once more, to the byte. */
async function isRepeatable(schedule: Schedule, before: RunResult): Promise<boolean> {
  const again = await play(schedule);
  const isSame = again.hash === before.hash;
  console.log(`seed ${again.seed}: ${isSame ? 'the same again' : 'NOT THE SAME AGAIN'}, trace hash: ${again.hash}`);
  return isSame;
}

async function report(schedule: Schedule, result: RunResult, again: string, { isKeptGoing, isShrunk }: Options): Promise<void> {
  const story = result.failure ?? '';
  console.log(isKeptGoing ? story.split('\n').slice(0, SHORT_STORY_LINES).join('\n') : `\n${story}`);
  console.log(`\nagain: npm run test:sim -- ${again}${isShrunk ? '' : `\nsmaller: npm run test:sim -- ${again} --shrink`}`);
  if (!isShrunk) return;
  console.log('\nshrinking …');
  const { schedule: smaller, result: last, runs } = await shrink(schedule, result, play, () => Date.now());
  const file = join(tmpdir(), `ekiden-seed-${schedule.seed}.schedule`);
  writeFileSync(
    file,
    `# promise ${last.promise}, ${smaller.entries.length} of ${schedule.entries.length} entries, after ${runs} runs\n${printSchedule(smaller)}`,
  );
  console.log(`${readFileSync(file, 'utf8')}\n${last.failure}\n\nagain: npm run test:sim -- --schedule ${file}`);
}
