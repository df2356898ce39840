/** The master dies, at any moment or at its work, or loses its lead without knowing it. */
import type { Happening } from '../happening.js';
import { CALL_MOMENTS } from '../moments.js';
import { awayMs } from '../parts.js';

/** Calls of its ports that go by before it dies. */
const MAX_CALLS = 20;

export const masterDies: Happening = {
  name: 'the master dies',
  meanMs: 30_000,
  happen({ parts }, chance) {
    parts.killMaster(awayMs(chance));
  },
};

export const masterDiesAtWork: Happening = {
  name: 'the master will die at its work',
  meanMs: 30_000,
  happen(stage, chance) {
    const ms = awayMs(chance);
    stage.moments.set('master', chance.int(0, MAX_CALLS), chance.pick(CALL_MOMENTS), (port) => {
      stage.note(`the master dies at ${port}`);
      stage.parts.bringBackMaster(ms);
    });
  },
};

export const masterLosesLock: Happening = {
  name: 'the master loses its lock',
  meanMs: 100_000,
  happen({ world, parts }, chance) {
    if (!world.hasMaster || parts.isAway('master')) return;
    world.reachesStaleMaster = () => chance.hit(0.5);
    world.masterStore?.crash();
    world.launchMaster();
  },
};
