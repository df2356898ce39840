/** What a kind of fault is: a name, how often it happens, and one doing of it from beginning to end, its healing included. */
import type { Chance } from '../../sim/world/chance.js';
import type { Cluster } from '../cluster.js';
import type { TaskLife, TaskWatch } from '../task-watch.js';

export interface Scene {
  readonly cluster: Cluster;
  readonly watch: TaskWatch;
  /** Resolves after so long, or at once when the faults are over. */
  readonly pause: (ms: number) => Promise<void>;
  /** Tasks that may be killed now without taking an app more instances than its users have to spare. */
  readonly sparable: () => TaskLife[];
}

export interface Fault {
  readonly name: string;
  /** Relative to the others. */
  readonly weight: number;
  /** Null: it can happen here. Otherwise why not. */
  readonly whyNot: (cluster: Cluster) => string | null;
  /** Resolves when it is healed, with what it was for the story; null when there was nothing to hit. */
  readonly run: (scene: Scene, chance: Chance) => Promise<string | null>;
}

export const always = (): null => null;

/** Many short ones, some long. */
export const duration = (chance: Chance, meanMs: number, maxMs: number): number => Math.min(maxMs, Math.max(200, chance.around(meanMs)));

export const seconds = (ms: number): string => `${(ms / 1000).toFixed(1)} s`;
