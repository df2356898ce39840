/** Somebody who steps in right after something of an app was committed, when nothing of it has had its effect yet. */
import type { Happening } from '../happening.js';
import type { Act } from './clients.js';

/** Commits that go by before. */
const MAX_COMMITS = 20;
const MAX_DELAY_MS = 5;

export const hastyUser = (acts: readonly Act[]): Happening => ({
  name: 'a hasty user waits for a commit',
  meanMs: 15_000,
  happen({ clients, world }, chance) {
    const act = chance.pick(acts);
    clients.atCommit(chance.int(0, MAX_COMMITS), (id) => {
      world.clock.after(chance.int(0, MAX_DELAY_MS), () => clients.act(id, chance, act));
    });
  },
});
