/** What happens before a task can start: fetches that take long, and ports that a stranger holds. */
import { appId } from '@ekiden/model';
import { breaches } from '../invariants.js';
import { World } from '../world/world.js';

const WEB = '/shop/web';
const SLOW = { fetch: [{ uri: 'http://slow/20000', cache: true }] };

const stagingNotes = (world: World): string[] =>
  world.api.view.instances(appId(WEB)).flatMap(({ condition }) => (condition.kind === 'staging' && condition.note !== undefined ? [condition.note] : []));
const runs = (world: World): string => `${world.running(WEB)} of ${world.processes().length}`;

describe('a fetch that takes long', () => {
  it('tells how far it is, and then the task runs', async () => {
    const world = await World.start(1, 1);
    await world.put(WEB, { cmd: 'run', instances: 1, ...SLOW });
    await world.clock.until('the first note', () => stagingNotes(world).length > 0);
    expect(stagingNotes(world)).toEqual([expect.stringMatching(/^fetching http:\/\/slow\/20000: \d+ of 20000$/)]);
    const [first] = stagingNotes(world);
    await world.clock.until('another note', () => stagingNotes(world)[0] !== first);
    await world.converged();
    expect(runs(world)).toBe('1 of 1');
    expect(breaches(world)).toEqual([]);
  });

  it('is over when its task is scaled away', async () => {
    const world = await World.start(1, 1);
    await world.put(WEB, { cmd: 'run', instances: 1, ...SLOW });
    await world.clock.until('it fetches', () => stagingNotes(world).length > 0);
    await world.put(WEB, { instances: 0 }, true);
    await world.converged(10_000);
    expect(world.processes()).toEqual([]);
    expect(breaches(world)).toEqual([]);
  });

  it('begins again when its agent has died in the middle', async () => {
    const world = await World.start(1, 1);
    await world.put(WEB, { cmd: 'run', instances: 1, ...SLOW });
    await world.clock.until('it fetches', () => stagingNotes(world).length > 0);
    const [host] = world.hosts;
    if (host === undefined) throw new Error('no host');
    world.killAgent(host);
    world.startAgent(host);
    await world.converged();
    expect(runs(world)).toBe('1 of 1');
    expect(breaches(world)).toEqual([]);
  });

  // The note was the last thing that the dead agent had said of the task: the next one found the process, and told nobody that it runs.
  it('does not hide that the task runs when the agent dies right after the start', async () => {
    const world = await World.start(1, 1);
    await world.put(WEB, { cmd: 'run', instances: 1, ...SLOW });
    const [host] = world.hosts;
    if (host === undefined) throw new Error('no host');
    await world.clock.until('the process', () => world.processes().length === 1);
    world.killAgent(host);
    await world.clock.run(1_000);
    world.startAgent(host);
    await world.converged();
    expect(runs(world)).toBe('1 of 1');
    expect(breaches(world)).toEqual([]);
  });
});

describe('a port that a stranger holds', () => {
  it('fails the task before it starts, with the reason; another port is taken', async () => {
    const world = await World.start(1, 1);
    const [host] = world.hosts;
    if (host === undefined) throw new Error('no host');
    const whole = (): number[] => world.api.view.instances(appId(WEB)).flatMap(({ condition }) => ('task' in condition ? condition.task.ports : []));
    await world.put(WEB, { cmd: 'run', instances: 1, portDefinitions: [{ port: 0 }], backoffSeconds: 1 });
    await world.converged();
    const [port] = whole();
    if (port === undefined) throw new Error('no port');
    for (let taken = port - 2_000; taken <= port + 2_000; taken += 1) host.machine.strangers.add(taken);
    await world.put(WEB, { instances: 2 });
    await world.clock.until('a failure', () => world.api.view.failure(appId(WEB)) !== null);
    expect(world.api.view.failure(appId(WEB))?.message).toMatch(/port \d+\/tcp is taken by a process that is no task of this agent/);
    host.machine.strangers.clear();
    await world.converged();
    expect(runs(world)).toBe('2 of 2');
    expect(breaches(world)).toEqual([]);
  });
});
