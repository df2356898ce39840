/**
 * RECONCILE: what has become of these tasks, as far as the master can know (reference: 3.5; decision 2).
 *
 * Never answers "unknown" about an agent that has not registered since this master began: its tasks may well run.
 */
import type { SchedulerCall, TaskStatus } from '@ekiden/mesos';
import { isTerminal } from '@ekiden/model';
import { isAnyAwaited, type Core, type Framework, type Task } from '../cluster/core.js';
import { tell, unreachableSince } from './status.js';

type Asked = NonNullable<Extract<SchedulerCall, { type: 'RECONCILE' }>['reconcile']['tasks']>;

export function reconcile(core: Core, framework: Framework, asked: Asked): void {
  if (asked.length === 0) {
    for (const task of framework.tasks.values()) answerKnown(core, framework, task);
    return;
  }
  // Asked once for the whole list: "is any agent still awaited" would cost the cluster's size for each task.
  const isAwaited = isAnyAwaited(core);
  for (const { task_id: id, agent_id: agentId } of asked) explain(core, framework, id.value, agentId?.value ?? null, isAwaited);
}

/** Answers about one task as an explicit reconciliation does; also the answer to a KILL of a task that is not known. */
export function explain(core: Core, framework: Framework, taskId: string, agentId: string | null, isAwaited: boolean): void {
  const task = framework.tasks.get(taskId);
  if (task !== undefined) return answerKnown(core, framework, task);
  const answer = (state: 'TASK_GONE' | 'TASK_UNREACHABLE' | 'TASK_GONE_BY_OPERATOR' | 'TASK_UNKNOWN', message: string, more: Partial<TaskStatus> = {}) =>
    tell(core, framework, { taskId, agentId, state, reason: 'REASON_RECONCILIATION', message: `Reconciliation: ${message}`, more });
  const agent = agentId === null ? undefined : core.agents.get(agentId);
  switch (agent?.state) {
    case 'recovering':
      return;
    case 'registered':
    case 'disconnected':
      return answer('TASK_GONE', 'Task is unknown to the agent');
    case 'unreachable':
      return answer('TASK_UNREACHABLE', 'Task is unreachable', unreachableSince(agent.since));
    case 'gone':
      return answer('TASK_GONE_BY_OPERATOR', 'Task is gone by operator');
    case undefined:
      if (agentId !== null || !isAwaited) answer('TASK_UNKNOWN', 'Task is unknown');
  }
}

function answerKnown(core: Core, framework: Framework, task: Task): void {
  const last = task.status;
  const more: Partial<TaskStatus> = {
    ...(last?.healthy === undefined ? {} : { healthy: last.healthy }),
    ...(last?.container_status === undefined ? {} : { container_status: last.container_status }),
    ...(last?.executor_id === undefined ? {} : { executor_id: last.executor_id }),
    // An extension: check results survive the framework's fail-over.
    ...(last?.data === undefined || !core.ports.config.extensions ? {} : { data: last.data }),
  };
  const state = last?.state ?? task.state;
  // This answer may overtake the agent's own report of the end: it has to say how the task ended, or nobody learns it (promise 5).
  const end = isTerminal(state) && core.ports.config.extensions ? last?.message : undefined;
  tell(core, framework, {
    taskId: task.taskId,
    agentId: task.agentId,
    state,
    reason: 'REASON_RECONCILIATION',
    message: end ?? 'Reconciliation: Latest task state',
    more,
  });
}
