/**
 * Measures the sandboxes of running tasks against the disk that they asked for, and acts when one is over it twice in a row.
 *
 * One measurement at a time, and each the rarer the longer it takes: a sandbox of a million files costs the machine no more than
 * a twentieth of one disk's time. Twice, since a task may just be exchanging a large file for another. Nothing is measured of a
 * task that asked for no disk.
 */
import { containerLayer } from '@ekiden/isolation';
import type { Clock, Instant, Log, TaskId, Timer } from '@ekiden/model';
import type { DiskMeter, DiskPolicy } from '../agent-ports.js';
import type { LiveTask } from './live-task.js';

export interface DiskGuardPorts {
  readonly clock: Clock;
  readonly log: Log;
  readonly meter: DiskMeter;
  readonly policy: DiskPolicy;
  /** Between two measurements of one sandbox, at least. */
  readonly intervalMs: number;
  tasks(): readonly LiveTask[];
  /** Told once for each time that it goes over its limit. */
  exceeded(task: LiveTask, message: string): void;
}

/** The pause after a measurement is at least so many times what it took. */
const REST_FACTOR = 20;
const ROUNDS_OVER = 2;
const KIB_PER_MIB = 1024;

interface Watched {
  dueAt: Instant;
  /** How often in a row it was over. */
  over: number;
}

export class DiskGuard {
  private readonly watched = new Map<TaskId, Watched>();
  private timer: Timer | null = null;

  constructor(private readonly ports: DiskGuardPorts) {}

  start(): void {
    if (this.ports.policy !== 'off') this.timer = this.ports.clock.after(this.ports.intervalMs, () => void this.round());
  }

  stop(): void {
    this.timer?.cancel();
    this.timer = null;
  }

  private async round(): Promise<void> {
    const { clock, intervalMs } = this.ports;
    const limited = this.ports.tasks().filter((task) => task.record.stage === 'running' && task.record.kill === null && task.plan.limits.diskMib !== undefined);
    const ids = new Set(limited.map(({ taskId }) => taskId));
    for (const taskId of this.watched.keys()) if (!ids.has(taskId)) this.watched.delete(taskId);
    for (const task of limited) {
      if (this.timer === null) return;
      const state = this.watched.get(task.taskId) ?? { dueAt: 0, over: 0 };
      this.watched.set(task.taskId, state);
      if (state.dueAt <= clock.now()) await this.measure(task, state);
    }
    if (this.timer !== null) this.timer = clock.after(intervalMs, () => void this.round());
  }

  private async measure(task: LiveTask, state: Watched): Promise<void> {
    const { clock, intervalMs, log, meter } = this.ports;
    const began = clock.now();
    try {
      let usedKib = await meter.usedKib(task.record.sandbox);
      // What a container writes elsewhere is its own as well.
      if (task.plan.container !== null) usedKib += await meter.usedKib(containerLayer(task.record.runDir));
      this.judge(task, state, Math.ceil(usedKib / KIB_PER_MIB));
    } catch (error) {
      log.warn('sandbox-not-measured', { taskId: task.taskId, why: String(error) });
    }
    state.dueAt = clock.now() + Math.max(intervalMs, REST_FACTOR * Math.max(0, clock.now() - began));
  }

  private judge(task: LiveTask, state: Watched, usedMib: number): void {
    const limitMib = task.plan.limits.diskMib ?? Number.POSITIVE_INFINITY;
    state.over = usedMib > limitMib ? state.over + 1 : 0;
    if (state.over !== ROUNDS_OVER || task.ended || task.record.kill !== null) return;
    const message = `Disk usage (${usedMib} MiB) exceeds the limit (${limitMib} MiB) of its sandbox: raise \`disk\`, or write less there`;
    this.ports.log.warn('disk-limit-exceeded', { taskId: task.taskId, usedMib, limitMib, policy: this.ports.policy });
    this.ports.exceeded(task, message);
  }
}
