/** The disk of an agent is full, cannot sync, or is slow for a while. What a power cut loses of it: `machines.ts`. */
import type { Happening } from '../happening.js';

const MEAN_LENGTH_MS = 5_000;

export const diskIsFull: Happening = {
  name: 'a disk is full',
  meanMs: 60_000,
  happen({ world }, chance) {
    const { disk } = chance.pick(world.hosts).machine;
    disk.fill(chance.pick([0, chance.int(0, 10_000), 1_000_000]));
    world.clock.after(chance.around(MEAN_LENGTH_MS), () => disk.mend());
  },
};

export const diskCannotSync: Happening = {
  name: 'a disk cannot sync',
  meanMs: 60_000,
  happen({ world }, chance) {
    const { disk } = chance.pick(world.hosts).machine;
    disk.syncError = 'I/O error';
    world.clock.after(chance.around(MEAN_LENGTH_MS), () => disk.mend());
  },
};

export const diskIsSlow: Happening = {
  name: 'a disk is slow',
  meanMs: 60_000,
  happen({ world }, chance) {
    const { disk } = chance.pick(world.hosts).machine;
    const slowest = chance.pick([20, 500, 3_000]);
    disk.syncMs = () => chance.int(1, slowest);
    world.clock.after(chance.around(MEAN_LENGTH_MS * 4), () => disk.mend());
  },
};
