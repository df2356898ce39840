/**
 * How far the preparation of a task is, at a bounded rate: nothing about what is over in a moment, then the newest at most every few seconds.
 *
 * Whoever prepares (fetches, pulls an image) tells every step; the words are made only for what is passed on.
 */
import type { Clock, Timer } from '@ekiden/model';

/** A preparation that is shorter says nothing: its TASK_RUNNING would wait for the acknowledgement of what it said (decision 3). */
export const PROGRESS_AFTER_MS = 2_000;
/** Each costs a status up to the framework, and its record there. */
export const PROGRESS_EVERY_MS = 5_000;

export interface Progress {
  readonly tell: (describe: () => string) => void;
  /** Nothing is passed on afterwards. */
  readonly end: () => void;
}

export function startProgress(clock: Clock, pass: (what: string) => void): Progress {
  let newest: (() => string) | null = null;
  let passed: string | null = null;
  let timer: Timer | null = null;
  const look = (): void => {
    const what = newest?.() ?? null;
    if (what !== null && what !== passed) pass(what);
    passed = what;
    timer = clock.after(PROGRESS_EVERY_MS, look);
  };
  timer = clock.after(PROGRESS_AFTER_MS, look);
  return {
    tell: (describe) => (newest = describe),
    end: () => timer?.cancel(),
  };
}
