/** What one app waits for in vain costs the others nothing: offers stay at hand, and parts of an agent come together. */
import { World } from '../world/world.js';
import { RawFramework } from './raw-framework.js';
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

/** As long as offers may be held for who waits here (`MAX_HELD_MS`), and a moment for the master to make them anew. */
const HELD_MS = 5_000;
const OFFERED_MS = 1_500;

describe("another team's framework", () => {
  it('gets what an app that fits nowhere holds in vain, once that has been held as long as it may be, and not before', async () => {
    const world = await World.start(1004, 3);
    const other = new RawFramework(world, 'other', { roles: ['other'] });
    await world.put(CART, NOWHERE);
    await world.clock.until('all is at hand', () => world.api.sizes()['offersHeld'] === 3);
    await other.subscribe();
    await world.clock.run(HELD_MS - 1_000);
    expect({ held: world.api.sizes()['offersHeld'], others: other.offers.size }).toEqual({ held: 3, others: 0 });
    await world.clock.run(1_000 + OFFERED_MS);
    expect({ held: world.api.sizes()['offersHeld'], others: other.offers.size }).toEqual({ held: 0, others: 3 });
    const [task = ''] = await other.launch(1);
    await world.clock.until('its task runs', () => other.state(task) === 'TASK_RUNNING');
  });

  it.each([100, 900, 4_000])('gets it also where users change what waits every %i ms', async (everyMs) => {
    const world = await World.start(1005, 3);
    const other = new RawFramework(world, 'other', { roles: ['other'] });
    await world.put(CART, NOWHERE);
    await world.clock.until('all is at hand', () => world.api.sizes()['offersHeld'] === 3);
    await other.subscribe();
    const until = world.clock.now() + HELD_MS + OFFERED_MS;
    for (let change = 1; other.offers.size === 0 && world.clock.now() < until; change += 1) {
      await world.put(CART, { ...NOWHERE, cmd: `run ${change}` }, true);
      await world.clock.run(everyMs);
    }
    expect(other.offers.size).toBeGreaterThan(0);
    const [task = ''] = await other.launch(1);
    await world.clock.until('its task runs', () => other.state(task) === 'TASK_RUNNING');
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
