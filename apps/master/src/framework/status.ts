/** Statuses that the master makes by itself, and what every status looks like to a framework of few capabilities. */
import { decodeStatusData, type TaskStatus } from '@ekiden/mesos';
import type { TaskState } from '@ekiden/model';
import { count, hasCapability, type Core, type Framework } from '../cluster/core.js';

/** States that only PARTITION_AWARE frameworks know; the others see TASK_LOST. */
const PARTITION_STATES: ReadonlySet<TaskState> = new Set<TaskState>(['TASK_UNREACHABLE', 'TASK_GONE', 'TASK_GONE_BY_OPERATOR', 'TASK_DROPPED', 'TASK_UNKNOWN']);

export interface MadeStatus {
  readonly taskId: string;
  readonly agentId: string | null;
  readonly state: TaskState;
  readonly reason: string;
  readonly message: string;
  readonly more?: Partial<TaskStatus>;
}

/** Sends a status of the master's own: without uuid, once, not to be acknowledged. */
export function tell(core: Core, framework: Framework, made: MadeStatus): void {
  sendStatus(core, framework, {
    ...made.more,
    task_id: { value: made.taskId },
    state: made.state,
    message: made.message,
    source: 'SOURCE_MASTER',
    reason: made.reason,
    ...(made.agentId === null ? {} : { agent_id: { value: made.agentId } }),
    timestamp: core.ports.clock.now() / 1000,
  });
}

/** Dropped when the framework is not connected: agents retry theirs, and reconciliation answers for ours. */
export function sendStatus(core: Core, framework: Framework, status: TaskStatus): void {
  if (framework.session === null) return;
  count(core, `updates_${status.state.toLowerCase()}`);
  const { data, ...rest } = status;
  const isHidden = data === undefined || (!core.ports.config.extensions && decodeStatusData(data) !== null);
  const seen: TaskStatus = isHidden ? rest : status;
  const state = PARTITION_STATES.has(status.state) && !hasCapability(framework, 'PARTITION_AWARE') ? 'TASK_LOST' : status.state;
  framework.session.send({ type: 'UPDATE', update: { status: { ...seen, state } } });
}

/** `unreachable_time`, as every answer about a partitioned task carries it. */
export const unreachableSince = (since: number | null): Partial<TaskStatus> => (since === null ? {} : { unreachable_time: { nanoseconds: since * 1e6 } });
