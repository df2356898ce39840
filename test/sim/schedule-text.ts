/**
 * A schedule as lines that a person can read, shorten and run again: `npm run test:sim -- --schedule FILE`.
 *
 *   # lines like this one are comments
 *   run seed=7 busyMs=180000 traits={"agents":3,"mayLoseMachines":false,…}
 *      12.345 s  2894712  the master dies
 */
import { appId } from '@ekiden/model';
import { z } from 'zod';
import type { Entry, Schedule } from './schedule.js';
import type { Traits } from './traits.js';

const SECONDS_WIDTH = 10;
const SEED_WIDTH = 11;

const traitsSchema: z.ZodType<Traits> = z.strictObject({
  agents: z.int().min(1),
  mayLoseMachines: z.boolean(),
  isTight: z.boolean(),
  isPlainMesos: z.boolean(),
  imageShare: z.number().min(0).max(1).default(0),
  apps: z.array(z.string().transform(appId)),
  maxInstances: z.int().min(1),
  checkSeconds: z.int().min(1),
  maxDelaySeconds: z.int().min(1),
});

export function printSchedule({ seed, busyMs, traits, entries }: Schedule): string {
  return [`run seed=${seed} busyMs=${busyMs} traits=${JSON.stringify(traits)}`, ...entries.map(printEntry), ''].join('\n');
}

const printEntry = ({ at, kind, seed }: Entry): string => `${(at / 1000).toFixed(3).padStart(SECONDS_WIDTH)} s ${String(seed).padStart(SEED_WIDTH)}  ${kind}`;

/** Throws an error that names the line which is none. */
export function parseSchedule(text: string): Schedule {
  let head: Omit<Schedule, 'entries'> | null = null;
  const entries: Entry[] = [];
  for (const [index, line] of text.split('\n').entries()) {
    if (line.trim() === '' || line.startsWith('#')) continue;
    const run = /^run seed=(\d+) busyMs=(\d+) traits=(.+)$/.exec(line.trim());
    if (run !== null) {
      const [, seed, busyMs, traits = ''] = run;
      head = { seed: Number(seed), busyMs: Number(busyMs), traits: traitsSchema.parse(JSON.parse(traits)) };
      continue;
    }
    const entry = /^\s*(\d+)\.(\d{3}) s\s+(\d+) {2}(.+)$/.exec(line);
    if (entry === null) throw new Error(`line ${index + 1} of the schedule is neither "run seed=…" nor "<seconds> s <seed>  <kind>": ${line}`);
    const [, seconds, ms, seed, kind] = entry;
    entries.push({ at: Number(seconds) * 1000 + Number(ms), seed: Number(seed), kind: kind?.trimEnd() ?? '' });
  }
  if (head === null) throw new Error('the schedule has no line "run seed=…"');
  return { ...head, entries: entries.sort((a, b) => a.at - b.at) };
}
