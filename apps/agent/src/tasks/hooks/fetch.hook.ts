/**
 * Fetches a task's artifacts into its sandbox before the start.
 *
 * Fetching takes long, so the task is written down as accepted first: an agent that dies meanwhile can still say what
 * became of it. A task without artifacts saves that write. A kill ends the fetch. One that takes longer than a moment says how far it
 * is, now and then (progress.ts).
 */
import type { Clock, TaskId } from '@ekiden/model';
import type { SandboxPort } from '../../agent-ports.js';
import type { LiveTask } from '../live-task.js';
import { startProgress } from '../progress.js';
import type { TaskHook } from './task-hook.js';

export function fetchHook(sandboxes: SandboxPort, clock: Clock, progress: (task: LiveTask, what: string) => void): TaskHook {
  const underWay = new Map<TaskId, AbortController>();
  const stop = (task: LiveTask): void => underWay.get(task.taskId)?.abort();
  return {
    name: 'fetch',
    preStart: async (task) => {
      const { artifacts, user } = task.plan;
      if (artifacts.length === 0) return;
      const fetching = new AbortController();
      underWay.set(task.taskId, fetching);
      const told = startProgress(clock, (what) => progress(task, what));
      try {
        await task.saveNow();
        await sandboxes.fetch(task.record.sandbox, artifacts, user, { stop: fetching.signal, tell: told.tell });
      } finally {
        told.end();
        underWay.delete(task.taskId);
      }
    },
    preStop: stop,
    detach: stop,
  };
}
