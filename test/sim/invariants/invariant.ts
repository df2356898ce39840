/**
 * What an invariant is: a sentence that holds at every moment of every run, and a check that sees when it does not.
 *
 * A check is told of each event and looks at what that event changed; `scan` looks at everything, once a virtual minute and at the
 * end; `atRest` once the faults are over and all has become right. So the cost follows the change, not the size of the cluster.
 * A check may remember what it was told: it begins with the world.
 */
import type { SimEvent } from '../world/sim-event.js';
import type { Sight } from './sight.js';

/** Handlers by the kind of event. */
export type Handlers = { readonly [K in SimEvent['kind']]?: (event: Extract<SimEvent, { readonly kind: K }>) => void };

export interface Check {
  readonly on?: Handlers;
  readonly scan?: () => void;
  readonly atRest?: () => void;
}

/** Says what was broken: by whom, the values, and what was expected. */
export type Report = (text: string) => void;

export interface Invariant {
  /** The number of the promise of product.md, or the part whose rule it is, and a letter: `2b`, `master-c`. */
  readonly id: string;
  readonly name: string;
  readonly sentence: string;
  readonly begin: (sight: Sight, report: Report) => Check;
}
