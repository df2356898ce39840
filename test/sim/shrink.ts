/**
 * Makes a failing schedule smaller as long as the same promise is broken: cuts it off after the breach, leaves out whole kinds, then
 * halves, quarters … of what is left (delta debugging), and last the time in which nothing happens.
 *
 * A smaller schedule may break the promise elsewhere or later than the first did: any breach of it will do.
 */
import type { RunResult } from './simulate.js';
import type { Entry, Schedule } from './schedule.js';

/** Runs that are tried at most. */
export const MAX_SHRINK_RUNS = 400;
/** Real time after which the smallest found so far has to do. */
export const MAX_SHRINK_MS = 240_000;
/** The breach may be seen a little after what caused it. */
const AFTER_BREACH_MS = 1_000;
/** The shortest time before the first entry and between two: what is longer is tried with this. */
const SHORT_GAP_MS = 2_000;

export interface Shrunk {
  readonly schedule: Schedule;
  readonly result: RunResult;
  readonly runs: number;
}

/** `play` runs a schedule; `nowMs` is real time. The result breaks the same promise as `failed` did. */
export async function shrink(schedule: Schedule, failed: RunResult, play: (schedule: Schedule) => Promise<RunResult>, nowMs: () => number): Promise<Shrunk> {
  const until = nowMs() + MAX_SHRINK_MS;
  let smallest: Shrunk = { schedule, result: failed, runs: 0 };
  let runs = 0;
  const isOver = (): boolean => runs >= MAX_SHRINK_RUNS || nowMs() >= until;
  /** True: it fails alike, and is the smallest from now on. */
  const attempt = async (smaller: Schedule): Promise<boolean> => {
    if (isOver()) return false;
    runs += 1;
    const result = await play(smaller);
    if (result.promise !== failed.promise) return false;
    // Nothing that comes after the breach can have caused it.
    const entries = smaller.entries.filter((entry) => entry.at <= result.virtualMs);
    smallest = { schedule: { ...smaller, entries }, result, runs };
    return true;
  };
  const now = (): Schedule => smallest.schedule;

  await attempt({ ...schedule, busyMs: Math.min(schedule.busyMs, failed.virtualMs + AFTER_BREACH_MS) });
  for (const kind of kindsByCount(now().entries)) await attempt({ ...now(), entries: now().entries.filter((entry) => entry.kind !== kind) });
  await leaveOut(() => now().entries, (entries) => attempt({ ...now(), entries }), isOver); // prettier-ignore
  await attempt({ ...now(), busyMs: Math.min(now().busyMs, (now().entries.at(-1)?.at ?? 0) + AFTER_BREACH_MS) });
  await attempt(withoutGaps(now()));
  return { ...smallest, runs };
}

/** Tries to leave out ever smaller runs of entries, until no single one can go. */
async function leaveOut(entries: () => readonly Entry[], attempt: (fewer: readonly Entry[]) => Promise<boolean>, isOver: () => boolean): Promise<void> {
  for (let size = Math.ceil(entries().length / 2); size >= 1 && !isOver();) {
    let hasShrunk = false;
    for (let at = 0; at < entries().length && !isOver();) {
      const all = entries();
      if (await attempt([...all.slice(0, at), ...all.slice(at + size)])) hasShrunk = true;
      else at += size;
    }
    if (size === 1 && !hasShrunk) return;
    size = size === 1 ? 1 : Math.ceil(size / 2);
  }
}

/** The kinds with the most entries first: they are the most to gain. */
function kindsByCount(entries: readonly Entry[]): string[] {
  const counts = new Map<string, number>();
  for (const { kind } of entries) counts.set(kind, (counts.get(kind) ?? 0) + 1);
  return [...counts].sort(([, a], [, b]) => b - a).map(([kind]) => kind);
}

function withoutGaps(schedule: Schedule): Schedule {
  let before = 0;
  let saved = 0;
  const entries = schedule.entries.map((entry) => {
    saved += Math.max(0, entry.at - before - SHORT_GAP_MS);
    before = entry.at;
    return { ...entry, at: entry.at - saved };
  });
  return { ...schedule, entries, busyMs: schedule.busyMs - saved };
}
