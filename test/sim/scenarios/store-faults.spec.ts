/** Writes whose outcome nobody knows, conflicts and lost sessions, in the stores of both parts. */
import { World } from '../world/world.js';
import { copies, expectRight, taskIds, WEB } from './expect-right.js';

describe('an agent that was recorded as unreachable, though the master never learnt that', () => {
  // The write's answer was lost, the agent came back before the next attempt, and nothing was written for it any more: the next master
  // took a healthy agent for a lost one, and its tasks were replaced.
  it('is known as it is to the next master', async () => {
    const world = await World.start(701);
    await world.put(WEB, { cmd: 'run', instances: 2, unreachableStrategy: { inactiveAfterSeconds: 0, expungeAfterSeconds: 60 } });
    await expectRight(world, copies(2, 'run'));
    const before = taskIds(world);
    const [host] = world.hosts;
    const entry = () => [...world.masterDatabase.agents.values()][0];
    world.killAgent(host!);
    world.masterStore!.failNextWrite('after');
    await world.clock.until('it is recorded', () => entry()?.state === 'unreachable', 100_000);
    world.startAgent(host!);
    await world.clock.until('it is back', () => world.master.state.agents()[0]?.connected === true, 5_000);
    await world.clock.run(5_000);
    expect(entry()).toMatchObject({ state: 'admitted' });
    world.network.isolate('agent-1', 'both');
    world.killMaster();
    await world.startMaster();
    await world.clock.run(20_000);
    world.network.heal('agent-1');
    await world.clock.run(20_000);
    await expectRight(world, copies(2, 'run'));
    expect(taskIds(world)).toEqual(before);
  });
});

it.each(['before', 'after', 'conflict'] as const)('a registration whose write suffers "%s" succeeds in the end', async (fault) => {
  const world = await World.start(702);
  world.masterStore!.failNextWrite(fault);
  world.addHost('agent-2');
  await world.clock.until('both are there', () => world.master.state.agents().filter(({ connected }) => connected).length === 2, 10_000);
  await world.put(WEB, { instances: 2, constraints: [['hostname', 'UNIQUE']] });
  await expectRight(world, copies(2, 'run'));
});

it('a change that comes into conflict with another transaction is written once, and its user hears nothing of that', async () => {
  const world = await World.start(703);
  world.commitFaults.push('conflict', 'conflict');
  await world.put(WEB, { instances: 2 });
  await expectRight(world, copies(2, 'run'));
  expect(world.log.last(10_000, ({ event }) => event.includes('loading everything again'))).toEqual([]);
});

it('a master that loses its connection as it begins to lead makes room for the next', async () => {
  const world = await World.start(704);
  await world.put(WEB, { instances: 2 });
  await expectRight(world, copies(2, 'run'));
  world.breaksNextStart.add('master');
  world.killMaster();
  world.launchMaster();
  await world.clock.run(100);
  await world.startMaster();
  await world.put(WEB, { instances: 3 });
  await expectRight(world, copies(3, 'run'));
});

it('a paas-api whose connection breaks as it loads loads again, and leads', async () => {
  const world = await World.start(705);
  await world.put(WEB, { instances: 2 });
  await expectRight(world, copies(2, 'run'));
  world.breaksNextStart.add('paas-api');
  world.killApi();
  world.bootApi();
  await world.clock.until('it leads', () => world.hasApi && world.api.isLeading && world.api.isConnected, 10_000);
  await world.put(WEB, { instances: 3 });
  await expectRight(world, copies(3, 'run'));
});

// Seed 700173: it was remembered for ever as one that waits.
it('an app whose deletion is committed without our knowing is forgotten', async () => {
  const world = await World.start(706);
  await world.put(WEB, { instances: 2, cpus: 64 });
  await world.clock.run(1_000);
  expect(world.api.sizes()['appsWaiting']).toBe(1);
  world.commitFaults.push('after');
  await expect(world.settle('DELETE', world.api.deleteApp(WEB, { force: true }))).rejects.toMatchObject({ code: 'store-unavailable' });
  await expectRight(world, []);
  expect(world.paasDatabase.apps.size).toBe(0);
  expect(world.api.sizes()).toMatchObject({ appsWaiting: 0, plans: 0, appTimers: 0 });
});
