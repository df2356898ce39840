/** A cluster in which nothing happens costs next to nothing: no part asks again and again for what it knows. */
import { World } from '../world/world.js';

const MINUTE_MS = 60_000;

async function quietWorld(): Promise<{ readonly world: World; readonly calls: string[] }> {
  const world = await World.start(1, 3);
  await world.put('/shop/web', { cmd: 'run', instances: 6 });
  await world.converged();
  await world.clock.run(MINUTE_MS);
  const calls: string[] = [];
  world.network.faults.call = (call) => {
    calls.push(call.type);
    return 'deliver';
  };
  return { world, calls };
}

describe('a quiet cluster', () => {
  it('is reconciled once in ten minutes, and asked nothing else', async () => {
    const { world, calls } = await quietWorld();
    await world.clock.run(30 * MINUTE_MS);
    // About everything: the answers leave no task to be asked about by its name.
    expect(calls).toEqual(Array.from({ length: 3 }, () => 'RECONCILE'));
  });

  it('is written nothing about', async () => {
    const { world } = await quietWorld();
    const { length } = world.paasDatabase.events;
    const { steps } = world.clock;
    let commits = 0;
    world.witnesses.add((event) => (commits += event.kind === 'committed' ? 1 : 0));
    await world.clock.run(30 * MINUTE_MS);
    expect(commits).toBe(0);
    expect(world.paasDatabase.events).toHaveLength(length);
    // Pings, heartbeats, sweeps and confirmed leads: some 200 a minute.
    expect(world.clock.steps - steps).toBeLessThan(30 * 300);
  });

  it('lets what fits nowhere wait without asking for offers again and again', async () => {
    const { world, calls } = await quietWorld();
    await world.put('/shop/huge', { cmd: 'run', cpus: 64 });
    await world.clock.run(30 * MINUTE_MS);
    const asked = calls.filter((type) => type === 'REVIVE' || type === 'DECLINE');
    // A filter of two minutes, and a question now and then whether it is still there.
    expect(asked.length).toBeLessThan(30 * 2);
  });
});
