/**
 * The traps about deployments as such, by the numbers of the reference: 7.1 #3, #4, #11 and the table 1.13.
 *
 * 1.13 rows 3 and 4 are in traps-health.spec.ts. Row 6 waits for volumes. Of 7.1 #11 the force by default is HTTP's
 * (`apps.controller.ts`), `DELETE /v2/groups` is no route yet, and 7.1 #18 (500 for an unknown URI) is the server's alone.
 */
import type { DeploymentRow } from '../../../apps/paas-api/src/store/paas-store.js';
import { breaches } from '../invariants.js';
import { CALLER, SMALL_MACHINE, World } from '../world/world.js';
import { CART, CHECKED, commands, copies, crash, expectRight, reasons, taskIds, WEB } from './expect-right.js';

const deployment = (world: World): DeploymentRow => world.api.view.deployments()[0]!;
const undo = (world: World) => world.settle('roll back', world.api.cancelDeployment(deployment(world).id, { force: false }));
const becomesStuck = (world: World) => world.clock.until('it is stuck', () => world.api.view.deployments()[0]?.stuckSince != null, 200_000);

/** One request for both apps, the cart depending on the web. */
async function putBoth(world: World, web: object, cart: object): Promise<void> {
  const both = [
    { id: CART, body: { cmd: 'run cart', cpus: 0.1, mem: 32, dependencies: [WEB], ...cart } },
    { id: WEB, body: { cmd: 'run web', cpus: 0.1, mem: 32, ...web } },
  ];
  const changes = both.map(({ id, body }) => ({ id, body, partial: true, expect: 'any' as const }));
  await world.settle('PUT both', world.api.changeApps(changes, { force: true, caller: CALLER }));
}

describe('7.1 #3: the version of a roll-back', () => {
  it('is a new one each time, whichever process makes it', async () => {
    const world = await World.start(401);
    await world.put(WEB, { cmd: 'run v1' });
    await expectRight(world, ['run v1']);
    const seen = world.api.view.versions(WEB).map(({ version }) => version);
    for (let time = 0; time < 3; time += 1) {
      await world.put(WEB, { cmd: `run bad ${time}`, constraints: [['hostname', 'IS', 'nowhere']] });
      if (time === 1) {
        world.killApi();
        await world.startApi();
      }
      await undo(world);
      await expectRight(world, ['run v1']);
      const newest = world.api.view.app(WEB)?.desiredVersion ?? 0;
      expect(newest).toBeGreaterThan(Math.max(...world.api.view.versions(WEB).map(({ version }) => (version === newest ? 0 : version)), ...seen));
      expect(newest).toBeLessThanOrEqual(world.clock.now() + 1_000);
      seen.push(newest);
    }
    expect(new Set(seen).size).toBe(4);
  });
});

describe('7.1 #4: a stored deployment that cannot be understood', () => {
  it('is undone with a reason, and stops neither its app nor the other deployments', async () => {
    const world = await World.start(402);
    await world.put(WEB, { cmd: 'run v1', instances: 2 });
    await world.put(CART, { cmd: 'run c1' });
    await expectRight(world, ['run c1', ...copies(2, 'run v1')]);
    await world.put(WEB, { cmd: 'run unhealthy v2', ...CHECKED });
    await world.put(CART, { cmd: 'run unhealthy c2', ...CHECKED });
    await world.clock.run(10_000);
    world.killApi();
    const broken = [...world.paasDatabase.deployments.values()].find((row) => row.state === 'running' && row.changes[0]?.appId === WEB)!;
    world.judge.excuse('api-f');
    world.paasDatabase.versions.get(WEB)!.delete(broken.version);
    await world.startApi();
    await world.clock.run(20_000);
    expect(commands(world)).toEqual(expect.arrayContaining(['run c1', 'run v1', 'run v1']));
    expect(breaches(world)).toEqual([]);
    expect(world.paasDatabase.deployments.get(broken.id)).toMatchObject({
      state: 'rolled-back',
      reason: expect.stringContaining('of /shop/web is named and not stored'),
    });
    await world.put(CART, { cmd: 'run c3' }, true);
    await expectRight(world, ['run c3', ...copies(2, 'run v1')]);
  });

  it('(no deployment: the version of an app at rest is lost) kills nobody, says so, and a new version heals it', async () => {
    const world = await World.start(418);
    await world.put(WEB, { cmd: 'run v1', instances: 2 });
    await expectRight(world, copies(2, 'run v1'));
    await world.put(WEB, { cmd: 'run v2' });
    await expectRight(world, copies(2, 'run v2'));
    world.killApi();
    world.judge.excuse('api-f');
    world.paasDatabase.versions.get(WEB)!.delete(world.paasDatabase.apps.get(WEB)!.activeVersion!);
    await world.startApi();
    await world.clock.run(20_000);
    expect(commands(world)).toEqual(copies(2, 'run v2'));
    expect(reasons(world)).toContain('of /shop/web is named and not stored');
    await world.put(WEB, { cmd: 'run v3', cpus: 0.1, mem: 32, instances: 1 });
    await expectRight(world, ['run v3']);
  });
});

describe('7.1 #11: a forced delete of one app', () => {
  it('takes nothing else with it: what its deployment had begun elsewhere is finished', async () => {
    const world = await World.start(403);
    await putBoth(world, { ...CHECKED, cmd: 'run unhealthy web' }, {});
    await world.put('/other/app', { cmd: 'run other' });
    await world.clock.run(5_000);
    await world.settle('DELETE', world.api.deleteApp(WEB, { force: true }));
    await expectRight(world, ['run cart', 'run other']);
  });
});

describe('1.13 row 1: no offer matches', () => {
  it.each<[string, object, RegExp]>([
    ['too many cpus', { cpus: 64 }, /InsufficientCpus: needs 64 cpus, 4 are free/],
    ['too much memory', { mem: 65_536 }, /InsufficientMemory: needs 65536 MiB/],
    ['an attribute with a typo', { constraints: [['rak', 'IS', 'r1']] }, /UnfulfilledConstraint: .*rak/],
    ['a port that nobody has', { portDefinitions: [{ port: 80 }], requirePorts: true }, /InsufficientPorts: .*80/],
    ['a reservation', { role: 'shop', acceptedResourceRoles: ['shop'] }, /NoCorrespondingReservationFound/],
  ])('(%s) is said, holds no deadline against it, and heals', async (_what, body, expected) => {
    const world = await World.start(404);
    await world.put(WEB, { instances: 2, progressDeadlineSeconds: 30, ...body });
    await world.clock.run(60_000);
    expect(reasons(world)).toMatch(/2 of 2 instances wait for an offer/);
    expect(reasons(world)).toMatch(expected);
    expect(deployment(world).stuckSince).toBeNull();
    await world.put(WEB, { cpus: 0.1, mem: 32, constraints: [], portDefinitions: [], requirePorts: false, acceptedResourceRoles: ['*'], role: '*' }, true);
    await expectRight(world, copies(2, 'run'));
  });

  it('ends by itself when a machine comes that fits', async () => {
    const world = await World.start(405);
    await world.put(WEB, { cpus: 8 });
    await world.clock.run(60_000);
    expect(commands(world)).toEqual([]);
    world.addHost('agent-2', {}, { ...SMALL_MACHINE, cpusMilli: 16_000 });
    await expectRight(world, ['run'], 10_000);
  });
});

describe('1.13 row 2: a task that crashes at once', () => {
  const CRASHING = { ...CHECKED, cmd: 'exit 1 after 50 unhealthy', backoffSeconds: 1, backoffFactor: 2, maxLaunchDelaySeconds: 8, progressDeadlineSeconds: 60 };

  it('is tried again ever more rarely, never more often than the limit says, and makes its deployment stuck', async () => {
    const world = await World.start(406);
    await world.put(WEB, CRASHING);
    const starts = () => world.hosts[0]!.machine.started.length;
    await world.clock.run(60_000);
    expect(starts()).toBeLessThanOrEqual(11);
    const before = starts();
    await world.clock.run(80_000);
    // The cap of 8 s: neither rarer nor more often.
    expect(starts() - before).toBeGreaterThanOrEqual(9);
    expect(starts() - before).toBeLessThanOrEqual(10);
    expect(deployment(world).stuckSince).not.toBeNull();
    expect(reasons(world)).toMatch(/after a failure, the next launch is in \d s/);
    expect(world.api.view.failure(WEB)).toMatchObject({ state: 'TASK_FAILED', message: expect.stringContaining('1') });
  });

  it('is rolled back by itself where that was asked for, and the old version never went', async () => {
    const world = await World.start(407);
    const upgradeStrategy = { minimumHealthCapacity: 1, maximumOverCapacity: 0 };
    await world.put(WEB, { cmd: 'run v1', instances: 2, upgradeStrategy });
    await expectRight(world, copies(2, 'run v1'));
    const before = taskIds(world);
    await world.put(WEB, { ...CRASHING, cmd: 'cannot start', rollbackWhenStuck: true });
    await world.clock.until('it was rolled back', () => [...world.paasDatabase.deployments.values()].some(({ rollbackOf }) => rollbackOf !== null), 200_000);
    await expectRight(world, copies(2, 'run v1'));
    expect(taskIds(world)).toEqual(before);
  });
});

describe('1.13 row 5: a kill that nobody confirms', () => {
  it('(its agent is gone) ends with the agent, and the task is killed when the agent is back', async () => {
    const world = await World.start(408, 2);
    await world.put(WEB, { instances: 2, constraints: [['hostname', 'UNIQUE']], unreachableStrategy: 'disabled' });
    await expectRight(world, copies(2, 'run'));
    world.network.isolate('agent-1', 'both');
    await world.put(WEB, { instances: 1 });
    await world.put(WEB, { instances: 0 }, true);
    await world.clock.until('what it waits for is said', () => reasons(world).includes('1 instance is being stopped'), 30_000);
    await world.converged();
    expect(commands(world)).toEqual(['run']);
    world.network.heal('agent-1');
    await world.clock.until('the surplus is killed', () => commands(world).length === 0, 15_000);
    expect(breaches(world)).toEqual([]);
  });

  it('(the process does not die) is said, makes it stuck, and its place is given to nobody', async () => {
    const world = await World.start(409);
    await world.put(WEB, {
      cmd: 'run unkillable',
      cpus: 3,
      progressDeadlineSeconds: 60,
      upgradeStrategy: { minimumHealthCapacity: 0, maximumOverCapacity: 0 },
    });
    await expectRight(world, ['run unkillable']);
    await world.put(WEB, { cmd: 'run v2' });
    await becomesStuck(world);
    expect(deployment(world).reason).toContain('1 instance is being stopped');
    expect(breaches(world)).toEqual([]);
    expect(commands(world)).toEqual(['run unkillable']);
    world.hosts[0]!.machine.end(world.processes()[0]!.taskId, { signal: 'SIGKILL' });
    await expectRight(world, ['run v2'], 10_000);
  });

  it('(the KILL is lost, again and again) is repeated until the task is gone', async () => {
    const world = await World.start(410);
    await world.put(WEB, { instances: 1 });
    await expectRight(world, ['run']);
    let lost = 0;
    world.network.faults.call = ({ type }) => (type === 'KILL' && lost < 3 ? (lost++, 'lose') : 'deliver');
    await world.put(WEB, { instances: 0 });
    await expectRight(world, []);
    expect(lost).toBe(3);
  });
});

describe('1.13 row 7: no place for a new instance', () => {
  const FIXED = { portDefinitions: [{ port: 31_000, name: 'http' }], requirePorts: true };
  const strategy = (minimumHealthCapacity: number) => ({ upgradeStrategy: { minimumHealthCapacity, maximumOverCapacity: 1 } });

  it('(fixed ports, all of them taken by the old ones) is made where some may be missing for a while', async () => {
    const world = await World.start(411, 2);
    await world.put(WEB, { cmd: 'run v1', instances: 2, ...FIXED, ...strategy(0.5) });
    await expectRight(world, copies(2, 'run v1'));
    await world.put(WEB, { cmd: 'run v2' });
    await expectRight(world, copies(2, 'run v2'));
  });

  it('(the same, and none may be missing) is said with the port, and an edit of the strategy is enough', async () => {
    const world = await World.start(412, 2);
    await world.put(WEB, { cmd: 'run v1', instances: 2, ...FIXED, ...strategy(1) });
    await expectRight(world, copies(2, 'run v1'));
    await world.put(WEB, { cmd: 'run v2' });
    await world.clock.run(60_000);
    expect(commands(world)).toEqual(copies(2, 'run v1'));
    expect(reasons(world)).toMatch(/InsufficientPorts: .*31000/);
    expect(reasons(world)).toMatch(/2 old or surplus instances have to stay for now: .*2 have to stay healthy/);
    await world.put(WEB, strategy(0.5), true);
    await expectRight(world, copies(2, 'run v2'));
  });

  it('(the cluster is full) is made by an old one where that is allowed', async () => {
    const world = await World.start(413);
    await world.put(WEB, { cmd: 'run v1', cpus: 1, instances: 4, upgradeStrategy: { minimumHealthCapacity: 0.75, maximumOverCapacity: 0.25 } });
    await expectRight(world, copies(4, 'run v1'));
    await world.put(WEB, { cmd: 'run v2' });
    await expectRight(world, copies(4, 'run v2'));
  });
});

describe('1.13 row 8: a dependency that does not get ready', () => {
  it('holds what depends on it, says why, gets stuck, and goes on once it is repaired', async () => {
    const world = await World.start(414);
    await putBoth(world, { cmd: 'run unhealthy web', ...CHECKED, progressDeadlineSeconds: 60 }, {});
    await becomesStuck(world);
    expect(commands(world)).toEqual(['run unhealthy web']);
    expect(deployment(world).reason).toContain('1 of 1 instance runs and is not healthy yet');
    for (const process of world.processes()) world.hosts.forEach(({ machine }) => machine.end(process.taskId, { code: 1 }));
    await world.put(WEB, { cmd: 'run web' }, true);
    await expectRight(world, ['run cart', 'run web']);
  });
});

describe('1.13 row 9: the store refuses', () => {
  it.each(['before', 'after'] as const)('each third commit (%s it was written): the deployment ends all the same', async (fault) => {
    const world = await World.start(415, 2);
    await world.put(WEB, { cmd: 'run v1', instances: 3 });
    await expectRight(world, copies(3, 'run v1'));
    await world.put(WEB, { cmd: 'run v2' });
    let commits = 0;
    world.atCommit = () => void (++commits % 5 === 0 && world.commitFaults.push(fault));
    await expectRight(world, copies(3, 'run v2'), 300_000);
    world.atCommit = null;
    world.commitFaults.length = 0;
    expect([...world.paasDatabase.deployments.values()].map(({ state }) => state)).toEqual(['succeeded', 'succeeded']);
  });

  it('all writes for a minute, and reads go well: neither it nor the master is asked without a pause', async () => {
    const world = await World.start(419);
    await world.put(WEB, { cmd: 'run v1', instances: 2 });
    await expectRight(world, copies(2, 'run v1'));
    const until = world.clock.now() + 60_000;
    let [refused, asked] = [0, 0];
    world.atCommit = () => {
      if (world.clock.now() >= until) return;
      refused += 1;
      world.commitFaults.push('before');
    };
    world.network.faults.call = ({ type }) => ((asked += Number(type === 'RECONCILE')), 'deliver');
    world.commitFaults.push('before');
    crash(world, world.processes()[0]!);
    await world.clock.run(60_000);
    expect(refused).toBeGreaterThan(10);
    expect(refused).toBeLessThan(100);
    expect(asked).toBeLessThan(200);
    world.commitFaults.length = 0;
    await world.put(WEB, { cmd: 'run v3' });
    await expectRight(world, copies(2, 'run v3'));
  });

  it('for a minute: what was answered stays, what was not is not there, and all goes on', async () => {
    const world = await World.start(416);
    await world.put(WEB, { cmd: 'run v1', instances: 2 });
    await expectRight(world, copies(2, 'run v1'));
    await world.put(WEB, { cmd: 'run v2' });
    world.paasStore!.setAvailable(false);
    const refused = await world.settle(
      'PUT',
      world.put(WEB, { cmd: 'run v3' }, true).then(
        () => 'taken',
        (error: { code?: string }) => error.code,
      ),
    );
    expect(refused).toBe('store-unavailable');
    await world.clock.run(60_000);
    world.paasStore!.setAvailable(true);
    await expectRight(world, copies(2, 'run v2'));
  });
});

describe('1.13: out of a deployment that stands still', () => {
  const STUCK = { cmd: 'run unhealthy v2', ...CHECKED, progressDeadlineSeconds: 30 };

  it.each<[string, (world: World) => Promise<unknown>, string[]]>([
    ['a forced change', (world) => world.put(WEB, { cmd: 'run v3' }, true), copies(3, 'run v3')],
    ['a roll-back', (world) => undo(world), copies(3, 'run v1')],
    ['no instances at all', (world) => world.put(WEB, { instances: 0 }, true), []],
    ['a forced delete', (world) => world.settle('DELETE', world.api.deleteApp(WEB, { force: true })), []],
  ])('%s leads', async (_way, leave, expected) => {
    const world = await World.start(417);
    await world.put(WEB, { cmd: 'run v1', instances: 3, upgradeStrategy: { minimumHealthCapacity: 1, maximumOverCapacity: 0 } });
    await expectRight(world, copies(3, 'run v1'));
    await world.put(WEB, STUCK);
    await becomesStuck(world);
    await leave(world);
    await expectRight(world, expected);
  });
});
