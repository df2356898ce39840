/** One version of an app runs one image, whatever its tag means meanwhile (docs/decisions/0010). */
import { appId, liveTask } from '@ekiden/model';
import { breachesAtRest } from '../invariants.js';
import { World, type Host } from '../world/world.js';

const WEB = '/shop/web';
const IMAGE = 'shop/web:1';
const REST_MS = 120_000;
const web = (more: object = {}): Record<string, unknown> => ({ cmd: 'run', instances: 3, container: { type: 'DOCKER', docker: { image: IMAGE } }, ...more });

/** What runs now, in the order of the starts. */
const running = (world: World): readonly (string | undefined)[] =>
  world.hosts.flatMap(({ machine }) => machine.alive().map(({ spec }) => spec.container?.image.registryDigest));

const known = (world: World): readonly (string | undefined)[] => world.api.view.instances(appId(WEB)).map((one) => liveTask(one)?.imageDigest);

const same = (digest: string, count = 3): readonly string[] => Array.from({ length: count }, () => digest);

async function atRest(world: World): Promise<void> {
  await world.converged();
  await world.clock.run(REST_MS);
  expect(breachesAtRest(world)).toEqual([]);
}

it('stays what the first task found, through a scale, crashes, a death of the API and a new label, until the app is restarted', async () => {
  const world = await World.start(1, 3);
  const old = world.registry.push(IMAGE);
  await world.put(WEB, web());
  await world.converged();
  expect(running(world)).toEqual(same(old));
  const next = world.registry.push(IMAGE);
  await world.put(WEB, { instances: 5 }, true);
  await world.converged();
  expect(running(world)).toEqual(same(old, 5));
  for (const host of world.hosts) for (const { taskId } of host.machine.alive()) host.machine.end(taskId, { code: 1 });
  world.killApi();
  await world.clock.run(1_000);
  void world.startApi();
  await world.clock.run(10_000);
  await world.converged();
  expect(running(world)).toEqual(same(old, 5));
  expect(known(world)).toEqual(same(old, 5));
  await world.settle('restartApp', world.api.restartApp(appId(WEB), { force: false }));
  await world.converged();
  expect(running(world)).toEqual(same(next, 5));
  await atRest(world);
});

it('is asked for by one task before the others are launched, and again where that one comes to nothing', async () => {
  const world = await World.start(1, 3);
  world.registry.isAway = true;
  await world.put(WEB, web({ backoffSeconds: 1, backoffFactor: 1 }));
  await world.clock.run(5_000);
  expect(running(world)).toEqual([]);
  expect(world.api.view.plan(appId(WEB))?.waitingFor.map(({ kind }) => kind)).toEqual(expect.arrayContaining([expect.stringMatching(/image|backoff/)]));
  world.registry.isAway = false;
  await world.converged();
  expect(new Set(running(world)).size).toBe(1);
  await atRest(world);
});

it('is asked for anew by a restart of an app that is suspended', async () => {
  const world = await World.start(1, 1);
  world.registry.push(IMAGE);
  await world.put(WEB, web());
  await world.converged();
  await world.put(WEB, { instances: 0 }, true);
  await world.converged();
  const next = world.registry.push(IMAGE);
  await world.settle('restartApp', world.api.restartApp(appId(WEB), { force: false }));
  await world.put(WEB, { instances: 2 }, true);
  await world.converged();
  expect(running(world)).toEqual(same(next, 2));
  await atRest(world);
});

it('is the user’s own where they give the digest: nobody asks, and nobody waits', async () => {
  const world = await World.start(1, 3);
  const own = world.registry.push(IMAGE);
  world.registry.push(IMAGE);
  await world.put(WEB, web({ container: { type: 'MESOS', docker: { image: `${IMAGE}@${own}` } } }));
  await world.clock.until('all are launched', () => known(world).length === 3);
  await world.converged();
  expect(running(world)).toEqual(same(own));
});

it('comes back with its version', async () => {
  const world = await World.start(1, 2);
  const old = world.registry.push(IMAGE);
  await world.put(WEB, web());
  await world.converged();
  const first = world.api.view.app(appId(WEB))?.desiredVersion ?? 0;
  const next = world.registry.push(IMAGE);
  await world.settle('restartApp', world.api.restartApp(appId(WEB), { force: false }));
  await world.converged();
  expect(running(world)).toEqual(same(next));
  await world.settle('rollbackApp', world.api.rollbackApp(appId(WEB), first, { force: false, caller: { clientIp: '', uri: '' } }));
  await world.converged();
  expect(running(world)).toEqual(same(old));
  await atRest(world);
});

it('is what the tasks run that a change back takes over', async () => {
  const world = await World.start(1, 2);
  const old = world.registry.push(IMAGE);
  await world.put(WEB, web());
  await world.converged();
  world.registry.push(IMAGE);
  await world.put(WEB, { env: { A: 'b' }, upgradeStrategy: { minimumHealthCapacity: 1, maximumOverCapacity: 0 } }, true);
  await world.put(WEB, { env: {} }, true);
  await world.converged();
  expect(running(world)).toEqual(same(old));
  await atRest(world);
});

it('cannot be had any more: the failure says what to do, and a restart does it', async () => {
  const world = await World.start(1, 1);
  const old = world.registry.push(IMAGE);
  await world.put(WEB, web({ instances: 1, backoffSeconds: 1 }));
  await world.converged();
  world.registry.push(IMAGE);
  world.registry.forget(old);
  const [host] = world.hosts;
  if (host === undefined) throw new Error('no host');
  world.killAgent(host, true);
  host.machine.reinstall('boot-2');
  world.startAgent(host);
  await world.clock.until('a failure', () => world.api.view.failure(appId(WEB)) !== null && running(world).length === 0);
  await world.clock.run(30_000);
  expect(world.api.view.failure(appId(WEB))?.message).toMatch(/manifest unknown.*restart the app/);
  await world.settle('restartApp', world.api.restartApp(appId(WEB), { force: true }));
  await atRest(world);
  expect(running(world)).toHaveLength(1);
});

it('is one, also where the first to ask was out of reach for a while: who runs another one is started anew', async () => {
  const world = await World.start(1, 2);
  const first = world.registry.push(IMAGE);
  await world.put(WEB, web({ instances: 2, unreachableStrategy: 'disabled' }));
  const asking = (): Host | undefined => world.hosts.find(({ agent }) => (agent?.tasks().length ?? 0) > 0);
  await world.clock.until('one asks', () => asking() !== undefined);
  const host = asking();
  world.network.isolate(host?.name ?? '', 'both');
  await world.clock.until('it runs', () => running(world).length === 1);
  const second = world.registry.push(IMAGE);
  await world.clock.until('the other one runs', () => running(world).length === 2, 300_000);
  expect(new Set(running(world))).toEqual(new Set([first, second]));
  world.network.heal(host?.name ?? '');
  await world.clock.until('both run what is known', () => known(world).length === 2 && known(world).every((digest) => digest === second), 300_000);
  await atRest(world);
  expect(running(world)).toEqual(same(second, 2));
});
