/**
 * The traps about which instances run where and when, by the numbers of the reference (7.1, in its order): 2, 8, 9, 14, 16.
 *
 * 7.1 #14: health checks that could be swapped in place still restart; labels do by decision 14, since the process sees them.
 */
import { World } from '../world/world.js';
import { CHECKED, commands, copies, crash, expectRight, instanceOf, reasons, taskIds, WEB } from './expect-right.js';

/** Processes on each machine, most first. */
const spread = (world: World): number[] => world.hosts.map(({ machine }) => machine.alive().length).sort((a, b) => b - a);

describe('7.1 #2: GROUP_BY without a number', () => {
  it('spreads over all the racks there are, and keeps the spread when there are fewer', async () => {
    const world = await World.start(201, 3);
    await world.put(WEB, { instances: 5, constraints: [['rack', 'GROUP_BY']] });
    await expectRight(world, copies(5, 'run'));
    expect(spread(world)).toEqual([2, 2, 1]);
    await world.put(WEB, { instances: 3 });
    await expectRight(world, copies(3, 'run'));
    expect(spread(world)).toEqual([1, 1, 1]);
  });
});

describe('7.1 #8: a scale-down while some instances were never launched', () => {
  it('takes those: what runs stays', async () => {
    const world = await World.start(202);
    await world.put(WEB, { cpus: 2, instances: 4 });
    await world.clock.until('two run, two find no room', () => world.running(WEB) === 2 && world.api.view.queue()[0]?.count === 2);
    const before = taskIds(world);
    await world.put(WEB, { instances: 3 }, true);
    await world.put(WEB, { instances: 2 }, true);
    await expectRight(world, copies(2, 'run'));
    expect(taskIds(world)).toEqual(before);
    expect(world.hosts[0]!.machine.started).toHaveLength(2);
  });

  it('takes those whose launch is under way before those that run', async () => {
    const world = await World.start(203);
    await world.put(WEB, { instances: 2, upgradeStrategy: { minimumHealthCapacity: 0, maximumOverCapacity: 1 } });
    await expectRight(world, copies(2, 'run'));
    const before = taskIds(world);
    world.network.faults.toAgent = ({ type }) => (type === 'launch' ? 'lose' : 'deliver');
    await world.put(WEB, { instances: 4 });
    await world.clock.until('their launches are recorded', () => world.api.view.counts(WEB).staged === 2);
    world.network.faults.toAgent = () => 'deliver';
    await world.put(WEB, { instances: 2 }, true);
    await world.clock.run(5_000);
    expect(taskIds(world)).toEqual(before);
    // A message that is lost on an open connection is no fault that TCP has: it breaks, and all is asked anew.
    world.network.cut('agent-1', 'connection reset');
    await expectRight(world, copies(2, 'run'));
  });
});

describe('7.1 #9: an unreachable instance is inactive, and expunged, at its time', () => {
  const away = async (world: World): Promise<number> => {
    await world.put(WEB, {
      unreachableStrategy: { inactiveAfterSeconds: 60, expungeAfterSeconds: 120 },
      constraints: [['hostname', 'LIKE', 'agent-1|agent-2']],
    });
    await expectRight(world, ['run']);
    const host = world.hosts.find(({ machine }) => machine.alive().length > 0)!;
    host.machine.reboot('boot-2');
    world.killAgent(host);
    await world.clock.until('unreachable', () => world.running(WEB) === 0 && world.api.view.instances(WEB)[0]?.condition.kind === 'unreachable');
    return world.clock.now();
  };
  const kinds = (world: World): string[] =>
    world.api.view
      .instances(WEB)
      .map(({ condition }) => (condition.kind === 'unreachable' && condition.inactive ? 'inactive' : condition.kind))
      .sort();

  it('by the clock, though no status comes', async () => {
    const world = await World.start(204, 2);
    const since = await away(world);
    await world.clock.run(58_000);
    expect(kinds(world)).toEqual(['unreachable']);
    await world.clock.until('replaced', () => world.running(WEB) === 1, since + 62_000 - world.clock.now());
    expect(kinds(world)).toEqual(['inactive', 'running']);
    await world.clock.run(since + 118_000 - world.clock.now());
    expect(kinds(world)).toEqual(['inactive', 'running']);
    await world.clock.until('expunged', () => kinds(world).join() === 'running', 4_000);
    await expectRight(world, ['run']);
  });

  it('though paas-api was away at that moment, and the master is away after it', async () => {
    const world = await World.start(205, 2);
    const since = await away(world);
    world.killApi();
    await world.clock.run(since + 90_000 - world.clock.now());
    world.killMaster();
    await world.startApi();
    await world.clock.run(1_000);
    expect(kinds(world)).toEqual(['inactive', 'scheduled']);
    await world.clock.run(since + 121_000 - world.clock.now());
    expect(kinds(world)).toEqual(['scheduled']);
    await world.startMaster();
    await expectRight(world, ['run']);
  });
});

describe('7.1 #14: an edit of policy alone', () => {
  it.each<[string, Record<string, unknown>]>([
    ['the back-off', { backoffSeconds: 7, backoffFactor: 2, maxLaunchDelaySeconds: 60 }],
    ['the upgrade strategy', { upgradeStrategy: { minimumHealthCapacity: 0, maximumOverCapacity: 0 } }],
    ['the kill selection', { killSelection: 'OLDEST_FIRST' }],
    ['the unreachable strategy', { unreachableStrategy: { inactiveAfterSeconds: 30, expungeAfterSeconds: 60 } }],
    ['the grace of a kill', { taskKillGracePeriodSeconds: 1 }],
    ['the dependencies', { dependencies: ['/other'] }],
    ['the drain', { drainSeconds: 3 }],
    ['the deadline', { progressDeadlineSeconds: 60, rollbackWhenStuck: true }],
  ])('(%s) restarts nothing, not even when the number changes with it', async (_what, edit) => {
    const world = await World.start(206);
    await world.put(WEB, { instances: 2, ...CHECKED });
    await expectRight(world, copies(2, 'run'));
    const before = taskIds(world);
    await world.put(WEB, edit);
    await expectRight(world, copies(2, 'run'));
    expect(taskIds(world)).toEqual(before);
    await world.put(WEB, { ...edit, instances: 3, backoffFactor: 3 });
    await expectRight(world, copies(3, 'run'));
    expect(taskIds(world)).toEqual(expect.arrayContaining(before));
  });

  it('holds for the tasks that run: the next failure waits as long as the new back-off says', async () => {
    const world = await World.start(207);
    await world.put(WEB, { backoffSeconds: 1 });
    await expectRight(world, ['run']);
    await world.put(WEB, { backoffSeconds: 40 });
    await expectRight(world, ['run']);
    crash(world, world.processes()[0]!);
    await world.clock.run(39_000);
    expect(commands(world)).toEqual([]);
    expect(reasons(world)).toMatch(/1 of 1 instance waits after a failure, the next launch is in [1-3] s|^$/);
    await world.clock.until('launched', () => commands(world).length === 1, 3_000);
  });
});

describe('7.1 #14: an edit of how tasks are stopped', () => {
  const msUntilGone = async (world: World, stop: (world: World) => Promise<unknown>): Promise<number> => {
    const [process] = world.processes();
    const since = world.clock.now();
    await stop(world);
    await world.clock.until('gone', () => process!.exit !== null, 100_000);
    return world.clock.now() - since;
  };
  const ways: [string, (world: World) => Promise<unknown>][] = [
    ['a scale', (world) => world.put(WEB, { instances: 0 })],
    ['a delete', (world) => world.settle('DELETE', world.api.deleteApp(WEB, { force: true }))],
    ['a user', (world) => world.settle('kill', world.api.killAppTasks(WEB, null, { scale: false, wipe: true, force: false }))],
  ];

  it.each(ways)('holds for the tasks that run, stopped by %s: they are drained as long as the edit says', async (_who, stop) => {
    const world = await World.start(209);
    await world.put(WEB, {});
    await expectRight(world, ['run']);
    await world.put(WEB, { drainSeconds: 20 });
    await world.converged();
    expect(await msUntilGone(world, stop)).toBeGreaterThanOrEqual(19_900);
  });

  it.each(ways)('holds for the tasks that run, stopped by %s: SIGKILL comes when the edit says', async (_who, stop) => {
    const world = await World.start(210);
    await world.put(WEB, { cmd: 'run ignore-term', taskKillGracePeriodSeconds: 60 });
    await expectRight(world, ['run ignore-term']);
    await world.put(WEB, { taskKillGracePeriodSeconds: 5 });
    await world.converged();
    const ms = await msUntilGone(world, stop);
    expect(ms).toBeGreaterThanOrEqual(5_000);
    expect(ms).toBeLessThan(6_000);
  });
});

describe('7.1 #16: one instance that fails again and again', () => {
  it('delays nobody else: neither a sibling that crashes once nor a scale-up', async () => {
    const world = await World.start(208);
    await world.put(WEB, { instances: 2, backoffSeconds: 30, backoffFactor: 2, maxLaunchDelaySeconds: 3600 });
    await expectRight(world, copies(2, 'run'));
    const bad = instanceOf(world, world.processes()[0]!).id;
    const badProcess = () => world.processes().find((process) => instanceOf(world, process).id === bad);
    for (let failure = 0; failure < 3; failure += 1) {
      await world.clock.until('it runs again', () => badProcess() !== undefined && world.running(WEB) === 2, 300_000);
      crash(world, badProcess()!);
      await world.clock.until('its crash is known', () => world.running(WEB) === 1);
    }
    expect(world.api.view.instances(WEB).find(({ id }) => id === bad)?.backoffMs).toBe(120_000);
    await world.put(WEB, { instances: 4 });
    await world.clock.until('the new ones run', () => world.running(WEB) === 3, 2_000);
    crash(world, world.processes()[0]!);
    await world.clock.until('the crash is known', () => world.running(WEB) === 2);
    await world.clock.until('the sibling is back after its own first delay', () => world.running(WEB) === 3, 32_000);
    expect(badProcess()).toBeUndefined();
  });
});
