/**
 * The life of a task as a list of concerns: each hook is one file, and the list (create-agent.ts) is the story.
 *
 * `preStart` hooks run in the order of the list, `preStop` and `postStop` in the reverse order. Only `preStart` may refuse, by
 * rejecting: the task then ends as TASK_FAILED with the message, and nothing was started.
 */
import type { LiveTask } from '../live-task.js';

export interface TaskHook {
  readonly name: string;
  /** The task is accepted, nothing runs. */
  preStart?(task: LiveTask): Promise<void>;
  /** The process runs and TASK_RUNNING is queued. */
  postStart?(task: LiveTask): void;
  /** The agent has restarted and the process still runs. */
  recover?(task: LiveTask): void;
  /** A kill is recorded; no signal has been sent, and perhaps nothing runs yet. May be called more than once. */
  preStop?(task: LiveTask): void;
  /** The last process of the task is gone, or none was ever there. The last status is not made yet. */
  postStop?(task: LiveTask): void;
  /** After `postStop`: gives back what nobody else may have while it is his (ports). The end is told afterwards. Null: nothing to wait for. */
  release?(task: LiveTask): Promise<void> | null;
  /** The agent stops, the task runs on: leave no timer behind. */
  detach?(task: LiveTask): void;
  /** The framework has acknowledged the end, and the checkpoint is gone. */
  forget?(task: LiveTask): Promise<void>;
}
