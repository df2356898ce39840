/**
 * Somebody starts a second paas-api or a second master by mistake: it waits for the lead beside the first, and takes over if it can.
 * The mistake is seen at some time, and the process ended, also when it leads by then.
 */
import type { Happening } from '../happening.js';

const MEAN_LIFE_MS = 40_000;

export const secondApi: Happening = {
  name: 'a second paas-api is started',
  meanMs: 80_000,
  happen({ world }, chance) {
    const process = world.bootApi();
    world.clock.after(chance.around(MEAN_LIFE_MS), () => world.kill(process));
  },
};

export const secondMaster: Happening = {
  name: 'a second master is started',
  meanMs: 80_000,
  happen({ world }, chance) {
    const process = world.launchMaster();
    world.clock.after(chance.around(MEAN_LIFE_MS), () => world.kill(process));
  },
};
