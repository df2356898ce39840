/**
 * The traps of a roll-out that Marathon is known for, by the numbers of the reference (7.1, in its order): 1, 6, 7, 12, 13, 17.
 *
 * "Resident" halves of these rows wait for volumes: no app is bound to one yet.
 */
import { World } from '../world/world.js';
import { CHECKED, copies, commands, expectRight, makeSick, WEB } from './expect-right.js';
import { Tide } from './tide.js';

const upgradeStrategy = (minimumHealthCapacity: number, maximumOverCapacity: number) => ({ upgradeStrategy: { minimumHealthCapacity, maximumOverCapacity } });
const READY = [{ name: 'ready', protocol: 'HTTP', path: '/', portName: 'http', intervalSeconds: 2, timeoutSeconds: 1 }];

describe('7.1 #1: a roll-out of instances whose health nobody knows, without over-capacity', () => {
  it.each([
    { count: 4, min: 0.5, checks: 'a health check that never succeeded', body: { cmd: 'run unhealthy v1', ...CHECKED } },
    { count: 1, min: 1, checks: 'a health check that never succeeded', body: { cmd: 'run unhealthy v1', ...CHECKED } },
    { count: 1, min: 0, checks: 'a health check that never succeeded', body: { cmd: 'run unhealthy v1', ...CHECKED } },
    { count: 4, min: 0.5, checks: 'a readiness check only', body: { cmd: 'run v1', portDefinitions: CHECKED.portDefinitions, readinessChecks: READY } },
  ])('is finished: $count instances at $min with $checks', async ({ count, min, body }) => {
    const world = await World.start(101, 2);
    await world.put(WEB, { instances: count, ...upgradeStrategy(min, 0), ...body });
    await world.clock.until('all run', () => world.running(WEB) === count);
    await world.put(WEB, { cmd: 'run v2' }, true);
    await expectRight(world, copies(count, 'run v2'));
  });
});

describe('7.1 #6: a scale-up under way when the leader changes', () => {
  it('still waits for the health of what was launched before', async () => {
    const world = await World.start(102);
    await world.put(WEB, { instances: 1, ...CHECKED });
    await expectRight(world, ['run']);
    const { machine } = world.hosts[0]!;
    world.witnesses.add((event) => event.kind === 'process-started' && makeSick(event.process));
    await world.put(WEB, { instances: 3 });
    await world.clock.until('all run', () => world.running(WEB) === 3);
    world.killApi();
    await world.startApi();
    await world.clock.run(60_000);
    expect(world.api.view.deployments()).toHaveLength(1);
    expect(world.api.view.counts(WEB)).toMatchObject({ running: 3, healthy: 1 });
    for (const process of machine.alive()) process.sickUntil = 0;
    await expectRight(world, copies(3, 'run'), 10_000);
  });
});

describe('7.1 #7: a new instance that was healthy for a moment', () => {
  const LATE_MS = 20_000;
  /** The first new process is healthy at once, the second takes its time. */
  const slowSecond = (world: World): void => {
    let started = 0;
    world.witnesses.add((event) => {
      if (event.kind === 'process-started') event.process.sickUntil = ++started === 2 ? world.clock.now() + LATE_MS : 0;
    });
  };
  const newOnes = (world: World) => world.processes().filter(({ command }) => command === 'run v2');

  it('counts no more once it is sick: the old one stays, and the deployment is not over', async () => {
    const world = await World.start(103);
    await world.put(WEB, { cmd: 'run v1', instances: 2, ...CHECKED, ...upgradeStrategy(1, 0) });
    await expectRight(world, copies(2, 'run v1'));
    slowSecond(world);
    await world.put(WEB, { cmd: 'run v2' });
    await world.clock.until('one old one is replaced, the next new one is not healthy yet', () => commands(world).join() === 'run v1,run v2,run v2');
    makeSick(newOnes(world)[0]!);
    await world.clock.run(2 * LATE_MS);
    expect(world.api.view.deployments()).toHaveLength(1);
    expect(commands(world)).toEqual(['run v1', 'run v2', 'run v2']);
    for (const process of newOnes(world)) process.sickUntil = 0;
    await expectRight(world, copies(2, 'run v2'));
  });

  it('does not end the deployment when it is sick at the very end', async () => {
    const world = await World.start(104);
    await world.put(WEB, { cmd: 'run v1', instances: 2, ...CHECKED, ...upgradeStrategy(0, 0) });
    await expectRight(world, copies(2, 'run v1'));
    slowSecond(world);
    await world.put(WEB, { cmd: 'run v2' });
    await world.clock.until('one new one is healthy', () => newOnes(world).length === 2 && world.api.view.counts(WEB).healthy === 1);
    makeSick(newOnes(world)[0]!);
    await world.clock.run(2 * LATE_MS);
    expect(world.api.view.counts(WEB)).toMatchObject({ running: 2, healthy: 1 });
    expect(world.api.view.deployments()).toHaveLength(1);
  });
});

describe('7.1 #12: where minimum and maximum leave no room', () => {
  it.each([
    { count: 1, min: 1 },
    { count: 1, min: 0.5 },
    { count: 4, min: 1 },
  ])('exactly one more runs meanwhile, and none is missed: $count at $min', async ({ count, min }) => {
    const world = await World.start(105, 2);
    await world.put(WEB, { cmd: 'run v1', instances: count, ...CHECKED, ...upgradeStrategy(min, 0) });
    await expectRight(world, copies(count, 'run v1'));
    const tide = new Tide(world, WEB);
    await world.put(WEB, { cmd: 'run v2' });
    await expectRight(world, copies(count, 'run v2'));
    expect(tide).toMatchObject({ lowest: count, highest: count + 1, breaches: [] });
  });

  it('none more runs where there is room, nor without a roll-out', async () => {
    const world = await World.start(106, 2);
    await world.put(WEB, { cmd: 'run v1', instances: 4, ...CHECKED, ...upgradeStrategy(0.5, 0) });
    await expectRight(world, copies(4, 'run v1'));
    const tide = new Tide(world, WEB);
    await world.put(WEB, { cmd: 'run v2' });
    await expectRight(world, copies(4, 'run v2'));
    await world.put(WEB, { ...upgradeStrategy(1, 0) });
    await expectRight(world, copies(4, 'run v2'));
    expect(tide).toMatchObject({ lowest: 2, highest: 4, breaches: [] });
  });
});

describe('7.1 #13: a smaller number and a new config in one change', () => {
  it('keeps as many old ones as have to stay healthy while the new ones are not', async () => {
    const world = await World.start(107, 2);
    await world.put(WEB, { cmd: 'run v1', instances: 5, ...CHECKED, ...upgradeStrategy(1, 1) });
    await expectRight(world, copies(5, 'run v1'));
    const tide = new Tide(world, WEB);
    await world.put(WEB, { cmd: 'run unhealthy v2', instances: 2 });
    await world.clock.run(60_000);
    expect(commands(world).filter((command) => command === 'run v1')).toHaveLength(2);
    await world.put(WEB, { cmd: 'run v3' }, true);
    await expectRight(world, copies(2, 'run v3'));
    expect(tide.lowest).toBeGreaterThanOrEqual(2);
    expect(tide.breaches).toEqual([]);
  });
});

describe('7.1 #17: a new config with no instances', () => {
  it('is the way out of a roll-out that hangs: everything goes at once', async () => {
    const world = await World.start(108);
    await world.put(WEB, { cmd: 'run v1', instances: 3, ...CHECKED, ...upgradeStrategy(1, 0) });
    await expectRight(world, copies(3, 'run v1'));
    await world.put(WEB, { cmd: 'run unhealthy v2' });
    await world.clock.run(20_000);
    expect(world.api.view.deployments()).toHaveLength(1);
    await world.put(WEB, { cmd: 'run v3', instances: 0 }, true);
    const [deployment] = world.api.view.deployments();
    expect(deployment?.steps.flat().map(({ action }) => action)).toEqual(['ScaleApplication']);
    await expectRight(world, [], 10_000);
    await world.put(WEB, { instances: 2 });
    await expectRight(world, copies(2, 'run v3'));
  });
});
