/**
 * The whole environment of a task: nothing of the agent's own leaks in.
 *
 * Rising priority: what the agent gives every task (PATH), what Mesos promises (MESOS_*), what the task brings. paas-api
 * puts Marathon's variables (HOST, PORT0, MARATHON_APP_ID …) into the task's own part.
 */
import type { AgentId, FrameworkId, TaskId } from '@ekiden/model';

export interface TaskPlace {
  readonly taskId: TaskId;
  readonly frameworkId: FrameworkId;
  readonly agentId: AgentId | null;
  readonly sandbox: string;
}

export function taskEnv(place: TaskPlace, base: Readonly<Record<string, string>>, own: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  return {
    ...base,
    MESOS_TASK_ID: place.taskId,
    MESOS_EXECUTOR_ID: place.taskId,
    MESOS_FRAMEWORK_ID: place.frameworkId,
    ...(place.agentId ? { MESOS_AGENT_ID: place.agentId, MESOS_SLAVE_ID: place.agentId } : {}),
    MESOS_DIRECTORY: place.sandbox,
    MESOS_SANDBOX: place.sandbox,
    ...own,
  };
}
