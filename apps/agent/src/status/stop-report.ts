/**
 * How a stop went: what was sent, how long the task took, whether it ended by itself, and what had to be killed. Pure.
 *
 * It is in the last status (message and data) and in the agent's list of tasks: whose grace is too short is seen there.
 */
import type { TaskExit } from '@ekiden/isolation';
import type { StopReport } from '@ekiden/mesos';
import type { Instant } from '@ekiden/model';
import type { TaskRecord } from '../agent-ports.js';

export function stopReport(kill: NonNullable<TaskRecord['kill']>, exit: TaskExit, now: Instant): StopReport {
  return {
    signal: kill.killedAt === undefined ? 'SIGTERM' : 'SIGKILL',
    // The clock may have been set back since.
    afterMs: Math.max(0, now - kill.at),
    graceMs: kill.graceMs,
    killedProcesses: exit.killedProcesses ?? null,
  };
}

const MS_PER_SECOND = 1000;
const seconds = (ms: number): string => `${(ms / MS_PER_SECOND).toFixed(1)} s`;
const processes = (count: number): string => (count === 1 ? '1 process' : `${count} processes`);

/** `stopped by itself 0.2 s after SIGTERM; 2 processes that it left were killed`. */
export function describeStop({ signal, afterMs, graceMs, killedProcesses }: StopReport): string {
  if (signal === 'SIGTERM') {
    const left = (killedProcesses ?? 0) > 0 ? `; ${processes(killedProcesses ?? 0)} that it left ${killedProcesses === 1 ? 'was' : 'were'} killed` : '';
    return `stopped by itself ${seconds(afterMs)} after SIGTERM${left}`;
  }
  const whom = killedProcesses === null ? 'it' : processes(killedProcesses);
  return `did not stop within ${seconds(graceMs)} of SIGTERM: SIGKILL to ${whom}`;
}
