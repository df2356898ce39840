/**
 * One task in the agent's memory: the single owner of its mutable record, and of writing that record to disk.
 *
 * Two ways to write. `saveNow` is durable when it resolves: before the fork, and before a kill is begun. `saveSoon` lets
 * several changes share one write: all that it delays can be derived again from the run directory (a status made twice has
 * a new uuid, which frameworks must bear anyway). So a task costs one durable write before its fork and at most one after.
 */
import type { ContainerSpec, TaskNetwork } from '@ekiden/isolation';
import { decodeStatusData } from '@ekiden/mesos';
import { taskId, type CheckResult, type Clock, type Log, type ReadinessResult, type TaskId, type TaskSize, type Timer } from '@ekiden/model';
import type { CheckpointStore, TaskRecord } from '../agent-ports.js';
import type { TaskPlan } from './read-task.js';

/** How long a change that need not be durable may wait for company. */
export const LAZY_CHECKPOINT_MS = 500;

export interface LiveTaskPorts {
  readonly clock: Clock;
  readonly checkpoints: CheckpointStore;
  readonly log: Log;
}

export class LiveTask {
  readonly taskId: TaskId;
  record: TaskRecord;
  /** Last results, one entry a check; what every status carries. */
  checks: readonly (CheckResult | null)[];
  readiness: ReadinessResult | null;
  pid: number | null = null;
  /** Its launch has begun: what ends it before the fork is the launch itself. */
  isLaunching = false;
  /** Its framework was torn down: nobody will acknowledge its end. */
  abandoned = false;
  /** Why the agent itself ended it (plain health check); becomes the message of the last status. */
  killMessage: string | null = null;

  /** Set once its image is here: what is run in it, and how. */
  inContainer: { readonly argv: readonly string[]; readonly spec: ContainerSpec } | null = null;

  /** Of its own, once it is made; null: the machine's. */
  network: TaskNetwork | null = null;
  /** Its last process is gone, and what the machine has lent it is being given back; null: not so, or no more. Never rejects. */
  releasing: Promise<void> | null = null;

  private inFlight: Promise<void> = Promise.resolve();
  private queued: Promise<void> | null = null;
  private lazy: Timer | null = null;
  private removed = false;

  constructor(
    record: TaskRecord,
    public plan: TaskPlan,
    private readonly ports: LiveTaskPorts,
  ) {
    this.taskId = taskId(record.task.task_id.value);
    this.record = record;
    const remembered = decodeStatusData(record.latest?.data);
    this.checks = plan.healthChecks.map((_, index) => remembered?.checks[index] ?? null);
    this.readiness = plan.readinessCheck ? (remembered?.readiness ?? null) : null;
  }

  get ended(): boolean {
    return this.record.stage === 'ended';
  }

  /** Nothing of it runs any more; its end may still have to be told. */
  get isOver(): boolean {
    return this.ended || this.releasing !== null;
  }

  update(change: Partial<TaskRecord>): void {
    this.record = { ...this.record, ...change };
  }

  /** Its limits are others from now on. */
  resized(size: TaskSize): void {
    this.plan = { ...this.plan, limits: { ...this.plan.limits, ...size } };
  }

  /** Durable when it resolves; rejects with the store's reason. Calls made while a write runs share the next one. */
  saveNow(): Promise<void> {
    this.lazy?.cancel();
    this.lazy = null;
    this.queued ??= this.inFlight.then(() => {
      this.queued = null;
      if (this.removed) return undefined;
      const write = this.ports.checkpoints.saveTask(this.record);
      this.inFlight = write.catch(() => undefined); // the caller is told; the next write just follows
      return write;
    });
    return this.queued;
  }

  saveSoon(): void {
    if (this.lazy || this.removed) return;
    this.lazy = this.ports.clock.after(LAZY_CHECKPOINT_MS, () => void this.flush());
  }

  /** Writes what `saveSoon` put off. A failure is logged: the next change tries again. */
  async flush(): Promise<void> {
    if (!this.lazy) return;
    try {
      await this.saveNow();
    } catch (error) {
      this.ports.log.warn('checkpoint-failed', { taskId: this.taskId, why: String(error) });
    }
  }

  /** The end is acknowledged: the record goes. Later saves do nothing. */
  async remove(): Promise<void> {
    this.removed = true;
    this.lazy?.cancel();
    this.lazy = null;
    await this.inFlight;
    await this.ports.checkpoints.removeTask(this.taskId);
  }
}
