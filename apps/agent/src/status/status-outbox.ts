/**
 * Sends each task's statuses to the master until they are acknowledged: in order, at least once.
 *
 * One queue a task, kept in its record; only the head is in flight. A head is sent again when a new link is up, and on a
 * live link after 10 s, doubling to 10 min. While no link is up nothing is timed: registration sends every head at once.
 * Mesos does the same: the offer API's reference, 3.2.
 */
import type { AgentMessage } from '@ekiden/agent-link';
import type { TaskStatus } from '@ekiden/mesos';
import { isTerminal, type Clock, type FrameworkId, type Log, type TaskId, type Timer } from '@ekiden/model';
import type { LiveTask } from '../tasks/live-task.js';

export const RESEND_MIN_MS = 10_000;
export const RESEND_MAX_MS = 600_000;

interface InFlight {
  /** The head that was sent at least once: it may be on its way, and is never replaced. */
  readonly uuid: string | undefined;
  attempts: number;
  timer: Timer | null;
}

/** Reasons of statuses of which only the newest matters: each carries the full state of all checks. */
const REPLACEABLE: readonly (string | undefined)[] = ['REASON_TASK_HEALTH_CHECK_STATUS_UPDATED', 'REASON_TASK_CHECK_STATUS_UPDATED'];

/** What was to be said is worth nothing any more: an older state of the checks, or how far a preparation was. */
const supersedes = (status: TaskStatus, last: TaskStatus): boolean =>
  last.state === 'TASK_STARTING' || (REPLACEABLE.includes(last.reason) && REPLACEABLE.includes(status.reason));

export class StatusOutbox {
  private readonly inFlight = new Map<TaskId, InFlight>();
  private send: ((message: AgentMessage) => void) | null = null;

  constructor(
    private readonly ports: { readonly clock: Clock; readonly log: Log },
    /** The terminal status of the task is acknowledged: its framework knows. */
    private readonly finished: (task: LiveTask) => void,
  ) {}

  /** Tasks with a status that is under way. */
  get size(): number {
    return this.inFlight.size;
  }

  /** Records the status as the task's latest and queues it. The caller decides how durable that has to be. */
  push(task: LiveTask, status: TaskStatus): void {
    const queue = task.record.unacknowledged;
    const last = queue[queue.length - 1];
    const replaces = last !== undefined && supersedes(status, last) && !this.wasSent(task, last);
    task.update({ latest: status, unacknowledged: replaces ? [...queue.slice(0, -1), status] : [...queue, status] });
    if (!this.inFlight.has(task.taskId)) this.sendHead(task);
  }

  /** Duplicates and stale uuids change nothing. */
  acknowledge(task: LiveTask, uuid: string): void {
    const [head, ...rest] = task.record.unacknowledged;
    if (!head || head.uuid !== uuid) {
      this.ports.log.debug('acknowledgement-ignored', { taskId: task.taskId, uuid });
      return;
    }
    this.drop(task.taskId);
    task.update({ unacknowledged: rest });
    if (isTerminal(head.state)) {
      this.finished(task);
      return;
    }
    task.saveSoon();
    this.sendHead(task);
  }

  /** A link is registered: every head leaves at once. */
  linkUp(send: (message: AgentMessage) => void, tasks: Iterable<LiveTask>): void {
    this.send = send;
    for (const task of tasks) {
      const flight = this.inFlight.get(task.taskId);
      if (flight) flight.attempts = 0;
      this.sendHead(task);
    }
  }

  /** For statuses that nobody will acknowledge (no uuid): sent once if a link is up; reconciliation covers the rest. */
  sendOnce(frameworkId: FrameworkId, status: TaskStatus): void {
    this.send?.({ type: 'status', frameworkId, status, latestState: status.state });
  }

  linkDown(): void {
    this.send = null;
    for (const flight of this.inFlight.values()) flight.timer?.cancel();
  }

  /** Forgets timers of a task that is gone. */
  drop(taskId: TaskId): void {
    this.inFlight.get(taskId)?.timer?.cancel();
    this.inFlight.delete(taskId);
  }

  private sendHead(task: LiveTask): void {
    const head = task.record.unacknowledged[0];
    const latest = task.record.latest;
    if (!head || !latest || !this.send) return;
    const before = this.inFlight.get(task.taskId);
    before?.timer?.cancel();
    const flight: InFlight = before && before.uuid === head.uuid ? before : { uuid: head.uuid, attempts: 0, timer: null };
    this.inFlight.set(task.taskId, flight);
    this.send({ type: 'status', frameworkId: task.record.frameworkId, status: head, latestState: latest.state });
    const delayMs = Math.min(RESEND_MAX_MS, RESEND_MIN_MS * 2 ** flight.attempts);
    flight.attempts += 1;
    flight.timer = this.ports.clock.after(delayMs, () => this.sendHead(task));
  }

  private wasSent(task: LiveTask, status: TaskStatus): boolean {
    return this.inFlight.get(task.taskId)?.uuid === status.uuid;
  }
}
