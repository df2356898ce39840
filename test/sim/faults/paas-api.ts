/** paas-api dies, at any moment or right at a commit or call, or loses its lock and runs on beside the next one until it notices. */
import type { Happening } from '../happening.js';
import { CALL_MOMENTS } from '../moments.js';
import { awayMs } from '../parts.js';

/** Calls of its ports that go by before it dies. */
const MAX_CALLS = 20;

export const apiDies: Happening = {
  name: 'paas-api dies',
  meanMs: 30_000,
  happen({ parts }, chance) {
    parts.killApi(awayMs(chance));
  },
};

export const apiDiesAtWork: Happening = {
  name: 'paas-api will die at its work',
  meanMs: 20_000,
  happen(stage, chance) {
    const ms = awayMs(chance);
    stage.moments.set('paas-api', chance.int(0, MAX_CALLS), chance.pick(CALL_MOMENTS), (port) => {
      stage.note(`paas-api dies at ${port}`);
      stage.parts.bringBackApi(ms);
    });
  },
};

export const apiLosesLock: Happening = {
  name: 'paas-api loses its lock',
  meanMs: 100_000,
  happen({ world, parts }) {
    if (!world.hasApi || parts.isAway('paas-api')) return;
    world.paasStore?.crash();
    world.bootApi();
  },
};
