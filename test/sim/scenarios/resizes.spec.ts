/** Cpus and memory change while the tasks run: nothing is restarted, and nobody counts less than what they may use. */
import { EKIDEN_RESIZE } from '@ekiden/mesos';
import { breachesAtRest } from '../invariants.js';
import { World } from '../world/world.js';
import { CHECKED, copies, expectRight, reasons, taskIds, WEB } from './expect-right.js';

const BIG = { cpus: 0.2, mem: 64, resizeInPlace: true };
const sizes = (world: World): string[] => world.processes().map(({ size }) => `${size.cpusMilli}/${size.memMib}`);

async function aRunningApp(
  seed: number,
  hosts = 2,
  more: object = {},
  command = 'run',
): Promise<{ readonly world: World; readonly before: readonly string[] }> {
  const world = await World.start(seed, hosts);
  await world.put(WEB, { cmd: command, instances: 3, cpus: 0.1, mem: 128, ...CHECKED, ...more });
  await expectRight(world, copies(3, command));
  return { world, before: taskIds(world) };
}

async function expectResized(world: World, before: readonly string[], size = '200/64', limitMs?: number): Promise<void> {
  await expectRight(world, copies(before.length, 'run'), limitMs);
  expect(sizes(world)).toEqual(before.map(() => size));
  expect(taskIds(world)).toEqual(before);
  await expectRest(world);
}

/** What was said last is acknowledged, and offers that nobody wants are given back. */
async function expectRest(world: World): Promise<void> {
  await world.clock.run(20_000);
  expect(breachesAtRest(world)).toEqual([]);
}

describe('a change of cpus and memory in place', () => {
  it('restarts nothing, then or later, and makes the new version the tasks’ own', async () => {
    const { world, before } = await aRunningApp(61);
    await world.put(WEB, BIG);
    await expectResized(world, before);
    const desired = world.api.view.app(WEB)?.desiredVersion;
    expect(world.api.view.instances(WEB).map(({ version }) => version)).toEqual(before.map(() => desired));
    world.killApi();
    await world.startApi();
    await expectResized(world, before);
    await world.put(WEB, { backoffSeconds: 7 });
    await expectResized(world, before);
    await world.put(WEB, { instances: 4 });
    await expectRight(world, copies(4, 'run'));
    expect(sizes(world)).toEqual(copies(4, '200/64'));
    expect(taskIds(world)).toEqual(expect.arrayContaining([...before]));
  });

  it('goes back by a roll-back, half way too', async () => {
    const { world, before } = await aRunningApp(62, 2, { upgradeStrategy: { minimumHealthCapacity: 1, maximumOverCapacity: 0 } });
    const first = world.api.view.app(WEB)?.desiredVersion ?? 0;
    await world.put(WEB, BIG);
    await world.clock.until('one has it', () => sizes(world).includes('200/64'));
    const row = world.api.view.deployments()[0];
    if (row !== undefined) await world.settle('cancel', world.api.cancelDeployment(row.id, { force: false }));
    await expectResized(world, before, '100/128');
    await world.put(WEB, BIG);
    await expectResized(world, before);
    await world.settle('roll back', world.api.rollbackApp(WEB, first, { force: false, caller: { clientIp: '', uri: '' } }));
    await expectResized(world, before, '100/128');
  });

  it('takes the newest size where another one overtakes', async () => {
    const { world, before } = await aRunningApp(63);
    for (const cpus of [0.2, 0.05, 0.3]) {
      await world.put(WEB, { ...BIG, cpus }, true);
      await world.clock.run(3);
    }
    await expectResized(world, before, '300/64');
  });

  it.each([['call'], ['answer'], ['order'], ['outcome']])('survives the loss of its %s', async (what) => {
    const { world, before } = await aRunningApp(64);
    let isLost = false;
    const once = (isIt: boolean): boolean => isIt && !isLost && (isLost = true);
    if (what === 'call' || what === 'answer')
      world.network.faults.call = (call) => (once(call.type === EKIDEN_RESIZE) ? (what === 'call' ? 'lose' : 'lose-answer') : 'deliver');
    if (what === 'order') world.network.faults.toAgent = ({ type }) => (once(type === 'resize') ? 'cut' : 'deliver');
    if (what === 'outcome')
      world.network.faults.toMaster = (message) =>
        once(message.type === 'status' && (message.status.message ?? '').startsWith('resized')) ? 'cut' : 'deliver';
    await world.put(WEB, BIG);
    await world.clock.until('it was lost', () => isLost);
    await expectResized(world, before);
  });

  it.each([['paas-api'], ['the master'], ['the agents'], ['everything']])('survives the death of %s in the middle', async (what) => {
    const { world, before } = await aRunningApp(65);
    await world.put(WEB, BIG);
    for (let round = 0; round < 4; round += 1) {
      await world.clock.run(1 + round);
      if (what === 'paas-api' || what === 'everything') {
        world.killApi();
        await world.startApi();
      }
      if (what === 'the master' || what === 'everything') {
        world.killMaster();
        await world.startMaster();
      }
      for (const host of what === 'the agents' || what === 'everything' ? world.hosts : []) {
        world.killAgent(host);
        world.startAgent(host);
      }
    }
    await expectResized(world, before);
  });

  it('replaces what the machine refuses, and says why', async () => {
    const { world, before } = await aRunningApp(66, 2, {}, 'run holds 100');
    await world.put(WEB, BIG);
    await world.clock.until('it is said', () => /replaced instead of being resized in place: it holds 100 MiB/.test(reasons(world)));
    await expectRight(world, copies(3, 'run holds 100'));
    expect(sizes(world)).toEqual(copies(3, '200/64'));
    expect(taskIds(world).filter((id) => before.includes(id))).toEqual([]);
  });

  it('replaces what finds no room on its machine, and says what it waits for until then', async () => {
    const world = await World.start(67, 2);
    await world.put(WEB, { cmd: 'run', instances: 1, cpus: 0.1, mem: 64 });
    await expectRight(world, ['run']);
    const host = world.hosts.find(({ machine }) => machine.alive().length === 1)!;
    const roomCpus = host.resources.cpusMilli / 1000 - 0.2;
    const other = world.hosts.find((one) => one !== host)!;
    await world.put('/other/full', { cmd: 'full', instances: 1, cpus: roomCpus, mem: 64, constraints: [['hostname', 'LIKE', host.name]] });
    await expectRight(world, ['full', 'run']);
    await world.put(WEB, { cpus: 1, resizeInPlace: true });
    await world.clock.until('it is said', () => /more on /.test(reasons(world)));
    await world.clock.until('it runs elsewhere', () => other.machine.alive().some(({ command }) => command === 'run'), 90_000);
    await expectRight(world, ['full', 'run'], 90_000);
    await expectRest(world);
  });

  it('replaces where the master cannot do it', async () => {
    const world = await World.start(68, 2, { extensions: false });
    await world.put(WEB, { cmd: 'run', instances: 2, cpus: 0.1, mem: 128, resizeInPlace: true });
    await expectRight(world, ['run', 'run']);
    const before = taskIds(world);
    await world.put(WEB, BIG);
    await expectRight(world, ['run', 'run']);
    expect(sizes(world)).toEqual(['200/64', '200/64']);
    expect(taskIds(world).filter((id) => before.includes(id))).toEqual([]);
  });

  it('replaces as ever where the app does not ask for it', async () => {
    const { world, before } = await aRunningApp(69);
    await world.put(WEB, { cpus: 0.2, mem: 64 });
    await expectRight(world, copies(3, 'run'));
    expect(taskIds(world).filter((id) => before.includes(id))).toEqual([]);
  });
});
