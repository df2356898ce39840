/** What one app waits for in vain costs the others nothing: offers stay at hand, and parts of an agent come together. */
import { World } from '../world/world.js';
import { CART, copies, expectRight, WEB } from './expect-right.js';

const NOWHERE = { constraints: [['hostname', 'IS', 'nowhere']] };

describe('an app that fits nowhere', () => {
  it('does not make the master offer every agent for each launch of another', async () => {
    const world = await World.start(1001, 20);
    await world.put(CART, NOWHERE);
    await world.put(WEB, { cmd: 'run 1', instances: 10, upgradeStrategy: { minimumHealthCapacity: 1, maximumOverCapacity: 0.1 } });
    await world.clock.until('it runs', () => world.running(WEB) === 10);
    await world.clock.run(10_000);
    let offers = 0;
    world.witnesses.add((event) => {
      if (event.kind === 'stream-sent' && event.event.type === 'OFFERS') offers += event.event.offers.offers?.length ?? 0;
    });
    await world.put(WEB, { cmd: 'run 2' });
    await world.clock.until('it runs anew', () => world.processes().filter(({ command }) => command === 'run 2').length === 10);
    // All agents once, and what each launch and each end leaves.
    expect(offers).toBeLessThan(20 + 3 * 10);
    await world.settle('DELETE', world.api.deleteApp(CART, { force: true }));
    await expectRight(world, copies(10, 'run 2'));
  });

  it('gives back what is at hand soon', async () => {
    const world = await World.start(1002, 3);
    await world.put(CART, NOWHERE);
    await world.clock.run(1_000);
    expect(world.api.sizes()['offersHeld']).toBe(3);
    await world.clock.run(5_000);
    expect(world.api.sizes()['offersHeld']).toBe(0);
  });
});

describe('two parts of one agent, each too small for what waits', () => {
  it('are put together at once', async () => {
    const world = await World.start(1003);
    await world.put(WEB, { cmd: 'run web', cpus: 2 });
    await world.put('/shop/db', { cmd: 'run db', cpus: 2 });
    await expectRight(world, ['run db', 'run web']);
    await world.put(CART, { cmd: 'run cart', cpus: 4 });
    await world.clock.run(10_000);
    await world.settle('DELETE', world.api.deleteApp(WEB, { force: true }));
    await world.clock.until('a part is at hand', () => world.api.sizes()['offersHeld'] === 1);
    await world.put('/shop/db', { instances: 0 });
    await world.converged(1_000);
    await expectRight(world, ['run cart']);
  });
});
