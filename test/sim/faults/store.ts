/** The database is away for some seconds, slow for a while, loses a write or only its answer, or breaks a connection under any call. */
import type { Happening } from '../happening.js';

export const storeIsAway: Happening = {
  name: 'the store is away',
  meanMs: 60_000,
  happen({ world }, chance) {
    const stores = [world.paasStore, world.masterStore].filter(() => chance.hit(0.7));
    for (const store of stores) store?.setAvailable(false);
    world.isStoreAway = true;
    world.clock.after(chance.around(4_000), () => {
      for (const store of stores) store?.setAvailable(true);
      world.isStoreAway = false;
    });
  },
};

export const commitIsLost: Happening = {
  name: 'a commit is lost',
  meanMs: 20_000,
  happen({ world }, chance) {
    world.commitFaults.push(chance.pick(['before', 'after', 'conflict']));
  },
};

export const registryWriteIsLost: Happening = {
  name: 'a write of the master is lost',
  meanMs: 20_000,
  happen({ world }, chance) {
    world.masterStore?.failNextWrite(chance.pick(['before', 'after', 'after', 'conflict']));
  },
};

export const storeConnectionBreaks: Happening = {
  name: 'a connection to the store breaks',
  meanMs: 20_000,
  happen({ world }, chance) {
    chance.pick<() => unknown>([
      () => world.paasStore?.breakNext(chance.pick(['load', 'confirm', 'release'])),
      () => world.masterStore?.breakNext(chance.pick(['confirm', 'release'])),
      () => world.breaksNextStart.add(chance.pick(['master', 'paas-api'])),
      () => world.paasStore?.loseLock(),
      () => world.masterStore?.loseLock(),
    ])();
  },
};

export const storeIsSlow: Happening = {
  name: 'the store is slow',
  meanMs: 60_000,
  happen({ world }, chance) {
    const slowest = chance.pick([5, 50, 500]);
    const slow = (): number => (chance.hit(0.9) ? 1 : chance.int(1, slowest));
    world.commitDelayMs = slow;
    world.clock.after(chance.around(60_000), () => {
      if (world.commitDelayMs === slow) world.commitDelayMs = () => 1;
    });
  },
};
