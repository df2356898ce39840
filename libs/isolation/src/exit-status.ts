/** From a shell's status to how a task ended. Pure. */
import { constants } from 'node:os';
import type { TaskExit } from './runtime.js';

const SIGNAL_OFFSET = 128;
/** Above are the real-time signals, which have no names, and exit codes such as 255. */
const LAST_NAMED_SIGNAL = 31;
const SIGKILL_STATUS = SIGNAL_OFFSET + constants.signals.SIGKILL;

const SIGNAL_NAMES = new Map<number, string>(Object.entries(constants.signals).map(([name, number]) => [number, name]));

/** What was seen of a task's group at its end: part of its `TaskExit`. */
export type Counted = Pick<TaskExit, 'oomKills' | 'memPeakBytes' | 'killedProcesses'>;

/**
 * A status above 128 is read as a signal, as every shell writes it: a program that itself exits with 143 after its SIGTERM looks the same.
 * OOM: the kernel counted a kill in the group, and the main process died of SIGKILL; a child alone does not make it one.
 */
export function exitOfStatus(status: number, counted: Counted): TaskExit {
  const number = status - SIGNAL_OFFSET;
  const signal = number >= 1 && number <= LAST_NAMED_SIGNAL ? (SIGNAL_NAMES.get(number) ?? null) : null;
  const oomKilled = (counted.oomKills ?? 0) > 0 && status === SIGKILL_STATUS;
  return { code: signal === null ? status : null, signal, oomKilled, lost: null, ...counted };
}

/** Nobody knows the status; `why` says how that came. */
export const exitLost = (why: string, counted: Counted): TaskExit => ({
  code: null,
  signal: null,
  oomKilled: (counted.oomKills ?? 0) > 0,
  lost: why,
  ...counted,
});
