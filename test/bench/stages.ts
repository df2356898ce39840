/**
 * Where the time of a launch goes, seen from outside: events as they arrive, and the birth of the files that each stage leaves behind.
 *
 *   request ─► answered ─► launch recorded ─► directories ─► checkpoint on disk ─► supervisor ─► task ─► TASK_RUNNING seen
 *              (SSE, HTTP)                    (birth of run/) (run/launch)          (run/run)     (stdout)
 */
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';

/** Milliseconds since the epoch, with fractions. */
export const epochNow = (): number => performance.timeOrigin + performance.now();

/** The files in the order in which a launch makes them, by what is true once they are there. */
const FILES: readonly (readonly [stage: string, file: string])[] = [
  ['agent makes the directories', 'run'],
  ['checkpoint is on disk, launch file written', 'run/launch'],
  ['supervisor has claimed it', 'run/run'],
  ['the task has its log files', 'sandbox/stdout'],
];

export interface Moment {
  readonly stage: string;
  readonly at: number;
}

/** Moments of every task whose directory was made after `since`. */
export function launchMoments(tasksDir: string, since: number): Moment[] {
  return readdirSync(tasksDir).flatMap((name) => {
    const born = birth(join(tasksDir, name));
    // Clocks of files are those of the last tick of the kernel.
    if (born === null || born < since - KERNEL_TICK_MS) return [];
    return FILES.flatMap(([stage, file]) => {
      const at = birth(join(tasksDir, name, file));
      return at === null ? [] : [{ stage, at }];
    });
  });
}

const KERNEL_TICK_MS = 10;

function birth(path: string): number | null {
  return statSync(path, { throwIfNoEntry: false })?.birthtimeMs ?? null;
}
