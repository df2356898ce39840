/**
 * Somebody starts a second paas-api or a second master by mistake: it waits for the lead beside the first, and takes over if it can.
 * The mistake is seen at some time (when the faults stop, at the latest), and the process ended, also when it leads by then.
 */
import type { Happening } from '../happening.js';

const MEAN_LIFE_MS = 40_000;

export const secondApi: Happening = {
  name: 'a second paas-api is started',
  meanMs: 80_000,
  happen(stage, chance) {
    const process = stage.world.bootApi();
    stage.undoAfter(chance.around(MEAN_LIFE_MS), () => stage.world.kill(process));
  },
};

export const secondMaster: Happening = {
  name: 'a second master is started',
  meanMs: 80_000,
  happen(stage, chance) {
    const process = stage.world.launchMaster();
    stage.undoAfter(chance.around(MEAN_LIFE_MS), () => stage.world.kill(process));
  },
};
