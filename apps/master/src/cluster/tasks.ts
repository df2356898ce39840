/** Tasks in the two tables and in the allocator's books, always all three together. */
import { release, removeFramework, use } from '@ekiden/allocator';
import type { TaskInfo } from '@ekiden/mesos';
import { containsResources, isTerminal, type AgentId, type Resources, type Role, type TaskId, type TaskState } from '@ekiden/model';
import type { Agent, Core, Framework, Task } from './core.js';

export interface NewTask {
  readonly info: TaskInfo;
  readonly role: Role;
  readonly resources: Resources;
  readonly state: TaskState;
}

/** A task that its agent runs, or is about to be told to run. */
export function addTask(core: Core, framework: Framework, agent: Agent, { info, role, resources, state }: NewTask, taskId: Task['taskId']): Task {
  const task: Task = {
    taskId,
    frameworkId: framework.frameworkId,
    agentId: agent.agentId,
    name: info.name,
    role,
    resources,
    resize: null,
    revision: 0,
    labels: info.labels,
    discovery: info.discovery,
    state,
    status: null,
    unacknowledged: null,
    holds: !isTerminal(state),
    kill: null,
  };
  framework.tasks.set(taskId, task);
  framework.unreachable.delete(taskId);
  agent.tasks.add(task);
  if (task.holds) use(core.allocator, task, resources);
  return task;
}

/** Takes over the newest state; the first terminal one frees the task's resources at once. An end is for good. */
export function moveTask(core: Core, task: Task, state: TaskState): void {
  if (isTerminal(task.state) && !isTerminal(state)) return;
  task.state = state;
  if (isTerminal(state)) freeTask(core, task);
}

/** What the task may use is something else from now on. Whoever lets it grow has taken that out of an offer before. */
export function changeResources(core: Core, task: Task, resources: Resources): void {
  if (isSame(task.resources, resources)) return;
  if (task.holds) {
    release(core.allocator, task, task.resources);
    use(core.allocator, task, resources);
    core.look(task.agentId);
  }
  task.resources = resources;
}

const isSame = (a: Resources, b: Resources): boolean => containsResources(a, b) && containsResources(b, a);

/** The task is over for everybody. */
export function forgetTask(core: Core, task: Task): void {
  freeTask(core, task);
  core.agents.get(task.agentId)?.tasks.delete(task);
  const framework = core.frameworks.get(task.frameworkId);
  if (framework?.tasks.get(task.taskId) === task) framework.tasks.delete(task.taskId);
  if (framework !== undefined) forgetRemoved(core, framework);
}

/** Tasks of one agent that are remembered as out of reach: their ids are free again. Answers which. */
export function dropUnreachable(framework: Framework, agentId: AgentId): TaskId[] {
  const dropped: TaskId[] = [];
  for (const [taskId, where] of framework.unreachable) if (where === agentId) dropped.push(taskId);
  for (const taskId of dropped) framework.unreachable.delete(taskId);
  return dropped;
}

/** A removed framework goes with its last task. */
export function forgetRemoved(core: Core, framework: Framework): void {
  if (!framework.removed || framework.tasks.size > 0) return;
  core.frameworks.delete(framework.frameworkId);
  removeFramework(core.allocator, framework.frameworkId);
}

function freeTask(core: Core, task: Task): void {
  if (!task.holds) return;
  task.holds = false;
  release(core.allocator, task, task.resources);
  core.look(task.agentId);
}
