/** A deployment that stands still: what makes it stuck is the time in which it could have moved, and nothing but progress ends that. */
import type { DeploymentRow } from '../../../apps/paas-api/src/store/paas-store.js';
import { breaches } from '../invariants.js';
import { World } from '../world/world.js';
import { CHECKED, copies, crash, expectRight, WEB } from './expect-right.js';

const DEADLINE_SECONDS = 30;
const deployment = (world: World): DeploymentRow => world.api.view.deployments()[0]!;
const becomesStuck = (world: World) => world.clock.until('it is stuck', () => deployment(world).stuckSince !== null, 60_000);

/** Two instances that never get healthy, since when. */
async function standsStill(seed: number): Promise<World> {
  const world = await World.start(seed);
  await world.put(WEB, { ...CHECKED, cmd: 'run unhealthy', instances: 2, progressDeadlineSeconds: DEADLINE_SECONDS });
  await world.clock.until('both run', () => world.running(WEB) === 2);
  return world;
}

// Seed 1 of a day (8c): each new leader, and each reload, took the first look for progress, so that a deployment could stand still for ever.
describe('a stuck deployment stays stuck', () => {
  it.each<[string, (world: World) => Promise<unknown>]>([
    ['paas-api is started again', async (world) => (world.killApi(), world.startApi())],
    [
      'a commit is of unknown outcome, and everything is loaded again',
      async (world) => {
        world.commitFaults.push('after');
        crash(world, world.processes()[0]!);
        await world.clock.until('it is loaded again', () => world.log.last(1, ({ event }) => event === 'loaded again').length > 0);
      },
    ],
  ])('when %s', async (_what, happen) => {
    const world = await standsStill(901);
    await becomesStuck(world);
    const since = deployment(world).stuckSince;
    await happen(world);
    await world.clock.run(5_000);
    expect(deployment(world).stuckSince).toBe(since);
    await world.put(WEB, { cmd: 'run' }, true);
    await expectRight(world, copies(2, 'run'));
  });
});

describe('the deadline counts', () => {
  it('no time in which the store was away, and all before and after it', async () => {
    const world = await standsStill(902);
    await world.clock.run(20_000);
    world.paasStore!.setAvailable(false);
    crash(world, world.processes()[0]!);
    await world.clock.run(60_000);
    world.paasStore!.setAvailable(true);
    await world.clock.run(4_000);
    expect(deployment(world).stuckSince).toBeNull();
    await world.clock.until('it is stuck', () => deployment(world).stuckSince !== null, 10_000);
    expect(breaches(world)).toEqual([]);
  });

  it('anew for a new leader: nobody knows how long there was none', async () => {
    const world = await standsStill(903);
    await world.clock.run(25_000);
    world.killApi();
    await world.clock.run(60_000);
    await world.startApi();
    await world.clock.run(20_000);
    expect(deployment(world).stuckSince).toBeNull();
    await becomesStuck(world);
    expect(breaches(world)).toEqual([]);
  });
});
