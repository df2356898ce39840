/**
 * Statuses on their way from an agent to a framework, and acknowledgements on their way back (reference: 3.2).
 *
 * The master is a relay without memory of its own here: what cannot be delivered is dropped, the agent says it again. It
 * reads along: the first sight of a terminal newest state frees the resources; the acknowledged terminal status ends the task.
 */
import type { Acknowledgement, TaskStatus } from '@ekiden/mesos';
import { isTerminal, taskId as toTaskId, type FrameworkId, type TaskState } from '@ekiden/model';
import { forgetTask, moveTask } from '../cluster/tasks.js';
import { count, type Agent, type Core, type Framework } from '../cluster/core.js';
import { problemOf } from './framework-info.js';
import { learnOutcome } from './resize.js';
import { sendStatus } from './status.js';

export interface ReportedStatus {
  readonly frameworkId: FrameworkId;
  readonly status: TaskStatus;
  readonly latestState: TaskState;
}

export function forwardStatus(core: Core, agent: Agent, { frameworkId, status, latestState }: ReportedStatus): void {
  const framework = core.frameworks.get(frameworkId);
  const taskId = status.task_id.value;
  if (framework === undefined || framework.removed) return closeForNobody(core, agent, frameworkId, status);
  const task = framework.tasks.get(taskId);
  if (task === undefined || task.agentId !== agent.agentId) count(core, 'updates_of_unknown_tasks');
  else {
    task.status = status;
    task.unacknowledged = status.uuid === undefined ? task.unacknowledged : status;
    moveTask(core, task, latestState);
    learnOutcome(core, task, status);
  }
  sendStatus(core, framework, { ...status, agent_id: { value: agent.agentId } });
  // Without a uuid it is not acknowledged: what ends by it ends now. Who missed it asks, and is told that the agent has no such task.
  if (task !== undefined && task.agentId === agent.agentId && status.uuid === undefined && isTerminal(task.state)) forgetTask(core, task);
}

export function acknowledge(core: Core, framework: Framework, { agent_id: agentId, task_id: id, uuid }: Acknowledgement): void {
  const agent = core.agents.get(agentId.value);
  const taskId = id.value;
  if (agent?.state !== 'registered' || agent.connection === null) return; // The status comes again, with the agent.
  if (problemOf(() => toTaskId(taskId)) !== null) return; // No task can have such an id.
  agent.connection.send({ type: 'acknowledge', frameworkId: framework.frameworkId, taskId: toTaskId(taskId), uuid });
  const task = framework.tasks.get(taskId);
  const status = task?.status;
  if (task?.unacknowledged?.uuid === uuid) task.unacknowledged = null;
  if (task?.agentId === agent.agentId && status && isTerminal(status.state) && status.uuid === uuid) forgetTask(core, task);
}

/**
 * A framework is back: what its agents reported meanwhile is said now. Their own retries have become rare (up to 10 min),
 * and all later news of a task waits behind the one that was not acknowledged.
 */
export function repeatUnacknowledged(core: Core, framework: Framework): void {
  for (const { unacknowledged, agentId } of framework.tasks.values())
    if (unacknowledged !== null) sendStatus(core, framework, { ...unacknowledged, agent_id: { value: agentId } });
}

/** A status of a framework that is no more: acknowledged here, or the agent would say it for ever. */
function closeForNobody(core: Core, agent: Agent, frameworkId: FrameworkId, status: TaskStatus): void {
  if (!core.removedFrameworks.has(frameworkId)) {
    core.ports.log.warn('status-of-unknown-framework', { frameworkId, taskId: status.task_id.value, agentId: agent.agentId });
    return;
  }
  if (problemOf(() => toTaskId(status.task_id.value)) !== null) return;
  const taskId = toTaskId(status.task_id.value);
  if (status.uuid !== undefined) agent.connection?.send({ type: 'acknowledge', frameworkId, taskId, uuid: status.uuid });
  const task = core.frameworks.get(frameworkId)?.tasks.get(taskId);
  if (task?.agentId === agent.agentId && isTerminal(status.state)) forgetTask(core, task);
}
