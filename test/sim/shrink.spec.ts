/** Shrinking, on runs that are only pretended: what is left is what is needed. */
import type { RunResult } from './simulate.js';
import { drawSchedule, type Entry, type Schedule } from './schedule.js';
import { MAX_SHRINK_RUNS, shrink } from './shrink.js';

const KINDS = ['a user scales an app', 'the master dies', 'a disk is full', 'a commit is lost'];
const ENTRIES: Entry[] = Array.from({ length: 200 }, (_, index) => ({ at: index * 1_000, kind: KINDS[index % KINDS.length]!, seed: index }));
const SCHEDULE: Schedule = { seed: 1, busyMs: 300_000, traits: drawSchedule(1, 0, []).traits, entries: ENTRIES };

const result = (promise: string | null, virtualMs: number): RunResult => ({
  seed: 1,
  promise,
  virtualMs,
  failure: promise,
  breaches: [],
  hash: '',
  convergedInMs: null,
  facts: {},
});

/** Breaks promise 2 once all of these entries have happened. */
const needs =
  (...seeds: number[]) =>
  async ({ entries }: Schedule): Promise<RunResult> => {
    const found = entries.filter((entry) => seeds.includes(entry.seed));
    return found.length === seeds.length ? result('2', found.at(-1)?.at ?? 0) : result(null, 0);
  };

describe('shrink', () => {
  it('leaves the entries that are needed, without the time between them', async () => {
    const { schedule } = await shrink(SCHEDULE, result('2', 151_000), needs(17, 62, 150), () => 0);
    expect(schedule.entries.map((entry) => entry.seed)).toEqual([17, 62, 150]);
    expect(schedule.entries.map((entry) => entry.at)).toEqual([2_000, 4_000, 6_000]);
    expect(schedule.busyMs).toBeLessThan(10_000);
  });

  it('does not take another breach for the same', async () => {
    const other = async (schedule: Schedule): Promise<RunResult> => (schedule.entries.length < ENTRIES.length ? result('1', 1_000) : result('2', 200_000));
    const { schedule } = await shrink(SCHEDULE, result('2', 200_000), other, () => 0);
    expect(schedule.entries).toEqual(ENTRIES);
  });

  it('ends after its number of runs, and after its time', async () => {
    const everything = needs(...ENTRIES.map((entry) => entry.seed));
    const many = await shrink(SCHEDULE, result('2', 200_000), everything, () => 0);
    expect(many.runs).toBeLessThanOrEqual(MAX_SHRINK_RUNS);
    let clock = 0;
    const slow = await shrink(SCHEDULE, result('2', 200_000), everything, () => (clock += 60_000));
    expect(slow.runs).toBeLessThan(10);
  });
});
