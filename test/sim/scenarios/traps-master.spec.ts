/**
 * The situations of the list that Mesos never mended (3.10 of the reference), each with a letter of ours, in its order.
 *
 * What crashed Mesos' master: a) an agent that is removed while a decision about it is pending, b) the same for a framework, c) a task of
 * a framework that is away, d) counts of roles and clients that went (10194, 10146, 10011, 7566). The rest: e) slow readers (7748), f) very
 * many tasks (6285), g) a broken link that ended tasks (7911), h) many agents lost at once (7721), i) kills behind a stuck kill (8679).
 * Of e) the bytes that one stream may hold are HTTP's bound (`MAX_UNSENT_BYTES`); here it is what the core owes to everybody else.
 * Our pending decisions are writes of the registry; nobody is asked whether a task is allowed.
 */
import type { WireOffer } from '@ekiden/mesos';
import { breaches } from '../invariants.js';
import { SMALL_MACHINE, World } from '../world/world.js';
import { CHECKED, commands, copies, expectRight, taskIds, WEB } from './expect-right.js';
import { RawFramework } from './raw-framework.js';

const others = async (world: World, name: string, info = {}): Promise<RawFramework> => {
  const framework = new RawFramework(world, name, info);
  await framework.subscribe();
  return framework;
};
const agentState = (world: World, hostname: string) => world.master.state.agents().find((agent) => agent.hostname === hostname)?.state;
const heldAnywhere = (world: World): number => world.master.state.agents().filter(({ allocated, offered }) => allocated.length + offered.length > 0).length;
/** Breaches, without the tasks of others: only those of paas-api are recorded. */
const ours = (world: World, framework: RawFramework): string[] => breaches(world).filter((breach) => !breach.startsWith(`${framework.name}.`));

describe('3.10 a: an agent goes while a decision about it is pending', () => {
  it('launches that are accepted meanwhile are neither lost nor doubled', async () => {
    const world = await World.start(501, 2);
    await world.put(WEB, { instances: 2, constraints: [['hostname', 'UNIQUE']] });
    await expectRight(world, copies(2, 'run'));
    world.network.isolate('agent-1', 'both');
    await world.clock.run(70_000);
    world.masterStore!.setAvailable(false);
    await world.put(WEB, { instances: 4, constraints: [] }, true);
    await world.clock.run(20_000);
    expect(agentState(world, 'agent-1')).toBe('registered');
    world.masterStore!.setAvailable(true);
    await world.clock.until('given up', () => agentState(world, 'agent-1') === 'unreachable', 5_000);
    await expectRight(world, copies(4, 'run').concat(world.hosts[0]!.machine.alive().map(() => 'run')), 60_000).catch(() => undefined);
    world.network.heal('agent-1');
    await world.clock.run(20_000);
    await expectRight(world, copies(4, 'run'));
  });

  it('it comes back before the registry was written: it is admitted, and nothing was lost', async () => {
    const world = await World.start(502);
    await world.put(WEB, { instances: 2 });
    await expectRight(world, copies(2, 'run'));
    const before = taskIds(world);
    world.network.isolate('agent-1', 'both');
    await world.clock.run(60_000);
    world.masterStore!.setAvailable(false);
    await world.clock.run(30_000);
    world.network.heal('agent-1');
    await world.clock.run(5_000);
    world.masterStore!.setAvailable(true);
    await world.clock.until('registered', () => world.master.state.agents().some(({ connected }) => connected), 30_000);
    await expectRight(world, copies(2, 'run'));
    expect(taskIds(world)).toEqual(before);
  });
});

describe('3.10 b: a framework goes while a decision about it is pending', () => {
  it('with launches under way: its tasks end, its resources come back, its id is refused', async () => {
    const world = await World.start(503);
    const other = await others(world, 'other');
    const launching = other.launch(3);
    await launching;
    world.masterStore!.setAvailable(false);
    await other.call({ type: 'TEARDOWN' });
    await world.clock.run(10_000);
    expect(other.running()).toHaveLength(3);
    world.masterStore!.setAvailable(true);
    await world.clock.until('its tasks end', () => other.running().length === 0, 10_000);
    await world.clock.until('its resources are free', () => heldAnywhere(world) === 0, 10_000);
    await other.subscribe();
    expect(other.error).toContain('Framework has been removed');
    await world.put(WEB, { cpus: 3.9 });
    await expectRight(world, ['run']);
  });

  it('while its agent is away, and the next master begins in between: its tasks end at the return', async () => {
    const world = await World.start(504);
    const other = await others(world, 'other');
    await other.launch(2);
    await world.clock.until('they run', () => other.running().length === 2);
    world.killAgent(world.hosts[0]!);
    await world.clock.run(1_000);
    await other.call({ type: 'TEARDOWN' });
    await world.clock.run(1_000);
    world.killMaster();
    await world.startMaster();
    world.startAgent(world.hosts[0]!);
    await world.clock.until('its tasks end', () => other.running().length === 0, 20_000);
    await world.put(WEB, { cpus: 3.9 });
    await expectRight(world, ['run']);
  });

  it('at the end of its failover_timeout, with the store away at that moment', async () => {
    const world = await World.start(505);
    const other = await others(world, 'other', { failover_timeout: 20 });
    await other.launch(2);
    await world.clock.until('they run', () => other.running().length === 2);
    world.network.cut('other', 'it died');
    await world.clock.run(19_000);
    expect(other.running()).toHaveLength(2);
    world.masterStore!.setAvailable(false);
    await world.clock.run(5_000);
    world.masterStore!.setAvailable(true);
    await world.clock.until('its tasks end', () => other.running().length === 0, 10_000);
  });
});

describe('3.10 c: a framework is away', () => {
  it.each<[string, (world: World) => Promise<void>]>([
    ['its agent is lost', (world) => (world.network.isolate('agent-1', 'both'), world.clock.run(90_000))],
    ['its tasks end', (world) => (world.processes().forEach(({ taskId }) => world.hosts[0]!.machine.end(taskId, { code: 1 })), world.clock.run(5_000))],
    ['its agent reboots', (world) => reboot(world)],
  ])('and %s: it learns of that when it is back', async (_what, happen) => {
    const world = await World.start(506);
    const other = await others(world, 'other');
    const tasks = await other.launch(2);
    await world.clock.until('it knows that they run', () => tasks.every((task) => other.state(task) === 'TASK_RUNNING'));
    world.network.cut('other', 'it died');
    await world.clock.run(1_000);
    await happen(world);
    world.network.heal('agent-1');
    await other.subscribe();
    await other.call({ type: 'RECONCILE', reconcile: { tasks: tasks.map((value) => ({ task_id: { value }, agent_id: agentOf(world) })) } });
    await world.clock.run(30_000);
    const alive = other.running();
    for (const task of tasks) expect(other.state(task)).toMatch(alive.includes(task) ? /^TASK_RUNNING$/ : /^TASK_(FAILED|LOST|GONE)$/);
    await world.put(WEB, {});
    await world.converged();
    expect(ours(world, other)).toEqual([]);
  });

  const reboot = async (world: World): Promise<void> => {
    const host = world.hosts[0]!;
    world.killAgent(host);
    host.machine.reboot('boot-2');
    world.startAgent(host);
    await world.clock.run(5_000);
  };
  const agentOf = (world: World) => ({ value: world.master.state.agents()[0]!.agentId as string });
});

describe('3.10 d: what was counted for somebody who goes', () => {
  it('is counted back: roles that are given up, with offers out and tasks there, leave nothing behind', async () => {
    const world = await World.start(507, 2);
    const other = await others(world, 'other', { roles: ['shop', 'media'] });
    const tasks = await other.launch(2);
    await world.clock.until('they run', () => other.running().length === 2);
    await world.clock.until('an offer for what it does not use yet', () => other.offers.size > 0, 10_000);
    const roleOf = (offer: WireOffer | undefined): string => offer?.allocation_info?.role ?? '';
    const [offer] = other.offers.values();
    const kept = roleOf(offer) === 'shop' ? 'media' : 'shop';
    const framework_info = { user: 'root', name: 'other', roles: [kept], id: { value: other.id }, failover_timeout: 3_600, checkpoint: true };
    const withCapabilities = { ...framework_info, capabilities: [{ type: 'MULTI_ROLE' }, { type: 'PARTITION_AWARE' }] };
    await other.call({ type: 'UPDATE_FRAMEWORK', update_framework: { framework_info: withCapabilities } });
    await world.clock.run(100);
    expect([...other.offers.values()].map(roleOf).filter((role) => role !== kept)).toEqual([]);
    world.killAgent(world.hosts.find(({ machine }) => machine.alive().length > 0)!);
    await world.clock.run(90_000);
    expect(other.failures).toHaveLength(1);
    await other.call({ type: 'TEARDOWN' });
    await world.clock.run(1_000);
    for (const host of world.hosts.filter(({ process }) => process === null)) world.startAgent(host);
    await world.clock.until('all is free', () => heldAnywhere(world) === 0 && world.processes().length === 0, 20_000);
    expect(tasks).toHaveLength(2);
    await world.put(WEB, { cpus: 3.9, instances: 2 });
    await expectRight(world, copies(2, 'run'));
  });

  it('and calls that name agents, tasks and offers that are no more change nothing', async () => {
    const world = await World.start(508);
    await world.put(WEB, { instances: 2 });
    await expectRight(world, copies(2, 'run'));
    const before = taskIds(world);
    const other = await others(world, 'other');
    const [task_id, agent_id] = [{ value: 'other.9' }, { value: 'nobody-S99' }];
    const uuid = 'AAAAAAAAAAAAAAAAAAAAAA==';
    await other.call({ type: 'ACKNOWLEDGE', acknowledge: { task_id, agent_id, uuid } });
    await other.call({ type: 'KILL', kill: { task_id, agent_id } });
    await other.call({ type: 'KILL', kill: { task_id: { value: before[0]! } } });
    await other.call({ type: 'MESSAGE', message: { agent_id, executor_id: task_id, data: '' } });
    await other.call({ type: 'SHUTDOWN', shutdown: { agent_id, executor_id: task_id } });
    await other.call({ type: 'DECLINE', decline: { offer_ids: [{ value: 'nothing-O1' }] } });
    await other.call({ type: 'ACCEPT', accept: { offer_ids: [{ value: 'nothing-O1' }], operations: [{ type: 'LAUNCH', launch: { task_infos: [] } }] } });
    await other.call({ type: 'RECONCILE', reconcile: { tasks: [{ task_id, agent_id }] } });
    await world.clock.run(2_000);
    expect(other.state('other.9')).toBe('TASK_UNKNOWN');
    expect(taskIds(world)).toEqual(before);
    await world.put(WEB, { instances: 3 });
    await expectRight(world, copies(3, 'run'));
  });
});

describe('3.10 e: a slow reader', () => {
  it('keeps no offer from the others for longer than the master says', async () => {
    const world = await World.start(509);
    const other = await others(world, 'other');
    await world.clock.until('it has all there is', () => other.offers.size === 1);
    world.network.isolate('other', 'fromMaster');
    await world.put(WEB, { instances: 2 });
    await expectRight(world, copies(2, 'run'), 40_000);
    // Later too, though whoever answers nothing uses least and so comes first.
    await world.put(WEB, { instances: 3 });
    await expectRight(world, copies(3, 'run'), 40_000);
  });

  it('(paas-api itself) finds out, subscribes anew, and agents keep little for it meanwhile', async () => {
    const world = await World.start(510);
    await world.put(WEB, { instances: 1, ...CHECKED });
    await expectRight(world, ['run']);
    const [process] = world.processes();
    world.network.isolate('paas-api', 'fromMaster');
    for (let minute = 0; minute < 30; minute += 1) {
      process!.sickUntil = world.clock.now() + 30_000;
      await world.clock.run(60_000);
    }
    const [task] = world.hosts[0]!.agent!.tasks();
    expect(task!.unacknowledged.length).toBeLessThanOrEqual(3);
    world.network.heal('paas-api');
    await world.clock.until('connected', () => world.api.isConnected, 30_000);
    await expectRight(world, ['run'], 30_000);
  });
});

describe('3.10 f: very many tasks', () => {
  it('of one app on one machine survive agent, master and paas-api, each task once', async () => {
    const COUNT = 300;
    const world = await World.start(511, 0);
    world.addHost('agent-1', {}, { ...SMALL_MACHINE, cpusMilli: 100_000, memMib: 100_000, ports: [{ begin: 10_000, end: 20_000 }] });
    await world.put(WEB, { instances: COUNT });
    await expectRight(world, copies(COUNT, 'run'));
    const before = taskIds(world);
    world.killAgent(world.hosts[0]!);
    world.killMaster();
    world.killApi();
    await world.startMaster();
    world.startAgent(world.hosts[0]!);
    await world.startApi();
    await world.clock.run(10_000);
    await expectRight(world, copies(COUNT, 'run'));
    expect(taskIds(world)).toEqual(before);
    expect(world.master.state.tasks()).toHaveLength(COUNT);
  }, 30_000);
});

describe('3.10 g: a broken link to an agent', () => {
  it.each([true, false])('ends no task, whether its framework asked for checkpoints (%s) or not', async (checkpoint) => {
    const world = await World.start(512);
    const other = await others(world, 'other', { checkpoint });
    const tasks = await other.launch(2);
    await world.clock.until('they run', () => tasks.every((task) => other.state(task) === 'TASK_RUNNING'));
    world.network.cut('agent-1', 'connection reset');
    await world.clock.run(1_000);
    world.killAgent(world.hosts[0]!);
    await world.clock.run(20_000);
    world.startAgent(world.hosts[0]!);
    await world.clock.run(20_000);
    expect(other.running()).toEqual(tasks);
    for (const task of tasks) expect(other.state(task)).toBe('TASK_RUNNING');
  });
});

describe('3.10 h: many agents lost at once', () => {
  it('are all given up in the same time as one, and all is replaced', async () => {
    const world = await World.start(513, 6);
    await world.put(WEB, { cpus: 0.5, instances: 6, constraints: [['hostname', 'GROUP_BY']] });
    await expectRight(world, copies(6, 'run'));
    for (const name of ['agent-1', 'agent-2', 'agent-3', 'agent-4', 'agent-5']) world.network.isolate(name, 'both');
    await world.clock.until('all are given up', () => world.master.state.agents().filter(({ state }) => state === 'unreachable').length === 5, 80_000);
    await world.clock.until('all is replaced', () => world.hosts[5]!.machine.alive().length === 6, 5_000);
    for (const { name } of world.hosts) world.network.heal(name);
    await world.clock.run(15_000);
    await expectRight(world, copies(6, 'run'));
  });
});

describe('3.10 i: kills behind a kill that is stuck', () => {
  it('are carried out: of the same task sooner, of other tasks at once', async () => {
    const world = await World.start(514);
    const other = await others(world, 'other');
    const [slow, next] = await other.launch(2, 'run ignore-term');
    await world.clock.until('they run', () => other.running().length === 2);
    const kill = (taskId: string, seconds: number) =>
      other.call({ type: 'KILL', kill: { task_id: { value: taskId }, kill_policy: { grace_period: { nanoseconds: seconds * 1e9 } } } });
    await kill(slow!, 3_600);
    await world.clock.run(5_000);
    await kill(next!, 1);
    await world.clock.until('the other one is gone', () => other.running().join() === slow, 2_000);
    await kill(slow!, 2);
    await world.clock.until('gone', () => other.running().length === 0, 3_000);
    await world.clock.run(1_000);
    expect([other.state(slow!), other.state(next!)]).toEqual(['TASK_KILLED', 'TASK_KILLED']);
  });

  it('are carried out after the agent died over the first', async () => {
    const world = await World.start(515);
    await world.put(WEB, { cmd: 'run ignore-term', instances: 2, taskKillGracePeriodSeconds: 20 });
    await expectRight(world, copies(2, 'run ignore-term'));
    await world.put(WEB, { instances: 1 });
    await world.clock.run(5_000);
    world.killAgent(world.hosts[0]!);
    await world.put(WEB, { instances: 0 }, true);
    world.startAgent(world.hosts[0]!);
    await expectRight(world, [], 60_000);
    expect(commands(world)).toEqual([]);
  });
});
