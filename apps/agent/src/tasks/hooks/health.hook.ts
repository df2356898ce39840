/**
 * Runs health checks while the task runs. They end when a kill begins: a stopping task owes nobody an answer.
 *
 * With Ekiden's task data the agent only reports; paas-api decides about kills (it alone knows the budget and the siblings).
 * A plain Mesos health check makes the agent kill, as Mesos' executors do.
 */
import type { HealthCheck, TaskId } from '@ekiden/model';
import type { AgentPorts } from '../../agent-ports.js';
import { startHealthChecks, type RunningChecks } from '../../health/check-runner.js';
import type { LiveTask } from '../live-task.js';
import type { Slots } from '../slots.js';
import type { TaskHook } from './task-hook.js';

export interface HealthReports {
  /** `task.checks` has news. */
  changed(task: LiveTask): void;
  /** A plain Mesos check is exhausted. */
  killUnhealthy(task: LiveTask, why: string): void;
}

export function healthHook(ports: Pick<AgentPorts, 'clock' | 'random' | 'probe' | 'config'>, slots: Slots, reports: HealthReports): TaskHook {
  const running = new Map<TaskId, RunningChecks>();
  const start = (task: LiveTask): void => {
    if (task.plan.healthChecks.length === 0 || running.has(task.taskId)) return;
    const changed = (_check: HealthCheck, index: number): void => {
      reports.changed(task);
      const result = task.checks[index];
      if (task.plan.killsUnhealthy && result?.exhausted) {
        reports.killUnhealthy(task, `Health check failed ${result.consecutiveFailures} times in a row: ${result.lastFailureCause ?? 'failed'}`);
      }
    };
    running.set(task.taskId, startHealthChecks(task, ports, slots, changed));
  };
  const stop = (task: LiveTask): void => {
    running.get(task.taskId)?.stop();
    running.delete(task.taskId);
  };
  return { name: 'health', postStart: start, recover: start, preStop: stop, postStop: stop, detach: stop };
}
