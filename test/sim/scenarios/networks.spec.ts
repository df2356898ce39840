/** Apps with a network of their own: it comes before the task and goes after it, whoever dies in between. */
import { appId, type TaskId } from '@ekiden/model';
import { breachesAtRest } from '../invariants.js';
import { World, type Host } from '../world/world.js';

const WEB = '/shop/web';
/** What was said is acknowledged, what was asked is answered. */
const REST_MS = 120_000;
const BRIDGED = {
  cmd: 'run',
  instances: 2,
  container: { type: 'DOCKER', docker: { image: 'web:1' }, portMappings: [{ containerPort: 80, name: 'http' }] },
  networks: [{ mode: 'container/bridge' }],
  healthChecks: [{ protocol: 'HTTP', portIndex: 0, intervalSeconds: 5, gracePeriodSeconds: 5, timeoutSeconds: 1 }],
};

const addresses = (world: World): (readonly string[])[] =>
  world.api.view.instances(appId(WEB)).flatMap(({ condition }) => (condition.kind === 'running' ? [condition.ipAddresses] : []));

function only(world: World): Host {
  const [host] = world.hosts;
  if (host === undefined) throw new Error('no host');
  return host;
}

it('has its address in each task, keeps it through the death of its agent, and leaves none behind', async () => {
  const world = await World.start(1, 1);
  await world.put(WEB, BRIDGED);
  await world.converged();
  const before = addresses(world);
  expect(before).toEqual([[expect.stringMatching(/^10\.88\.0\./)], [expect.stringMatching(/^10\.88\.0\./)]]);
  world.killAgent(only(world));
  await world.clock.run(1_000);
  world.startAgent(only(world));
  await world.converged();
  expect(addresses(world)).toEqual(before);
  await world.put(WEB, { cmd: 'run again' });
  await world.converged();
  expect(world.running(WEB)).toBe(2);
  await world.put(WEB, { instances: 0 }, true);
  await world.converged();
  await world.clock.run(REST_MS);
  expect(breachesAtRest(world)).toEqual([]);
});

it.each(Array.from({ length: 20 }, (_, index) => index))('is taken away by the next agent when one dies %i ms into a launch or an end', async (ms) => {
  const world = await World.start(1, 1);
  await world.put(WEB, { ...BRIDGED, instances: 1 });
  await world.clock.until('a network', () => ownNetworks(world).size > 0 || world.processes().length > 0);
  const dies = async (): Promise<void> => {
    await world.clock.run(ms);
    world.killAgent(only(world));
    await world.clock.run(1_000);
    world.startAgent(only(world));
    await world.converged();
  };
  await dies();
  expect(world.running(WEB)).toBe(1);
  const [process] = world.processes();
  only(world).machine.end(process?.taskId ?? ('' as TaskId), { code: 1 });
  await dies();
  expect(world.running(WEB)).toBe(1);
  await world.clock.run(REST_MS);
  expect(breachesAtRest(world)).toEqual([]);
});

it('leaves no timer of a kill behind whose task ended while the kill was being written down', async () => {
  const world = await World.start(1, 1);
  await world.put(WEB, { ...BRIDGED, instances: 1 });
  await world.converged();
  const { machine } = only(world);
  const [process] = world.processes();
  const id = process?.taskId ?? ('' as TaskId);
  machine.disk.syncMs = () => 4; // Longer than its end takes to be heard, not as long as its network to be taken away.
  await world.put(WEB, { instances: 0 }, true);
  await world.clock.until('the kill', () => only(world).agent?.task(id)?.kill != null);
  machine.end(id, { code: 1 });
  await world.clock.run(REST_MS);
  expect(breachesAtRest(world)).toEqual([]);
});

it('is gone with a boot of its machine', async () => {
  const world = await World.start(1, 1);
  await world.put(WEB, BRIDGED);
  await world.converged();
  const host = only(world);
  world.killAgent(host, true);
  host.machine.reboot('boot-2');
  world.startAgent(host);
  await world.converged();
  expect(world.running(WEB)).toBe(2);
  await world.clock.run(REST_MS);
  expect(breachesAtRest(world)).toEqual([]);
});

function ownNetworks(world: World): ReadonlySet<string> {
  return new Set(world.hosts.flatMap(({ agent }) => agent?.tasks().flatMap(({ stage, task }) => (stage === 'launching' ? [task.task_id.value] : [])) ?? []));
}
