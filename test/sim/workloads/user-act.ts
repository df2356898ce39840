/** Makes a happening of something that a user does to one app: the app is drawn, and created where it is not there. */
import type { Happening } from '../happening.js';
import type { Act } from './clients.js';

/** How often somebody does something, in a run with busy users. */
const BUSY_MS = 1_000;
/** The sum of all weights, about. */
const ALL_WEIGHTS = 30;

/** `weight`: how often this is done, beside the other things that users do. */
export const userAct = (name: string, weight: number, act: Act): Happening & { readonly act: Act } => ({
  name,
  act,
  meanMs: (BUSY_MS * ALL_WEIGHTS) / weight,
  happen({ clients }, chance) {
    clients.act(chance.pick(clients.traits.apps), chance, act);
  },
});
