/**
 * Where a check of a task asks: at a port of its agent's machine, or at one of the task's own network.
 *
 * As Marathon decides it: its own kinds go where clients go, which is the machine for a bridge and the task's own address for the networks
 * of an operator. Mesos' kinds are asked in the network of the task.
 */
import type { AtTask } from '@ekiden/mesos';
import { taskPorts, type AppSpec, type HealthCheck, type TaskRef } from '@ekiden/model';

export interface CheckTarget extends AtTask {
  readonly port: number;
}

type Asking = Pick<HealthCheck, 'protocol' | 'port' | 'portIndex'>;
type Ports = Pick<TaskRef, 'ports' | 'taskId'>;

/** Null: a command, or a port that the app does not have. */
export function checkTarget({ protocol, port, portIndex }: Asking, spec: AppSpec, task: Ports): CheckTarget | null {
  if (protocol === 'COMMAND') return null;
  const { ownNetwork } = spec;
  const isAtTask = ownNetwork !== undefined && (protocol.startsWith('MESOS_') || ownNetwork.networks.some(({ name }) => name !== null));
  const atTask = isAtTask ? { atTask: true as const } : {};
  if (port !== null) return { port, ...atTask };
  const known = portIndex === null ? undefined : taskPorts(spec, task.ports, task.taskId)[portIndex];
  const found = isAtTask ? known?.containerPort : known?.hostPort;
  return found == null ? null : { port: found, ...atTask };
}

/** Mesos' executors ask in the network of the task, whatever the kind. */
export function mesosTarget(check: Asking, spec: AppSpec, task: Ports): CheckTarget | null {
  return spec.ownNetwork === undefined || check.protocol === 'COMMAND'
    ? checkTarget(check, spec, task)
    : checkTarget({ ...check, protocol: 'MESOS_TCP' }, spec, task);
}
