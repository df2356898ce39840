/** Connections that break for one end only, stall, or lose their machine: whoever is left finds out by itself, and nothing is lost. */
import { AnswerLost } from '../world/virtual-network.js';
import type { End, Wire } from '../world/virtual-wire.js';
import { CALLER, World } from '../world/world.js';
import { copies, expectRight, WEB } from './expect-right.js';

const wireOf = (world: World, kind: Wire['kind']): Wire => [...world.network.wires].find((wire) => wire.kind === kind)!;

async function started(seed: number): Promise<World> {
  const world = await World.start(seed);
  await world.put(WEB, { cmd: 'run v1', instances: 2 });
  await world.converged();
  return world;
}

const expectTwo = (world: World, command: string): Promise<void> => expectRight(world, copies(2, command));

describe('a stalled connection', () => {
  it.each(['stream', 'link'] as const)('(%s) delivers everything in the end, and nobody takes it for dead', async (kind) => {
    const world = await started(1);
    await world.clock.run(10_000); // No offers are at hand any more.
    const wire = wireOf(world, kind);
    world.network.stall(wire, 3_000);
    const changed = world.put(WEB, { cmd: 'run v2' });
    await world.clock.run(2_000);
    expect(world.processes().some((process) => process.command === 'run v2')).toBe(false);
    await changed;
    await expectTwo(world, 'run v2');
    expect(wireOf(world, kind)).toBe(wire);
  });

  it.each(['stream', 'link'] as const)('(%s) that stalls for long is given up for another one', async (kind) => {
    const world = await started(2);
    const wire = wireOf(world, kind);
    world.network.stall(wire, 100_000);
    await world.put(WEB, { cmd: 'run v2' });
    await expectTwo(world, 'run v2');
    await world.clock.run(120_000);
    expect(world.network.wires.has(wire)).toBe(false);
    await expectTwo(world, 'run v2');
  });
});

describe('a half-closed connection', () => {
  const cases: readonly (readonly [Wire['kind'], End])[] = [
    ['stream', 'opener'],
    ['stream', 'master'],
    ['link', 'opener'],
    ['link', 'master'],
  ];
  it.each(cases)('(%s, of which only the %s knows) is replaced', async (kind, told) => {
    const world = await started(3);
    const wire = wireOf(world, kind);
    world.network.halfClose(wire, told);
    await world.put(WEB, { cmd: 'run v2' });
    await world.clock.until('another one is there', () => !world.network.wires.has(wire) && [...world.network.wires].some((one) => one.kind === kind));
    await expectTwo(world, 'run v2');
  });
});

// A day's seed 2: each new stream broke under the master's answers about a thousand tasks, and 3,000 others followed within a minute.
it('a stream that breaks under the answers about all tasks is not followed by the next without a pause', async () => {
  const world = await started(7);
  let streams = 0;
  world.network.faults.event = ({ type }) => {
    if (type === 'SUBSCRIBED') streams += 1;
    return type === 'UPDATE' ? 'cut' : 'deliver';
  };
  wireOf(world, 'stream').end('the network broke');
  await world.clock.run(60_000);
  expect(streams).toBeGreaterThan(10);
  expect(streams).toBeLessThan(30);
  world.network.faults.event = () => 'deliver';
  await expectTwo(world, 'run v1');
});

it('a machine that loses its power tells nobody, and its tasks are replaced once it is back', async () => {
  const world = await started(4);
  const [host] = world.hosts;
  world.killAgent(host!, true);
  host!.machine.reboot('boot-2');
  await world.clock.run(10_000);
  expect(world.master.state.agents()[0]).toMatchObject({ connected: true });
  world.startAgent(host!);
  await world.clock.until('both are replaced', () => world.running(WEB) === 2 && world.processes().length === 2);
  await expectTwo(world, 'run v1');
});

it.each(['lose', 'lose-answer', 'late', 'double', 'slow'] as const)('a user whose request suffers "%s" is not lied to', async (fate) => {
  const world = await started(5);
  world.network.faults.request = () => fate;
  const ask = world.network.request(() =>
    world.api.changeApps([{ id: WEB, body: { instances: 3 }, partial: true, expect: 'any' }], { force: true, caller: CALLER }),
  );
  const answer = await world.settle(
    'the request',
    ask.catch((error: unknown) => error),
  );
  expect(answer instanceof AnswerLost).toBe(fate !== 'slow');
  await world.clock.run(100); // a late one is being carried out only now
  await world.converged();
  expect(world.running(WEB)).toBe(fate === 'lose' ? 2 : 3);
});

// Seed 617598: it became two agents on one link, and the KILLs of what was launched on the one went to nobody.
it('an agent whose first registration comes twice is one agent', async () => {
  const world = await World.start(6);
  world.network.faults.toMaster = ({ type }) => (type === 'register' ? 'double' : 'deliver');
  world.addHost('agent-2');
  await world.clock.until('it is registered', () => world.hosts[1]!.agent?.view().registered === true);
  await world.clock.run(1_000);
  expect([...world.masterDatabase.agents.values()].map(({ hostname }) => hostname)).toEqual(['agent-1', 'agent-2']);
});

it('a link over which nobody registers is closed by the master', async () => {
  const world = await World.start(8);
  world.network.faults.toMaster = ({ type }) => {
    if (type !== 'register') return 'deliver';
    world.network.faults.toMaster = () => 'deliver';
    const wire = [...world.network.wires].findLast(({ by }) => by === 'agent-2')!;
    world.clock.after(0, () => world.network.halfClose(wire, 'opener'));
    return 'lose';
  };
  world.addHost('agent-2');
  await world.clock.until('it is registered', () => world.hosts[1]!.agent?.view().registered === true);
  expect(world.master.state.sizes().connections).toBe(3);
  await world.clock.run(60_000);
  expect(world.master.state.sizes().connections).toBe(2);
});
