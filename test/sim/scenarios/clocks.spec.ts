/**
 * Clocks that differ: of machines that never heard of NTP, and of the next leader's machine.
 *
 * What is compared with a clock was written by that clock, or its length is bounded by the policy that it comes from.
 */
import { World } from '../world/world.js';
import { commands, copies, crash, expectRight, instanceOf, killingAt, makeSick, taskIds, WEB } from './expect-right.js';

const MINUTES_MS = 60_000;
/**
 * Judged by the world's own clock, moments that a paas-api with another one writes, and the waits it counts from them, are wrong:
 * what holds for them is said in the scenarios.
 */
const JUDGED_BY_THE_CLOCK = ['api-a', 'api-c', 'record-b'] as const;

function skew(world: World, skewMs: (name: string) => number): void {
  world.skewMs = skewMs;
  if (skewMs('paas-api') !== 0) for (const id of JUDGED_BY_THE_CLOCK) world.judge.excuse(id);
}

/** Everything starts anew with these clocks. */
async function restart(world: World, skewMs: (name: string) => number): Promise<void> {
  skew(world, skewMs);
  world.killApi();
  world.killMaster();
  for (const host of world.hosts) world.killAgent(host);
  await world.startMaster();
  for (const host of world.hosts) world.startAgent(host);
  await world.startApi();
  await world.clock.run(10_000);
}

describe.each([-10, 10])('parts whose clocks differ by %i minutes', (minutes) => {
  const skewed = (part: string) => (name: string) => (name.startsWith(part) ? minutes * MINUTES_MS : 0);

  it.each(['agent', 'master', 'paas-api'])('(the %s’s) keep tasks, checks, delays and roll-outs as they are', async (part) => {
    const world = await World.start(801, 2);
    await world.put(WEB, { cmd: 'run v1', instances: 2, ...killingAt(2), backoffSeconds: 20 });
    await expectRight(world, copies(2, 'run v1'));
    const before = taskIds(world);
    await restart(world, skewed(part));
    expect(taskIds(world)).toEqual(before);
    const [process] = world.processes();
    makeSick(process!);
    await world.clock.until('it was killed', () => process!.exit !== null, 10_000);
    const endedAt = world.clock.now();
    await world.clock.until('the next one', () => world.processes().length === 2, 25_000);
    expect(world.clock.now() - endedAt).toBeGreaterThanOrEqual(19_000);
    await world.put(WEB, { cmd: 'run v2' });
    await expectRight(world, copies(2, 'run v2'));
  });

  it('(the master’s) replace what is out of reach when the app says, not before and not after', async () => {
    const world = await World.start(802, 2);
    await world.put(WEB, { instances: 1, unreachableStrategy: { inactiveAfterSeconds: 60, expungeAfterSeconds: 120 } });
    await expectRight(world, ['run']);
    await restart(world, skewed('master'));
    const host = world.hosts.find(({ machine }) => machine.alive().length > 0)!;
    host.machine.reboot('boot-2');
    world.killAgent(host);
    await world.clock.until('out of reach', () => [...world.paasDatabase.instances.values()][0]?.condition.kind === 'unreachable', 90_000);
    const since = world.clock.now();
    await world.clock.until('replaced', () => commands(world).length === 1, 65_000);
    expect(world.clock.now() - since).toBeGreaterThanOrEqual(58_000);
    await world.clock.until('expunged', () => world.paasDatabase.instances.size === 1, 65_000);
    expect(world.clock.now() - since).toBeGreaterThanOrEqual(118_000);
  });
});

describe('the next agent’s clock', () => {
  it('(10 minutes behind) does not stretch the grace of a kill', async () => {
    const world = await World.start(807);
    await world.put(WEB, { cmd: 'run ignore-term', taskKillGracePeriodSeconds: 20 });
    await expectRight(world, ['run ignore-term']);
    await world.put(WEB, { instances: 0 });
    await world.clock.run(2_000);
    world.killAgent(world.hosts[0]!);
    skew(world, (name) => (name === 'agent-1' ? -10 * MINUTES_MS : 0));
    world.startAgent(world.hosts[0]!);
    await world.clock.until('it is gone', () => commands(world).length === 0, 22_000);
    await expectRight(world, []);
  });
});

describe('the next leader’s clock', () => {
  it.each([-10, 10])('(%i minutes off) neither stretches nor skips a delay by more than its length', async (minutes) => {
    const world = await World.start(803);
    await world.put(WEB, { instances: 1, backoffSeconds: 30 });
    await expectRight(world, ['run']);
    crash(world, world.processes()[0]!);
    await world.clock.until('the crash is recorded', () => world.running(WEB) === 0);
    world.killApi();
    skew(world, (name) => (name === 'paas-api' ? minutes * MINUTES_MS : 0));
    await world.startApi();
    await world.clock.until('the next one', () => commands(world).length === 1, 35_000);
  });

  it('(10 minutes behind) does not stretch a drain', async () => {
    const world = await World.start(804);
    await world.put(WEB, { instances: 1, drainSeconds: 15 });
    await expectRight(world, ['run']);
    await world.put(WEB, { instances: 0 });
    await world.clock.run(1_000);
    expect(instanceOf(world, world.processes()[0]!).stop).not.toBeNull();
    world.killApi();
    skew(world, (name) => (name === 'paas-api' ? -10 * MINUTES_MS : 0));
    await world.startApi();
    await world.clock.until('it is gone', () => commands(world).length === 0, 17_000);
  });

  it('(10 minutes behind) replaces what is out of reach in the time that the app says', async () => {
    const world = await World.start(805, 2);
    await world.put(WEB, { instances: 1, unreachableStrategy: { inactiveAfterSeconds: 30, expungeAfterSeconds: 60 } });
    await expectRight(world, ['run']);
    const host = world.hosts.find(({ machine }) => machine.alive().length > 0)!;
    host.machine.reboot('boot-2');
    world.killAgent(host);
    await world.clock.until('out of reach', () => [...world.paasDatabase.instances.values()][0]?.condition.kind === 'unreachable', 90_000);
    world.killApi();
    skew(world, (name) => (name === 'paas-api' ? -10 * MINUTES_MS : 0));
    await world.startApi();
    await world.clock.until('replaced', () => commands(world).length === 1, 35_000);
    await world.clock.until('expunged', () => world.paasDatabase.instances.size === 1, 65_000);
  });

  it('(10 minutes behind) gives versions that are newer than the last', async () => {
    const world = await World.start(806);
    await world.put(WEB, { cmd: 'run v1' });
    await expectRight(world, ['run v1']);
    world.killApi();
    skew(world, (name) => (name === 'paas-api' ? -10 * MINUTES_MS : 0));
    await world.startApi();
    await world.put(WEB, { cmd: 'run v2' });
    await expectRight(world, ['run v2']);
    await world.put(WEB, { cmd: 'cannot start', progressDeadlineSeconds: 30, rollbackWhenStuck: true });
    await world.clock.until('rolled back', () => [...world.paasDatabase.deployments.values()].some(({ rollbackOf }) => rollbackOf !== null), 60_000);
    await expectRight(world, ['run v2']);
  });
});
