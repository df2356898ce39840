/** Asks for readiness from TASK_RUNNING until the task is ready; a restarted agent asks on only if it was not ready before. */
import type { TaskId } from '@ekiden/model';
import type { AgentPorts } from '../../agent-ports.js';
import type { RunningChecks } from '../../health/check-runner.js';
import { startReadinessCheck } from '../../health/readiness-runner.js';
import type { LiveTask } from '../live-task.js';
import type { Slots } from '../slots.js';
import type { TaskHook } from './task-hook.js';

export function readinessHook(ports: Pick<AgentPorts, 'clock' | 'probe' | 'config'>, slots: Slots, changed: (task: LiveTask) => void): TaskHook {
  const running = new Map<TaskId, RunningChecks>();
  const start = (task: LiveTask): void => {
    const check = task.plan.readinessCheck;
    if (!check || task.readiness?.ready || running.has(task.taskId)) return;
    running.set(
      task.taskId,
      startReadinessCheck(task, check, ports, slots, () => changed(task)),
    );
  };
  const stop = (task: LiveTask): void => {
    running.get(task.taskId)?.stop();
    running.delete(task.taskId);
  };
  return { name: 'readiness', postStart: start, recover: start, preStop: stop, postStop: stop, detach: stop };
}
