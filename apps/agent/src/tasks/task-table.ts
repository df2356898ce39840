/**
 * The tasks of this agent, in the order in which they came, and a bounded memory of those that are over.
 *
 * A LAUNCH may arrive twice. While the task is here, its id answers; after its end was acknowledged, this memory does.
 */
import type { TaskId } from '@ekiden/model';
import type { LiveTask } from './live-task.js';

/** Ids of finished tasks that are remembered, newest last. */
export const MAX_FINISHED_IDS = 10_000;
/** More tasks than this are not accepted, whatever the resources say. */
export const MAX_TASKS = 20_000;

export class TaskTable {
  private readonly tasks = new Map<TaskId, LiveTask>();
  private readonly finished = new Set<TaskId>();
  private knownIds: ReadonlySet<TaskId> | null = null;

  get size(): number {
    return this.tasks.size;
  }

  get(taskId: TaskId): LiveTask | undefined {
    return this.tasks.get(taskId);
  }

  add(task: LiveTask): void {
    this.tasks.set(task.taskId, task);
    this.knownIds = null;
  }

  /** The task is over and acknowledged. */
  finish(taskId: TaskId): void {
    this.tasks.delete(taskId);
    this.knownIds = null;
    this.finished.add(taskId);
    for (const oldest of this.finished) {
      if (this.finished.size <= MAX_FINISHED_IDS) break;
      this.finished.delete(oldest);
    }
  }

  isFinished(taskId: TaskId): boolean {
    return this.finished.has(taskId);
  }

  all(): readonly LiveTask[] {
    return [...this.tasks.values()];
  }

  /** As of now; the same set as long as no task comes or goes. */
  ids(): ReadonlySet<TaskId> {
    return (this.knownIds ??= new Set(this.tasks.keys()));
  }
}
