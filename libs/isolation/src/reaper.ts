/**
 * Kills until nobody is left of a task: rounds of a look at the machine and SIGKILL, with growing pauses and without an end.
 *
 * Several tasks share one look. Who cannot be killed (a stuck disk) is tried again for as long as it lives, and named once in the log.
 */
import type { Log, TaskId } from '@ekiden/model';
import { reasonOf } from './reason-of.js';
import type { Member } from './task-groups.js';

/** `TaskGroups`, or what holds other processes together. */
export interface Reapable<Task> {
  remaining(tasks: readonly Task[]): ReadonlyMap<TaskId, readonly number[]>;
  kill(task: Task, remaining: readonly number[]): void;
}

/** The pause between rounds doubles from the first to the longest. */
const FIRST_REAP_PAUSE_MS = 2;
const LONGEST_REAP_PAUSE_MS = 200;
const REAP_ROUNDS_BEFORE_WARNING = 50;
const MAX_DOUBLINGS = 10;

interface Reaping {
  round: number;
  /** The most processes that one round has found alive. */
  killed: number;
}

/** `emptied`: nobody is left; `killed` is how many were when the killing began. Answers how to begin it; repeating it is harmless. */
export function createReaper<Task extends Pick<Member, 'taskId'>>(
  groups: Reapable<Task>,
  log: Log,
  emptied: (task: Task, killed: number) => void,
): (task: Task) => void {
  const reaping = new Map<Task, Reaping>();

  function killRound(task: Task, left: readonly number[], state: Reaping): void {
    try {
      groups.kill(task, left);
    } catch (error) {
      // One that cannot be killed keeps none of the others alive.
      log.error('kill-failed', { taskId: task.taskId, why: reasonOf(error) });
    }
    if (state.round === REAP_ROUNDS_BEFORE_WARNING) log.warn('task-does-not-die', { taskId: task.taskId, pids: left });
    state.killed = Math.max(state.killed, left.length);
    state.round += 1;
  }

  function reapRound(): void {
    let pause = LONGEST_REAP_PAUSE_MS;
    try {
      const remaining = groups.remaining([...reaping.keys()]);
      for (const [task, state] of reaping) {
        const left = remaining.get(task.taskId) ?? [];
        if (left.length === 0) {
          reaping.delete(task);
          emptied(task, state.killed);
          continue;
        }
        pause = Math.min(pause, FIRST_REAP_PAUSE_MS * 2 ** Math.min(state.round, MAX_DOUBLINGS));
        killRound(task, left, state);
      }
    } catch (error) {
      log.error('kill-round-failed', { why: reasonOf(error) });
    }
    // Not unreferenced: an agent that stops in between would leave half a kill behind.
    if (reaping.size > 0) setTimeout(reapRound, pause);
  }

  return (task) => {
    if (reaping.size === 0) setImmediate(reapRound);
    if (!reaping.has(task)) reaping.set(task, { round: 0, killed: 0 });
  };
}
