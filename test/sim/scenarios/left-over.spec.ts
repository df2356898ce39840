/** What a part goes on remembering or asking after all is over. */
import { breaches, breachesAtRest } from '../invariants.js';
import { CALLER, World } from '../world/world.js';
import { CART, CHECKED, copies, expectRight, makeSick, WEB } from './expect-right.js';

const REST_MS = 60_000;

describe('a cluster in which nothing happens', () => {
  // Seed 5: once all was answered, everything was asked about anew each second, for ever.
  it('is asked about its tasks seldom', async () => {
    const world = await World.start(201, 2);
    await world.put(WEB, { instances: 4 });
    await world.converged();
    world.killApi();
    await world.startApi();
    await world.clock.run(10_000);
    let questions = 0;
    world.witnesses.add((event) => void (event.kind === 'call-sent' && event.call.type === 'RECONCILE' && questions++));
    await world.clock.run(5 * REST_MS);
    expect(questions).toBe(0);
    await world.clock.run(10 * REST_MS);
    expect(questions).toBeGreaterThan(0);
    expect(questions).toBeLessThan(5);
  });
});

describe('a launch that never reached its agent', () => {
  // Seed 5: the agent's word that it has no such task is not acknowledged, and the master kept the task for ever.
  it('leaves nothing in the master’s books', async () => {
    const world = await World.start(202);
    let isLost = false;
    world.network.faults.toAgent = ({ type }) => (type === 'launch' && !isLost ? ((isLost = true), 'cut') : 'deliver');
    await world.put(WEB, { instances: 2 });
    await world.converged();
    await world.clock.run(REST_MS);
    expect(isLost).toBe(true);
    expect(world.master.state.tasks()).toHaveLength(2);
    expect(breachesAtRest(world)).toEqual([]);
  });
});

describe('a task that is forgotten while it is out of reach', () => {
  // Seed 646737: it was asked about once more, up to a minute later.
  it('leaves no question', async () => {
    const world = await World.start(206, 2);
    await world.put(WEB, { instances: 4, unreachableStrategy: { inactiveAfterSeconds: 0, expungeAfterSeconds: 30 } });
    await world.converged();
    const isAway = (): boolean => world.api.view.instances(WEB).some(({ condition }) => condition.kind === 'unreachable');
    world.killAgent(world.hosts[0]!);
    await world.clock.until('they are out of reach', isAway, 200_000);
    expect(world.api.sizes()['questionsOpen']).toBe(2);
    await world.clock.until('they are forgotten', () => !isAway());
    expect(world.api.sizes()['questionsOpen']).toBe(0);
  });
});

describe('an app that is gone', () => {
  // Seed 2: it was looked at once more by the sweep, and its plan stayed in memory.
  it('leaves nothing in paas-api’s memory', async () => {
    const world = await World.start(203);
    await world.put(WEB, { instances: 2 });
    await world.converged();
    await world.settle('DELETE', world.api.deleteApp(WEB, { force: true }));
    await world.clock.until('it is gone', () => world.paasDatabase.apps.size === 0);
    await world.clock.run(REST_MS);
    expect(world.api.sizes()).toMatchObject({ plans: 0, appTimers: 0 });
    expect(breachesAtRest(world)).toEqual([]);
  });
});

describe('a step that begins', () => {
  // Seed 4: the former target's plan came first, and added an instance that the baseline then counted.
  it('has the baseline of what is there, when its instances are named by a kill', async () => {
    const world = await World.start(204);
    await world.put(WEB, { instances: 3 });
    await world.converged();
    const [one] = world.api.view.instances(WEB);
    await world.settle('kill and scale', world.api.killTasks([one!.id], { scale: true, wipe: false, force: false }));
    await world.settle('kill and wipe', world.api.killTasks([world.api.view.instances(WEB)[1]!.id], { scale: false, wipe: true, force: false }));
    await Promise.all([
      world.settle('kill and wipe', world.api.killTasks([world.api.view.instances(WEB)[2]!.id], { scale: false, wipe: true, force: false })),
      world.settle(
        'scale',
        world.api.changeApps([{ id: WEB, body: { instances: 1 }, partial: true, expect: 'any' }], { force: true, caller: { clientIp: '', uri: '' } }),
      ),
    ]);
    await world.converged();
    expect(breaches(world)).toEqual([]);
  });

  // Seed 441426: what let it begin came in one batch with what let the former target take an instance.
  it('has the baseline of what is there, when the former target could go on at the same moment', async () => {
    const world = await World.start(441_426, 2);
    await world.put(WEB, { ...CHECKED, cmd: 'run a', instances: 3, upgradeStrategy: { minimumHealthCapacity: 0.5, maximumOverCapacity: 0 } });
    await world.converged();
    const sickOf = async (command: string) => {
      const find = () => world.processes().find((process) => process.command === command);
      await world.clock.until(`"${command}" runs`, () => find() !== undefined);
      makeSick(find()!);
      await world.clock.run(5_000);
      return find()!;
    };
    await world.put(WEB, { cmd: 'run b' });
    const web = await sickOf('run b');
    const changes = [
      { id: CART, body: { ...CHECKED, cmd: 'run cart', cpus: 0.1, mem: 32 }, partial: true, expect: 'any' as const },
      { id: WEB, body: { cmd: 'run c', dependencies: [CART] }, partial: true, expect: 'any' as const },
    ];
    await world.settle('PUT both', world.api.changeApps(changes, { force: true, caller: CALLER }));
    const cart = await sickOf('run cart');
    world.commitDelayMs = () => 5_000;
    const slow = world.put('/other/app', { cmd: 'run other' });
    for (const process of [web, cart]) process.sickUntil = 0;
    await slow;
    await world.clock.run(6_000);
    world.commitDelayMs = () => 1;
    await expectRight(world, ['run cart', 'run other', ...copies(3, 'run c')]);
  });
});
