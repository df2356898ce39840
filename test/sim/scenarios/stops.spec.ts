/** Stops that meet something else: a drain and a change of mind, a fail-over, an agent out of reach, a fixed port. */
import { liveTask } from '@ekiden/model';
import { breaches } from '../invariants.js';
import { World } from '../world/world.js';
import { commands, copies, crash, expectRight, instanceOf, makeSick, killingAt, taskIds, WEB } from './expect-right.js';
import { Tide } from './tide.js';

const wipe = { scale: false, wipe: true, force: false };
const inPlace = { scale: false, wipe: false, force: false };

describe('a drain', () => {
  const drained = async (seed: number): Promise<World> => {
    const world = await World.start(seed);
    await world.put(WEB, { instances: 3, drainSeconds: 20 });
    await expectRight(world, copies(3, 'run'));
    await world.put(WEB, { instances: 1 });
    await world.clock.run(5_000);
    expect(commands(world)).toEqual(copies(3, 'run'));
    return world;
  };

  it('goes on where it was when paas-api dies: neither cut short nor begun anew', async () => {
    const world = await drained(701);
    world.killApi();
    await world.clock.run(8_000);
    await world.startApi();
    await world.clock.run(6_000);
    expect(commands(world)).toEqual(copies(3, 'run'));
    await world.clock.until('both are gone', () => commands(world).length === 1, 2_000);
    await expectRight(world, ['run']);
  });

  it('that is over while nobody leads ends in a kill as soon as somebody does', async () => {
    const world = await drained(702);
    world.killApi();
    await world.clock.run(30_000);
    await world.startApi();
    await world.clock.until('both are gone', () => commands(world).length === 1, 1_000);
    await expectRight(world, ['run']);
  });

  it('meets a change of mind: what drains goes, new ones come at once, never more than there may be', async () => {
    const world = await drained(703);
    const tide = new Tide(world, WEB);
    await world.put(WEB, { instances: 3 }, true);
    await expectRight(world, copies(3, 'run'));
    expect(tide.breaches).toEqual([]);
    expect(tide.lowest).toBeGreaterThanOrEqual(1);
  });

  it('of a task that crashes meanwhile is over, and counts as no failure', async () => {
    const world = await drained(704);
    const stopping = world.processes().find((process) => instanceOf(world, process).stop !== null)!;
    crash(world, stopping, 0);
    await world.clock.until('it is gone', () => world.api.view.instances(WEB).length === 2, 1_000);
    expect(world.api.view.failure(WEB)).toBeNull();
    await expectRight(world, ['run']);
  });

  it('does not keep a forced delete from ending', async () => {
    const world = await drained(705);
    await world.settle('DELETE', world.api.deleteApp(WEB, { force: true }));
    await world.clock.until('all gone', () => world.paasDatabase.apps.size === 0, 40_000);
    expect(commands(world)).toEqual([]);
  });
});

describe('a kill with scale', () => {
  it('takes the instance that was named, though the leader dies right after it answered', async () => {
    const world = await World.start(706);
    await world.put(WEB, { instances: 4 });
    await expectRight(world, copies(4, 'run'));
    // The oldest of four: the last one that would be chosen otherwise.
    const [named] = world.hosts[0]!.machine.started;
    world.network.faults.call = ({ type }) => (type === 'KILL' ? 'lose' : 'deliver');
    await world.settle('kill', world.api.killTasks([named!.taskId], { scale: true, wipe: false, force: false }));
    world.killApi();
    world.network.faults.call = () => 'deliver';
    await world.startApi();
    await expectRight(world, copies(3, 'run'));
    expect(named!.exit).not.toBeNull();
    expect(world.hosts[0]!.machine.started).toHaveLength(4);
  });

  it('of an instance that is out of reach takes that one, also when it comes back', async () => {
    const world = await World.start(707, 2);
    await world.put(WEB, { instances: 2, constraints: [['hostname', 'UNIQUE']], unreachableStrategy: 'disabled' });
    await expectRight(world, copies(2, 'run'));
    const away = world.hosts[0]!.machine.alive()[0]!;
    world.network.isolate('agent-1', 'both');
    await world.clock.until('out of reach', () => world.running(WEB) === 1, 90_000);
    await world.settle('kill', world.api.killTasks([away.taskId], { scale: true, wipe: false, force: false }));
    await world.converged();
    world.network.heal('agent-1');
    await world.clock.until('it is killed', () => away.exit !== null, 15_000);
    await expectRight(world, ['run']);
  });
});

describe('a kill of an instance out of reach', () => {
  it.each([
    ['with its instance', wipe],
    ['in place', inPlace],
  ])('(%s) is carried out at its return, and nobody runs twice', async (_what, options) => {
    const world = await World.start(708, 2);
    await world.put(WEB, { instances: 2, constraints: [['hostname', 'UNIQUE']], unreachableStrategy: 'disabled' });
    await expectRight(world, copies(2, 'run'));
    const away = world.hosts[0]!.machine.alive()[0]!;
    world.network.isolate('agent-1', 'both');
    await world.clock.until('out of reach', () => world.running(WEB) === 1, 90_000);
    await world.settle('kill', world.api.killTasks([away.taskId], options));
    await world.clock.run(5_000);
    world.network.heal('agent-1');
    await world.clock.until('it is killed', () => away.exit !== null, 15_000);
    await expectRight(world, copies(2, 'run'));
  });
});

describe('a fixed port', () => {
  it('is used again only when the last process behind it is gone', async () => {
    const world = await World.start(709);
    const upgradeStrategy = { minimumHealthCapacity: 0, maximumOverCapacity: 1 };
    await world.put(WEB, {
      cmd: 'run ignore-term v1',
      portDefinitions: [{ port: 31_005 }],
      requirePorts: true,
      taskKillGracePeriodSeconds: 10,
      upgradeStrategy,
    });
    await expectRight(world, ['run ignore-term v1']);
    const [old] = world.processes();
    let overlapped = false;
    world.witnesses.add((event) => {
      if (event.kind === 'process-started' && old!.exit === null) overlapped = true;
    });
    await world.put(WEB, { cmd: 'run v2' });
    await expectRight(world, ['run v2']);
    expect(overlapped).toBe(false);
    expect(world.processes()[0]!.spec.env['PORT0']).toBe('31005');
  });
});

describe('a count of failures', () => {
  it.each(['agent', 'master', 'paas-api'] as const)('is not begun anew, nor counted twice, when the %s dies over it', async (part) => {
    const world = await World.start(710);
    await world.put(WEB, killingAt(4));
    await expectRight(world, ['run']);
    const [process] = world.processes();
    const failures = (): number => world.paasDatabase.events.filter(({ type }) => type === 'failed_health_check_event').length;
    makeSick(process!);
    await world.clock.until('it failed twice', () => failures() === 2);
    if (part === 'agent') world.killAgent(world.hosts[0]!);
    if (part === 'master') world.killMaster();
    if (part === 'paas-api') world.killApi();
    if (part === 'agent') world.startAgent(world.hosts[0]!);
    if (part === 'master') await world.startMaster();
    if (part === 'paas-api') await world.startApi();
    await world.clock.until('it was killed', () => process!.exit !== null, 20_000);
    expect(failures()).toBe(4);
    await expectRight(world, ['run']);
  });
});

describe('two changes at one moment', () => {
  it('a scale by one user and a kill with scale by another are both done', async () => {
    const world = await World.start(711);
    await world.put(WEB, { instances: 4 });
    await expectRight(world, copies(4, 'run'));
    const [named] = world.processes();
    const scaled = world.put(WEB, { instances: 5 }, true);
    const killed = world.api.killTasks([named!.taskId], { scale: true, wipe: false, force: true });
    await scaled;
    await world.settle('kill', killed);
    await expectRight(world, copies(4, 'run'));
    expect(named!.exit).not.toBeNull();
  });

  it('a delete and a change: whoever came last has it, and it converges', async () => {
    const world = await World.start(712);
    await world.put(WEB, { cmd: 'run v1', instances: 2 });
    await expectRight(world, copies(2, 'run v1'));
    const before = taskIds(world);
    const deleted = world.api.deleteApp(WEB, { force: true });
    const created = world.put(WEB, { cmd: 'run v1', cpus: 0.1, mem: 32, instances: 2 }, true);
    await world.settle('DELETE', deleted);
    await created;
    await expectRight(world, copies(2, 'run v1'));
    // Nothing says that the old tasks have to go, nor that they may stay.
    expect(taskIds(world)).toHaveLength(before.length);
    expect(breaches(world)).toEqual([]);
    expect(world.api.view.instances(WEB).every((instance) => liveTask(instance) !== null)).toBe(true);
  });
});
