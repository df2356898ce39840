/**
 * The traps about health, by the numbers of the reference: 7.1 #5, #10, #15; 1.13 rows 3 and 4.
 *
 * The back-off of 7.1 #15 is one row a kind of end: which of them earn a delay is a promise to users.
 */
import { World } from '../world/world.js';
import { CHECKED, commands, copies, crash, expectRight, instanceOf, killingAt, makeSick, reasons, WEB } from './expect-right.js';

const eventsOf = (world: World, type: string) => world.paasDatabase.events.filter((event) => event.type === type);

describe('7.1 #5: a health check with three failures allowed', () => {
  it.each(['deliver', 'double'] as const)('kills at the third, though its reports are under way (%s)', async (fate) => {
    const world = await World.start(301);
    await world.put(WEB, killingAt(3));
    await expectRight(world, ['run']);
    const [process] = world.processes();
    world.network.faults.toMaster = ({ type }) => (type === 'status' ? fate : 'deliver');
    let delayMs = 1;
    world.network.faults.delayMs = () => delayMs;
    makeSick(process!);
    // Each report takes longer than a probe: what came before must not be counted again.
    delayMs = 900;
    await world.clock.until('it was killed', () => process!.exit !== null, 20_000);
    expect(eventsOf(world, 'failed_health_check_event').length).toBe(3);
    expect(eventsOf(world, 'unhealthy_instance_kill_event').length).toBe(1);
    delayMs = 1;
    await expectRight(world, ['run']);
  });

  it('kills nobody who recovers at the second', async () => {
    const world = await World.start(302);
    await world.put(WEB, killingAt(3));
    await expectRight(world, ['run']);
    const [process] = world.processes();
    for (let time = 0; time < 5; time += 1) {
      makeSick(process!);
      const seen = eventsOf(world, 'failed_health_check_event').length;
      await world.clock.until('it failed twice', () => eventsOf(world, 'failed_health_check_event').length === seen + 2);
      process!.sickUntil = 0;
      await world.clock.until('it is healthy', () => world.api.view.counts(WEB).healthy === 1);
    }
    expect(process!.exit).toBeNull();
  });

  it('is not counted on by the next leader, nor by the next agent: three are three', async () => {
    const world = await World.start(303);
    await world.put(WEB, killingAt(3));
    await expectRight(world, ['run']);
    const [process] = world.processes();
    makeSick(process!);
    await world.clock.until('it failed twice', () => eventsOf(world, 'failed_health_check_event').length === 2);
    world.killApi();
    await world.startApi();
    await world.clock.until('connected', () => world.api.isConnected);
    expect(process!.exit).toBeNull();
    await world.clock.until('it was killed', () => process!.exit !== null, 6_000);
    expect(eventsOf(world, 'failed_health_check_event').length).toBe(3);
    await expectRight(world, ['run']);
  });
});

describe('7.1 #10: tasks of an old version whose history was pruned', () => {
  it('keep the check that they were started with, over a change of the leader too', async () => {
    const world = await World.start(304);
    const upgradeStrategy = { minimumHealthCapacity: 1, maximumOverCapacity: 0 };
    await world.put(WEB, { instances: 2, ...killingAt(2), upgradeStrategy });
    await expectRight(world, copies(2, 'run'));
    // More versions than are kept, none of which starts or has a check: only the tasks that run still name the first.
    for (let change = 0; change < 60; change += 1) await world.put(WEB, { cmd: `cannot start ${change}`, healthChecks: [] }, true);
    await world.settle('prune', world.paasStore!.prune(world.paasDatabase.epoch, { events: 10, deployments: 1, versionsPerApp: 1 }));
    expect(world.paasDatabase.versions.get(WEB)!.size).toBeLessThan(5);
    world.killApi();
    await world.startApi();
    const [process] = world.processes();
    await world.clock.until('connected', () => world.api.isConnected);
    makeSick(process!);
    await world.clock.until('it was killed', () => process!.exit !== null, 20_000);
    await world.clock.until('the old version runs there again', () => commands(world).join() === 'run,run', 60_000);
    await world.put(WEB, { cmd: 'run v2', ...killingAt(2) }, true);
    await expectRight(world, copies(2, 'run v2'));
  });

  it('keep it within one term, and while a roll-out to a version without checks hangs', async () => {
    const world = await World.start(305);
    await world.put(WEB, { instances: 2, ...killingAt(2), upgradeStrategy: { minimumHealthCapacity: 1, maximumOverCapacity: 0 } });
    await expectRight(world, copies(2, 'run'));
    await world.put(WEB, { cmd: 'cannot start', healthChecks: [] });
    await world.clock.run(10_000);
    const [process] = world.processes();
    makeSick(process!);
    await world.clock.until('it was killed', () => process!.exit !== null, 20_000);
    await world.clock.until('the old version runs there again', () => commands(world).join() === 'run,run', 60_000);
  });
});

describe('7.1 #15: the delay after an end', () => {
  const BACKOFF = { backoffSeconds: 20, backoffFactor: 2, maxLaunchDelaySeconds: 3600 };

  const msUntilNext = async (world: World): Promise<number> => {
    await world.clock.until('it has ended', () => commands(world).length === 0, 30_000);
    const endedAt = world.clock.now();
    await world.clock.until('the next one', () => commands(world).length === 1, 100_000);
    return world.clock.now() - endedAt;
  };

  it.each<[string, (world: World) => void]>([
    ['a health check has killed it', (world) => makeSick(world.processes()[0]!)],
    ['it crashed', (world) => crash(world, world.processes()[0]!)],
    ['it ended by itself, without an error', (world) => crash(world, world.processes()[0]!, 0)],
  ])('is earned where %s, and grows', async (_what, end) => {
    const world = await World.start(306);
    await world.put(WEB, { ...killingAt(2), ...BACKOFF });
    for (const delayMs of [20_000, 40_000]) {
      await world.clock.until('healthy', () => world.api.view.counts(WEB).healthy === 1, 100_000);
      end(world);
      const ms = await msUntilNext(world);
      expect(ms).toBeGreaterThanOrEqual(delayMs);
      expect(ms).toBeLessThan(delayMs + 2_000);
    }
  });

  it('is none where a user has killed it', async () => {
    const world = await World.start(307);
    await world.put(WEB, { ...killingAt(2), ...BACKOFF });
    await expectRight(world, ['run']);
    await world.settle('kill', world.api.killAppTasks(WEB, null, { scale: false, wipe: false, force: false }));
    expect(await msUntilNext(world)).toBeLessThan(2_000);
  });

  it('is waited for by the next leader too', async () => {
    const world = await World.start(308);
    await world.put(WEB, { ...killingAt(2), ...BACKOFF });
    await expectRight(world, ['run']);
    makeSick(world.processes()[0]!);
    await world.clock.until('it was killed', () => commands(world).length === 0, 20_000);
    const endedAt = world.clock.now();
    await world.clock.until('that is known', () => instanceKind(world) === 'scheduled');
    world.killApi();
    await world.startApi();
    await world.clock.until('the next one', () => commands(world).length === 1, 100_000);
    expect(world.clock.now() - endedAt).toBeGreaterThanOrEqual(20_000);
  });

  const instanceKind = (world: World) => world.api.view.instances(WEB)[0]?.condition.kind;
});

describe('1.13 rows 3 and 4: what is never true', () => {
  const READY = [{ name: 'ready', protocol: 'HTTP', path: '/', portName: 'http', intervalSeconds: 2, timeoutSeconds: 1 }];

  it.each([
    { row: 3, what: 'health', body: CHECKED, text: 'not healthy yet (1 failing, 0 without a result)' },
    { row: 4, what: 'readiness', body: { portDefinitions: CHECKED.portDefinitions, readinessChecks: READY }, text: 'healthy and not ready yet' },
  ])('row $row, $what: the deployment says so, is stuck with that reason, and the old version serves on', async ({ body, text, what }) => {
    const world = await World.start(309);
    const upgradeStrategy = { minimumHealthCapacity: 1, maximumOverCapacity: 0 };
    await world.put(WEB, { cmd: 'run v1', instances: 2, ...body, progressDeadlineSeconds: 60, upgradeStrategy });
    await expectRight(world, copies(2, 'run v1'));
    await world.put(WEB, { cmd: 'run unhealthy v2' });
    await world.clock.until('it says what it waits for', () => reasons(world).includes(text), 20_000);
    const isShown = (): boolean => world.api.view.readiness(WEB).some(({ name, result }) => name === 'ready' && !result.ready);
    if (what === 'readiness') await world.clock.until('its result is shown', isShown, 5_000);
    await world.clock.until('it is stuck', () => world.api.view.deployments()[0]?.stuckSince !== null, 80_000);
    expect(world.api.view.deployments()[0]?.reason).toContain(text);
    expect(commands(world).filter((command) => command === 'run v1')).toHaveLength(2);
    const [deployment] = world.api.view.deployments();
    await world.settle('roll back', world.api.cancelDeployment(deployment!.id, { force: false }));
    await expectRight(world, copies(2, 'run v1'));
    expect(world.processes().every((process) => instanceOf(world, process).goal === 'running')).toBe(true);
  });
});

describe('an agent that dies before its disk knows what it has said', () => {
  // Seed 646723: the next agent remembered success, saw success, and said nothing: the task was unhealthy for ever.
  it('has a successor who says what it sees first, whatever it remembers', async () => {
    const world = await World.start(646_723);
    await world.put(WEB, CHECKED);
    await expectRight(world, ['run']);
    await world.clock.run(10_000);
    const [process] = world.processes();
    makeSick(process!);
    await world.clock.until('it is known to be sick', () => world.api.view.counts(WEB).healthy === 0);
    world.killAgent(world.hosts[0]!);
    process!.sickUntil = 0;
    world.startAgent(world.hosts[0]!);
    await expectRight(world, ['run'], 20_000);
    expect(process!.exit).toBeNull();
  });
});
