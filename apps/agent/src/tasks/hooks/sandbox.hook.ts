/** Gives a task its directories before the start, and hands them to the retention after the end. */
import type { SandboxPort } from '../../agent-ports.js';
import type { TaskHook } from './task-hook.js';

export function sandboxHook(sandboxes: SandboxPort): TaskHook {
  return {
    name: 'sandbox',
    preStart: async (task) => {
      task.update(await sandboxes.create(task.taskId, task.record.frameworkId, task.plan.user));
    },
    forget: async (task) => {
      if (task.record.sandbox !== '') await sandboxes.retire(task.record.sandbox);
    },
  };
}
