/**
 * What an agent's report says about tasks, against what the master believed.
 *
 *   reported and known     take the newest state and size; repeat a kill or a change of size that was asked for
 *   reported, not known    learnt (this master is new, or the agent was unreachable), told to its framework, and killed if
 *                          a kill has come meanwhile
 *   known, not reported    asked about: the agent answers TASK_DROPPED; forgotten if it had ended already
 *   out of reach before,   asked about too: its framework waits for it, and nothing else would tell that it never comes
 *     not reported
 *   of a removed framework ended on the agent; counted until then (promise 3)
 */
import type { RegisterMessage, TaskReport } from '@ekiden/agent-link';
import { frameworkId as toFrameworkId, isTerminal, role, taskId as toTaskId, type FrameworkId, type Role, type TaskId } from '@ekiden/model';
import { addTask, dropUnreachable, forgetTask, moveTask } from '../cluster/tasks.js';
import type { Agent, Core, Framework, Task } from '../cluster/core.js';
import { addFramework } from '../framework/subscribe.js';
import { problemOf } from '../framework/framework-info.js';
import { learnResources, sendResize } from '../framework/resize.js';
import { tell } from '../framework/status.js';
import { askedResources } from '../framework/validate-task.js';

export function learnTasks(core: Core, agent: Agent, message: RegisterMessage, wasUnreachable: boolean): void {
  const before = new Set(agent.tasks);
  learnFrameworks(core, agent, message);
  for (const report of message.tasks) {
    const framework = core.frameworks.get(report.frameworkId);
    if (framework === undefined) {
      core.ports.log.warn('task-of-unknown-framework', { agentId: agent.agentId, frameworkId: report.frameworkId, taskId: report.task.task_id.value });
      continue;
    }
    const task = learnTask(core, agent, framework, report);
    if (task === null) continue;
    const wasKnown = before.delete(task);
    if (task.kill !== null && !isTerminal(task.state))
      agent.connection?.send({ type: 'kill', frameworkId: task.frameworkId, taskId: task.taskId, killPolicy: task.kill.policy });
    // The end of one comes from its agent, with all that is known of it, until it is acknowledged.
    if ((wasUnreachable || !wasKnown) && !framework.removed && !isTerminal(task.state)) tellLearnt(core, framework, task, wasUnreachable);
  }
  agent.awaitedKills.clear();
  askAbout(core, agent, before);
  if (wasUnreachable) for (const framework of core.frameworks.values()) askAboutUnreachable(core, agent, framework);
}

/** Frameworks that this master has not seen are recovered; removed ones are ended on the agent. */
function learnFrameworks(core: Core, agent: Agent, message: RegisterMessage): void {
  const infos = new Map<FrameworkId, RegisterMessage['frameworks'][number] | null>();
  for (const { frameworkId } of message.tasks) infos.set(frameworkId, null);
  for (const info of message.frameworks)
    if (info.id !== undefined && problemOf(() => toFrameworkId(info.id?.value ?? '')) === null) infos.set(toFrameworkId(info.id.value), info);
  for (const [frameworkId, info] of infos) {
    const isRemoved = core.removedFrameworks.has(frameworkId);
    if (!core.frameworks.has(frameworkId) && info !== null) {
      const holdsTasks = message.tasks.some((report) => report.frameworkId === frameworkId);
      if (!isRemoved || holdsTasks) addFramework(core, frameworkId, info).removed = isRemoved;
    }
    if (isRemoved) agent.connection?.send({ type: 'shutdown-framework', frameworkId });
  }
}

function learnTask(core: Core, agent: Agent, framework: Framework, report: TaskReport): Task | null {
  const { task: info, state, latest } = report;
  if (problemOf(() => toTaskId(info.task_id.value)) !== null) {
    core.ports.log.warn('task-without-id', { agentId: agent.agentId, taskId: info.task_id.value });
    return null;
  }
  const taskId: TaskId = toTaskId(info.task_id.value);
  const known = framework.tasks.get(taskId);
  if (known !== undefined && known.agentId === agent.agentId) {
    known.status = latest ?? known.status;
    moveTask(core, known, state);
    learnResources(core, agent, known, askedResources(info.resources ?? []), latest);
    if (!isTerminal(known.state)) sendResize(agent, known);
    return known;
  }
  if (known !== undefined) forgetTask(core, known); // Only one agent can be right, and this one has it.
  const task = addTask(core, framework, agent, { info, role: roleOf(framework, report), resources: askedResources(info.resources ?? []), state }, taskId);
  task.status = latest;
  learnResources(core, agent, task, task.resources, latest);
  const kill = agent.awaitedKills.get(taskId);
  if (kill?.frameworkId === framework.frameworkId) task.kill = { policy: kill.policy };
  return task;
}

/** Tasks believed to be here that the agent has never heard of, or has forgotten after their end. */
function askAbout(core: Core, agent: Agent, missing: ReadonlySet<Task>): void {
  const byFramework = new Map<FrameworkId, TaskId[]>();
  for (const task of missing) {
    if (isTerminal(task.state) || core.frameworks.get(task.frameworkId)?.removed === true) forgetTask(core, task);
    else byFramework.set(task.frameworkId, [...(byFramework.get(task.frameworkId) ?? []), task.taskId]);
  }
  for (const [frameworkId, taskIds] of byFramework) agent.connection?.send({ type: 'reconcile-tasks', frameworkId, taskIds });
}

/** What was reported has left the list already. The others were lost on their way to the agent, or with its disk. */
function askAboutUnreachable(core: Core, agent: Agent, framework: Framework): void {
  const taskIds = dropUnreachable(framework, agent.agentId);
  if (taskIds.length > 0 && !framework.removed) agent.connection?.send({ type: 'reconcile-tasks', frameworkId: framework.frameworkId, taskIds });
}

/** The framework may have forgotten it meanwhile, and would hear of it only by its next reconciliation (promise 2). */
function tellLearnt(core: Core, framework: Framework, task: Task, wasUnreachable: boolean): void {
  const { status } = task;
  const more = {
    ...(status?.healthy === undefined ? {} : { healthy: status.healthy }),
    ...(status?.container_status === undefined ? {} : { container_status: status.container_status }),
    ...(status?.data === undefined ? {} : { data: status.data }),
  };
  const state = status?.state ?? task.state;
  const message = wasUnreachable ? 'Unreachable agent re-registered' : 'Learnt from its agent, which has registered';
  const reason = wasUnreachable ? 'REASON_AGENT_REREGISTERED' : 'REASON_RECONCILIATION';
  tell(core, framework, { taskId: task.taskId, agentId: task.agentId, state, reason, message, more });
}

/** The role that a task's resources were allocated to; the framework's first one where nothing says so. */
function roleOf(framework: Framework, { task }: TaskReport): Role {
  const named = task.resources?.map((resource) => resource.allocation_info?.role).find((name) => name !== undefined);
  const first = framework.roles[0] ?? framework.info.roles?.[0] ?? framework.info.role ?? '*';
  const name = named ?? first;
  return problemOf(() => role(name)) === null ? role(name) : role('*');
}
