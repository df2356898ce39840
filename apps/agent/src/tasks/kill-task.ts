/**
 * Stops a task: the kill is recorded, then SIGTERM, then after the grace SIGKILL to all that is left.
 *
 * The record comes first, so that a restarted agent goes on with the kill, and so that the end is TASK_KILLED whatever the
 * exit status. A second KILL may only shorten what remains (Mesos: the offer API's reference, 3.8).
 */
import type { TaskId, Timer } from '@ekiden/model';
import type { AgentPorts, TaskRecord } from '../agent-ports.js';
import type { LiveTask } from './live-task.js';

export interface KillEvents {
  /** Once for each kill that is begun or shortened, after it is in the record and before any signal. */
  stopping(task: LiveTask): void;
  /** The kill of a task that has not been forked: its launch looks at the record, and should not be waited for. */
  cancelled(task: LiveTask): void;
}

export class Killer {
  private readonly timers = new Map<TaskId, Timer>();

  constructor(
    private readonly ports: Pick<AgentPorts, 'clock' | 'runtime' | 'log'>,
    private readonly events: KillEvents,
  ) {}

  /** Tasks whose grace runs. */
  get size(): number {
    return this.timers.size;
  }

  /** Answers at once. A task that has not been forked yet is stopped by its launch, which looks at the record. */
  kill(task: LiveTask, graceMs: number, overDisk?: string): void {
    if (task.isOver) return;
    const before = task.record.kill;
    const kill = shortened(before, this.ports.clock.now(), graceMs);
    if (kill === before) return;
    task.update({ kill: overDisk === undefined ? kill : { ...kill, overDisk } });
    this.ports.log.info('task-kill-recorded', { taskId: task.taskId, graceMs: kill.graceMs });
    if (task.record.stage === 'running') void this.carryOut(task);
    else this.events.cancelled(task);
  }

  /** Signals a running task whose kill is recorded; also after a restart of the agent. Harmless when repeated. */
  async carryOut(task: LiveTask): Promise<void> {
    this.events.stopping(task);
    try {
      await task.saveNow();
    } catch (error) {
      // A full disk must not keep a task alive: only a restart of the agent within the grace would forget this kill.
      this.ports.log.warn('checkpoint-failed', { taskId: task.taskId, why: String(error) });
    }
    const kill = task.record.kill;
    if (task.isOver || !kill) return;
    this.ports.runtime.terminate(task.taskId);
    this.timers.get(task.taskId)?.cancel();
    // At most the whole grace: the clock may have been set back since.
    const leftMs = Math.min(kill.graceMs, Math.max(0, kill.at + kill.graceMs - this.ports.clock.now()));
    this.timers.set(
      task.taskId,
      this.ports.clock.after(leftMs, () => this.force(task)),
    );
  }

  private force(task: LiveTask): void {
    const { kill } = task.record;
    if (kill) task.update({ kill: { ...kill, killedAt: this.ports.clock.now() } });
    this.ports.runtime.kill(task.taskId);
  }

  /** The task has ended, or the agent stops. */
  drop(taskId: TaskId): void {
    this.timers.get(taskId)?.cancel();
    this.timers.delete(taskId);
  }
}

function shortened(before: TaskRecord['kill'], now: number, graceMs: number): NonNullable<TaskRecord['kill']> {
  if (!before) return { at: now, graceMs };
  return now + graceMs < before.at + before.graceMs ? { ...before, graceMs: now + graceMs - before.at } : before;
}
