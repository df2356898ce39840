/**
 * What a Mesos task state says about a task, with the reasons that change its meaning.
 *
 * TASK_LOST is read as Marathon reads it: depending on the reason the task has ended, or its agent is only away.
 */
import { assertNever, type Instance, type TaskState } from '@ekiden/model';

export type TaskReading = 'staging' | 'running' | 'killing' | 'unreachable' | 'ended';

const LOST_BUT_NOT_ENDED: ReadonlySet<string> = new Set([
  'REASON_TASK_UNKNOWN',
  'REASON_RECONCILIATION',
  'REASON_SLAVE_DISCONNECTED',
  'REASON_SLAVE_REMOVED',
  'REASON_AGENT_DISCONNECTED',
  'REASON_AGENT_REMOVED',
]);
const UNKNOWN_TO_MASTER = 'Reconciliation: Task is unknown to the';

/** TASK_UNKNOWN is read as unreachable: nobody has seen its end, and the unreachable policy says how long to wait. */
export function readTaskState(state: TaskState, reason: string | null, message: string): TaskReading {
  switch (state) {
    case 'TASK_STAGING':
    case 'TASK_STARTING':
      return 'staging';
    case 'TASK_RUNNING':
      return 'running';
    case 'TASK_KILLING':
      return 'killing';
    case 'TASK_UNREACHABLE':
    case 'TASK_UNKNOWN':
      return 'unreachable';
    case 'TASK_LOST':
      return (reason !== null && LOST_BUT_NOT_ENDED.has(reason)) || message.startsWith(UNKNOWN_TO_MASTER) ? 'unreachable' : 'ended';
    case 'TASK_FINISHED':
    case 'TASK_FAILED':
    case 'TASK_KILLED':
    case 'TASK_ERROR':
    case 'TASK_DROPPED':
    case 'TASK_GONE':
    case 'TASK_GONE_BY_OPERATOR':
      return 'ended';
  }
  return assertNever(state);
}

/**
 * A reconciliation may overtake the ACCEPT of the same task on another connection (decision 2), so a master that does not
 * know a task under launch proves nothing. Only the caller can prove it, and then says `never-launched`.
 */
export function provesNothingAboutLaunch(state: TaskState, reason: string | null): boolean {
  if (state === 'TASK_UNKNOWN') return true;
  const unseen = state === 'TASK_LOST' || state === 'TASK_GONE' || state === 'TASK_DROPPED';
  return unseen && (reason === 'REASON_RECONCILIATION' || reason === 'REASON_TASK_UNKNOWN');
}

/** The offer was withdrawn or had expired when its ACCEPT came: nothing was started, and it says nothing about the app. */
export const isOfferGone = (state: TaskState, reason: string | null): boolean =>
  (state === 'TASK_DROPPED' || state === 'TASK_LOST') && reason === 'REASON_INVALID_OFFERS';

/** True while the instance has a task that a KILL can reach. */
export const isKillable = ({ condition }: Instance): boolean =>
  condition.kind === 'provisioned' || condition.kind === 'staging' || condition.kind === 'running';
