/** Plain Mesos mode: the master announces and passes on nothing of ours, and paas-api gets along with what Mesos has (decision 1). */
import { World } from '../world/world.js';
import { commands, expectRight, reasons, WEB } from './expect-right.js';

/** As fast as an agent may probe; dead at the second failure. */
const CHECK = { protocol: 'COMMAND', command: { value: 'check' }, gracePeriodSeconds: 1, intervalSeconds: 1, delaySeconds: 0, maxConsecutiveFailures: 2 };

describe('without the extensions', () => {
  it('deploys, rolls, restarts what crashed and removes', async () => {
    const world = await World.start(11, 2, { extensions: false });
    await world.put(WEB, { cmd: 'run v1', instances: 3, healthChecks: [CHECK] });
    await expectRight(world, ['run v1', 'run v1', 'run v1']);
    expect(world.api.view.counts(WEB)).toMatchObject({ running: 3, healthy: 3 });

    await world.put(WEB, { cmd: 'run v2' });
    await expectRight(world, ['run v2', 'run v2', 'run v2']);

    const victim = world.processes()[0]!;
    world.hosts.forEach((host) => host.machine.end(victim.taskId, { code: 3 }));
    await world.clock.until('the crash is seen', () => world.running(WEB) === 2);
    await expectRight(world, ['run v2', 'run v2', 'run v2']);

    await world.settle('DELETE', world.api.deleteApp(WEB, { force: true }));
    await expectRight(world, []);
  });

  it('lets the agent kill what its health check failed, and launches it again after a back-off', async () => {
    const world = await World.start(12, 1, { extensions: false });
    await world.put(WEB, { cmd: 'run', healthChecks: [CHECK] });
    await expectRight(world, ['run']);
    const sick = world.processes()[0]!;
    sick.sickUntil = Number.POSITIVE_INFINITY;
    await world.clock.until('the agent killed it', () => sick.exit !== null);
    await world.clock.until('its end is a failure', () => world.api.view.failure(WEB)?.taskId === sick.taskId);
    expect(world.api.view.failure(WEB)).toMatchObject({ state: 'TASK_KILLED', message: expect.stringContaining('Health check failed 2 times') });
    expect(world.api.view.instances(WEB)[0]?.backoffMs).toBeGreaterThan(0);
    await expectRight(world, ['run']);
    expect(world.processes()[0]?.taskId).not.toBe(sick.taskId);
  });

  it('learns after a restart of paas-api who is healthy', async () => {
    const world = await World.start(13, 1, { extensions: false });
    await world.put(WEB, { cmd: 'run', instances: 2, healthChecks: [CHECK] });
    await expectRight(world, ['run', 'run']);
    world.killApi();
    await world.clock.run(5_000);
    await world.startApi();
    await expectRight(world, ['run', 'run']);
    expect(world.api.view.counts(WEB)).toMatchObject({ healthy: 2 });
  });
});

describe('an app that needs more than Mesos has', () => {
  it('is not launched, and everything says why, until a master comes that carries it', async () => {
    const world = await World.start(14, 1, { extensions: false });
    await world.put(WEB, { cmd: 'run', instances: 2, healthChecks: [CHECK, CHECK] });
    await world.clock.run(20_000);
    expect(world.processes()).toEqual([]);
    const { view } = world.api;
    expect(view.plan(WEB)?.waitingFor).toEqual([
      expect.objectContaining({ kind: 'master', text: expect.stringMatching(/^2 of 2 instances cannot be launched: .* 2 health checks; use one/) }),
    ]);
    expect(view.queue()).toEqual([expect.objectContaining({ count: 2, heldBecause: expect.stringContaining('2 health checks') })]);
    expect(view.deployments()[0]?.reason).toContain('2 health checks');

    world.killMaster();
    world.hasExtensions = true;
    await world.startMaster();
    await expectRight(world, ['run', 'run']);
    expect(reasons(world)).toBe('');
  });

  it('gets stuck with the reason, and can be corrected', async () => {
    const world = await World.start(15, 1, { extensions: false });
    await world.put(WEB, { cmd: 'run', healthChecks: [{ ...CHECK, maxConsecutiveFailures: 0 }], progressDeadlineSeconds: 30 });
    await world.clock.until('it is stuck', () => world.api.view.deployments()[0]?.stuckSince != null);
    expect(reasons(world)).toContain('maxConsecutiveFailures 0');
    await world.put(WEB, { healthChecks: [CHECK] }, true);
    await expectRight(world, ['run']);
  });

  it('keeps its old version running meanwhile, whatever the budget allows', async () => {
    const world = await World.start(16, 1, { extensions: false });
    const upgradeStrategy = { minimumHealthCapacity: 0, maximumOverCapacity: 0 };
    await world.put(WEB, { cmd: 'run v1', instances: 2, healthChecks: [CHECK], upgradeStrategy });
    await expectRight(world, ['run v1', 'run v1']);
    await world.put(WEB, { cmd: 'run v2', healthChecks: [CHECK, CHECK] });
    await world.clock.run(60_000);
    expect(commands(world)).toEqual(['run v1', 'run v1']);
    expect(reasons(world)).toContain('2 of 2 instances cannot be launched');
    await world.put(WEB, { cmd: 'run v3', healthChecks: [CHECK] }, true);
    await expectRight(world, ['run v3', 'run v3']);
  });
});

// Ours says of no task that it is over while it runs; a plain Mesos takes such a word back when an agent returns.
it('a task that was given up, and runs all the same, is killed, and not the one that has its place', async () => {
  const world = await World.start(510);
  await world.put(WEB, { instances: 1 });
  await expectRight(world, ['run']);
  const [former] = world.hosts[0]!.machine.started;
  const [agent] = world.master.state.agents();
  const status = { task_id: { value: former!.taskId }, agent_id: { value: agent!.agentId }, state: 'TASK_LOST', reason: 'REASON_EXECUTOR_TERMINATED', source: 'SOURCE_AGENT' } as const; // prettier-ignore
  world.network.say({ type: 'UPDATE', update: { status } });
  await world.clock.until('it is replaced', () => world.processes().length === 2, 10_000);
  [...world.network.wires].find(({ kind }) => kind === 'stream')!.end('connection reset');
  await world.clock.until('it is killed', () => former!.exit !== null, 10_000);
  await world.clock.run(20_000);
  expect(world.processes().map(({ taskId }) => taskId)).toEqual([world.hosts[0]!.machine.started[1]!.taskId]);
});
