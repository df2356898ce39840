/** How many processes of an app run over time, lowest and highest, and what was broken meanwhile. */
import { parseTaskId, type AppId } from '@ekiden/model';
import type { World } from '../world/world.js';

export class Tide {
  lowest = Number.POSITIVE_INFINITY;
  highest = 0;
  /** Of promise 4. */
  get breaches(): readonly string[] {
    return this.world.judge.breaches;
  }

  constructor(
    private readonly world: World,
    private readonly id: AppId,
  ) {
    world.witnesses.add((event) => {
      if (event.kind === 'process-started' || event.kind === 'process-ended') this.look();
    });
    this.look();
  }

  /** From now on. */
  reset(): void {
    this.lowest = Number.POSITIVE_INFINITY;
    this.highest = 0;
    this.look();
  }

  private look(): void {
    const count = this.world.processes().filter(({ taskId }) => parseTaskId(taskId)?.appId === this.id).length;
    this.lowest = Math.min(this.lowest, count);
    this.highest = Math.max(this.highest, count);
  }
}
