/**
 * Builds statuses as data: the one place where a task's condition becomes a Mesos TaskStatus.
 *
 * Every status has a uuid (reliable), the agent's address, and an `EkidenStatusData`. State and reason pairs follow Mesos:
 * the offer API's reference, 2.11. States that only partition-aware frameworks know are replaced by TASK_LOST for others.
 */
import type { LaunchLimits, TaskExit } from '@ekiden/isolation';
import { encodeData, type FrameworkInfo, type StopReport, type StatusSource, type TaskStatus } from '@ekiden/mesos';
import type { AgentId, CheckResult, Instant, TaskId, TaskState } from '@ekiden/model';
import type { LiveTask } from '../tasks/live-task.js';
import { resizeReport } from '../tasks/resize-task.js';
import { describeStop } from './stop-report.js';

export interface StatusContext {
  readonly now: Instant;
  readonly uuid: string;
  readonly agentId: AgentId | null;
  readonly ip: string;
}

/** What happened, before it is dressed as a status. */
export interface StatusFact {
  readonly state: TaskState;
  readonly source: StatusSource;
  readonly reason: string | null;
  readonly message: string | null;
  readonly exit: TaskExit | null;
}

export function makeStatus(task: LiveTask, fact: StatusFact, context: StatusContext): TaskStatus {
  const resize = resizeReport(task.record);
  const healthy = task.ended && !task.plan.killsUnhealthy ? null : aggregateHealth(task.checks);
  return {
    task_id: { value: task.taskId },
    state: stateFor(fact.state, task.record.framework),
    source: fact.source,
    ...(fact.message === null ? {} : { message: fact.message }),
    ...(fact.reason === null ? {} : { reason: `REASON_${fact.reason}` }),
    ...(fact.reason === 'CONTAINER_LIMITATION_DISK'
      ? { limitation: { resources: [{ name: 'disk', type: 'SCALAR' as const, scalar: { value: task.plan.limits.diskMib ?? 0 } }] } }
      : {}),
    ...(fact.reason === 'CONTAINER_LIMITATION_MEMORY'
      ? { limitation: { resources: [{ name: 'mem', type: 'SCALAR' as const, scalar: { value: memLimitMib(task.plan.limits) } }] } }
      : {}),
    ...(context.agentId ? { agent_id: { value: context.agentId } } : {}),
    ...(healthy === null ? {} : { healthy }),
    executor_id: { value: task.taskId },
    timestamp: context.now / 1000,
    uuid: wireUuid(context.uuid),
    container_status: {
      container_id: { value: task.taskId },
      network_infos: [{ ip_addresses: (task.network?.addresses ?? [context.ip]).map(addressToWire) }],
      ...(task.pid === null ? {} : { executor_pid: task.pid }),
    },
    data: encodeData({
      ekiden: 1,
      checks: task.checks,
      readiness: task.readiness,
      ...(task.record.stop === undefined ? {} : { stop: task.record.stop }),
      ...(resize === undefined ? {} : { resize }),
      ...(task.record.registryDigest === undefined ? {} : { imageDigest: task.record.registryDigest }),
      exit: fact.exit && { code: fact.exit.code, signal: fact.exit.signal, oomKilled: fact.exit.oomKilled },
    }),
  };
}

const addressToWire = (address: string) => ({ protocol: address.includes(':') ? 'IPv6' : 'IPv4', ip_address: address });

/** Of a task that the kernel has ended for it; without a limit it was the machine that had none left. */
const memLimitMib = ({ memMib, memLimitMib: limit = memMib }: LaunchLimits): number => (limit === 'unlimited' ? memMib : limit);

/** The end of a process as a fact. A kill that was asked for makes it TASK_KILLED whatever the exit status. */
export function endFact(exit: TaskExit, stop: StopReport | null, killMessage: string | null): StatusFact {
  const how = describeExit(exit) + oomOfOthers(exit);
  if (stop !== null) return { state: 'TASK_KILLED', source: 'SOURCE_EXECUTOR', reason: null, message: `${killMessage ?? how}; ${describeStop(stop)}`, exit };
  if (exit.oomKilled)
    return { state: 'TASK_FAILED', source: 'SOURCE_AGENT', reason: 'CONTAINER_LIMITATION_MEMORY', message: `Memory limit exceeded: ${how}${peak(exit)}`, exit };
  if (exit.lost !== null) return { state: 'TASK_FAILED', source: 'SOURCE_AGENT', reason: 'EXECUTOR_TERMINATED', message: exit.lost, exit };
  return { state: exit.code === 0 ? 'TASK_FINISHED' : 'TASK_FAILED', source: 'SOURCE_EXECUTOR', reason: null, message: how, exit };
}

const MIB = 1024 * 1024;

const peak = ({ memPeakBytes }: TaskExit): string => (memPeakBytes === undefined ? '' : `; it held up to ${Math.ceil(memPeakBytes / MIB)} MiB`);

/** A child that the kernel killed, while the task itself ended in another way: its exit status alone would be a riddle. */
function oomOfOthers(exit: TaskExit): string {
  const kills = exit.oomKilled ? 0 : (exit.oomKills ?? 0);
  return kills === 0 ? '' : `; before, the kernel killed ${kills} of its processes, which exceeded the memory limit of all together`;
}

/** The agent has stopped it, because its sandbox was too large: its own fault, so no TASK_KILLED. */
export const overDiskFact = (message: string, exit: TaskExit, stop: StopReport | null): StatusFact => ({
  state: 'TASK_FAILED',
  source: 'SOURCE_AGENT',
  reason: 'CONTAINER_LIMITATION_DISK',
  message: stop === null ? message : `${message}; ${describeStop(stop)}`,
  exit,
});

/** By convention of shells and of what launches argv; a program that chooses these itself is rare. */
const NOT_RUN: readonly number[] = [126, 127];

export function describeExit(exit: TaskExit): string {
  if (exit.signal !== null) return `Command terminated with signal ${exit.signal}`;
  if (exit.code !== null && NOT_RUN.includes(exit.code))
    return `Command exited with status ${exit.code}: the command, or one that it runs, was not found or cannot be executed; stderr says which`;
  if (exit.code !== null) return `Command exited with status ${exit.code}`;
  return exit.lost ?? 'Command ended, nobody knows how';
}

/** Null while any check has no result: unknown is not unhealthy. */
export function aggregateHealth(checks: readonly (CheckResult | null)[]): boolean | null {
  if (checks.length === 0) return null;
  if (checks.some((check) => check !== null && !check.alive)) return false;
  return checks.every((check) => check !== null) ? true : null;
}

/** The answer about a task that this agent does not have. Without a uuid: sent once, must not be acknowledged. */
export function unknownTaskStatus(taskId: TaskId, context: Pick<StatusContext, 'now' | 'agentId'>): TaskStatus {
  return {
    task_id: { value: taskId },
    state: 'TASK_DROPPED',
    source: 'SOURCE_AGENT',
    reason: 'REASON_RECONCILIATION',
    message: 'the agent does not have this task: it never arrived, or its end was acknowledged',
    ...(context.agentId ? { agent_id: { value: context.agentId } } : {}),
    timestamp: context.now / 1000,
  };
}

const PARTITION_STATES: readonly TaskState[] = ['TASK_DROPPED', 'TASK_GONE', 'TASK_GONE_BY_OPERATOR', 'TASK_UNREACHABLE', 'TASK_UNKNOWN'];

export function stateFor(state: TaskState, framework: FrameworkInfo | null): TaskState {
  return PARTITION_STATES.includes(state) && framework && !hasCapability(framework, 'PARTITION_AWARE') ? 'TASK_LOST' : state;
}

export const hasCapability = (framework: FrameworkInfo, type: string): boolean => (framework.capabilities ?? []).some((one) => one.type === type);

/** A UUID's 16 bytes in base64. */
const wireUuid = (uuid: string): string => Buffer.from(uuid.replaceAll('-', ''), 'hex').toString('base64');
