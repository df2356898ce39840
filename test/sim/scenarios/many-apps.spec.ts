/** Deployments of several apps: what one of them meets must not be paid for by the others. */
import { appId, type AppId } from '@ekiden/model';
import { breaches } from '../invariants.js';
import { CALLER, World } from '../world/world.js';
import { CART, CHECKED, commands, copies, expectRight, taskIds, WEB } from './expect-right.js';

const DB = appId('/shop/db');
const SMALL = { cpus: 0.1, mem: 32 };
type Bodies = readonly (readonly [AppId, Record<string, unknown>])[];

/** One request for all of them. */
const putAll = (world: World, bodies: Bodies, force = false) =>
  world.settle(
    'PUT all',
    world.api.changeApps(
      bodies.map(([id, body]) => ({ id, body: { ...SMALL, ...body }, partial: true, expect: 'any' as const })),
      { force, caller: CALLER },
    ),
  );

/** The cart needs the web, the web needs the database. */
const CHAIN: Bodies = [
  [CART, { cmd: 'run cart 1', dependencies: [WEB] }],
  [WEB, { cmd: 'run web 1', dependencies: [DB] }],
  [DB, { cmd: 'run db 1', ...CHECKED }],
];
const ALL = ['run cart 1', 'run db 1', 'run web 1'];

describe('a deployment of a chain of apps', () => {
  it.each(['paas-api', 'master'] as const)('goes on at the layer where it was when the %s dies', async (part) => {
    const world = await World.start(901);
    const order: string[] = [];
    world.witnesses.add((event) => void (event.kind === 'process-started' && order.push(event.process.command)));
    await putAll(world, CHAIN);
    await world.clock.until('the second layer is there', () => order.includes('run web 1'));
    if (part === 'paas-api') {
      world.killApi();
      await world.startApi();
    } else {
      world.killMaster();
      await world.startMaster();
    }
    await expectRight(world, ALL);
    expect(order).toEqual(['run db 1', 'run web 1', 'run cart 1']);
  });

  it('that is rolled back half way leaves each app as it was, and what was not touched yet untouched', async () => {
    const world = await World.start(902);
    await putAll(world, CHAIN);
    await expectRight(world, ALL);
    const [cart] = world.processes().filter(({ command }) => command === 'run cart 1');
    await putAll(world, [
      [CART, { cmd: 'run cart 2' }],
      [WEB, { cmd: 'run web 2' }],
      [DB, { cmd: 'run unhealthy db 2' }],
    ]);
    await world.clock.run(10_000);
    expect(commands(world)).toEqual([...ALL, 'run unhealthy db 2'].sort());
    await world.settle('roll back', world.api.cancelDeployment(world.api.view.deployments()[0]!.id, { force: false }));
    await expectRight(world, ALL);
    expect(cart!.exit).toBeNull();
  });

  it('that creates is rolled back by deleting, and one that deletes by creating anew', async () => {
    const world = await World.start(903);
    await putAll(world, [[DB, { cmd: 'run db 1' }]]);
    await expectRight(world, ['run db 1']);
    await putAll(world, [
      [WEB, { cmd: 'run unhealthy web', ...CHECKED }],
      [DB, { cmd: 'run db 2' }],
    ]);
    await world.clock.run(5_000);
    await world.settle('roll back', world.api.cancelDeployment(world.api.view.deployments()[0]!.id, { force: false }));
    await expectRight(world, ['run db 1']);
    expect(world.api.view.app(WEB)).toBeNull();
    await world.put(DB, { drainSeconds: 20 });
    await world.converged();
    const deletion = await world.settle('DELETE', world.api.deleteApp(DB, { force: false }));
    await world.clock.run(2_000);
    await world.settle('roll back', world.api.cancelDeployment(deletion.deploymentId, { force: false }));
    await expectRight(world, ['run db 1']);
  });
});

describe('a forced change in the middle of a deployment of two apps', () => {
  it('takes over what the other app still needs, through a fail-over right after it', async () => {
    const world = await World.start(904);
    await putAll(world, [
      [WEB, { cmd: 'run unhealthy web', ...CHECKED }],
      [CART, { cmd: 'run cart', instances: 3, dependencies: [WEB] }],
    ]);
    await world.clock.run(5_000);
    await world.put(WEB, { cmd: 'run web' }, true);
    world.killApi();
    await world.startApi();
    await expectRight(world, ['run web', ...copies(3, 'run cart')]);
  });

  it('does not lock what it does not touch, nor let anybody through who would', async () => {
    const world = await World.start(905);
    await putAll(world, [[WEB, { cmd: 'run unhealthy web', ...CHECKED }]]);
    await putAll(world, [[CART, { cmd: 'run cart' }]]);
    await world.clock.until('the cart runs', () => world.running(CART) === 1);
    const refused = await putAll(world, [
      [WEB, { cmd: 'run web' }],
      [CART, { cmd: 'run cart 2' }],
    ]).then(
      () => 'taken',
      (error: { code?: string }) => error.code,
    );
    expect(refused).toBe('app-locked');
    const before = taskIds(world);
    await world.clock.run(10_000);
    // All or nothing: the cart of the refused request was not changed either.
    expect(taskIds(world)).toEqual(before);
    expect(breaches(world)).toEqual([]);
  });
});
