/**
 * The one small interface of everything that may happen in a run: a thing that users do (`workloads/`), or bad luck (`faults/`).
 *
 * A new one is a file with such a value in it, and its line in `happenings.ts`.
 */
import type { Stage } from './stage.js';
import type { Traits } from './traits.js';
import type { Chance } from './world/chance.js';

export interface Happening {
  /** A short sentence: it is what the log, the counts and a schedule call it. */
  readonly name: string;
  /** Mean virtual time between two of it in a run where it comes often, in ms. */
  readonly meanMs: number;
  /** Absent: it may happen in any run. */
  readonly isFor?: (traits: Traits) => boolean;
  /** Does it to the world, now. `chance` is its own: nobody else draws from it. */
  happen(stage: Stage, chance: Chance): void;
}
