/** Takes away what is left of a task whose end is acknowledged, all but its sandbox: again and again until it is gone, since a disk may be full or away. */
import type { Timer } from '@ekiden/model';
import type { AgentPorts } from '../agent-ports.js';
import type { TaskHook } from './hooks/task-hook.js';
import type { LiveTask } from './live-task.js';

export const CLEAN_UP_AGAIN_MS = 5_000;

export class CleanUp {
  /** What could not be taken away; all of it is tried again at once. */
  private readonly left = new Set<LiveTask>();
  private timer: Timer | null = null;
  private isStopped = false;

  constructor(
    private readonly ports: Pick<AgentPorts, 'clock' | 'log' | 'runtime'>,
    private readonly hooks: readonly TaskHook[],
  ) {}

  /** The checkpoint goes first: without it nothing is recovered. Rejects never. */
  async of(task: LiveTask): Promise<void> {
    const { runDir } = task.record;
    try {
      await task.remove();
      if (runDir !== '') await this.ports.runtime.forget(task.taskId, runDir);
      for (const hook of this.hooks) await hook.forget?.(task);
    } catch (error) {
      this.ports.log.warn('task-clean-up-failed', { taskId: task.taskId, why: String(error), againInMs: CLEAN_UP_AGAIN_MS });
      if (this.isStopped) return;
      this.left.add(task);
      this.timer ??= this.ports.clock.after(CLEAN_UP_AGAIN_MS, () => this.again());
    }
  }

  /** What is left is the next agent's. */
  stop(): void {
    this.isStopped = true;
    this.timer?.cancel();
    this.timer = null;
    this.left.clear();
  }

  private again(): void {
    this.timer = null;
    const tasks = [...this.left];
    this.left.clear();
    for (const task of tasks) void this.of(task);
  }
}
