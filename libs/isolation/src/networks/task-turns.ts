/** Changes of tasks' networks: one after the other for a task, and a few at once for all of them. */
import type { TaskId } from '@ekiden/model';
import { createSlots } from '../slots.js';

export interface TaskTurns {
  /** After those of the same task that were asked for before, however they went. */
  run<T>(taskId: TaskId, change: () => Promise<T>): Promise<T>;
  /** Whether one is under way, or waits. */
  has(taskId: TaskId): boolean;
  ids(): readonly TaskId[];
}

/** `max`: at once. */
export function createTaskTurns(max: number): TaskTurns {
  const slots = createSlots(max);
  const last = new Map<TaskId, Promise<unknown>>();
  return {
    run(taskId, change) {
      const inSlot = (): ReturnType<typeof change> => slots.run(new AbortController().signal, change);
      const turn = (last.get(taskId) ?? Promise.resolve()).then(inSlot, inSlot);
      last.set(taskId, turn);
      const over = (): void => {
        if (last.get(taskId) === turn) last.delete(taskId);
      };
      turn.then(over, over);
      return turn;
    },
    has: (taskId) => last.has(taskId),
    ids: () => [...last.keys()],
  };
}
