/** The registry of images gives no answer for a while: what a machine has runs on, the rest waits. */
import type { Happening } from '../happening.js';

const MEAN_LENGTH_MS = 5_000;

export const registryIsAway: Happening = {
  name: 'the registry is away',
  meanMs: 60_000,
  isFor: ({ imageShare }) => imageShare > 0,
  happen(stage, chance) {
    const { registry } = stage.world;
    registry.isAway = true;
    stage.undoAfter(chance.around(MEAN_LENGTH_MS), () => (registry.isAway = false));
  },
};
