/** One message that is lost, late or told twice, at the one moment at which only one guard of the protocol stands against it. */
import { World } from '../world/world.js';
import { copies, crash, expectRight, WEB } from './expect-right.js';

describe('a KILL that is lost', () => {
  it('is sent again, over the same stream', async () => {
    const world = await World.start(901);
    await world.put(WEB, { instances: 2 });
    await expectRight(world, copies(2, 'run'));
    let kills = 0;
    world.network.faults.call = ({ type }) => (type === 'KILL' && kills++ === 0 ? 'lose' : 'deliver');
    await world.put(WEB, { instances: 1 });
    await expectRight(world, ['run'], 20_000);
    expect(kills).toBe(2);
  });
});

describe('an acknowledgement that comes twice', () => {
  // The second one is of a status that its agent has removed by then: the one that is the first of the queue now was lost on its way.
  it('is not taken for that of the next status', async () => {
    const world = await World.start(902);
    let isFirst = true;
    world.network.faults.toAgent = ({ type }) => {
      if (type !== 'acknowledge') return 'deliver';
      if (!isFirst) return 'double';
      isFirst = false;
      return 'lose';
    };
    await world.put(WEB, { instances: 1 }).catch(() => undefined);
    await world.clock.until('it runs', () => world.processes().length === 1);
    await world.clock.run(1_000);
    let isLost = false;
    world.network.faults.toMaster = (message) => {
      if (isLost || message.type !== 'status' || message.status.state !== 'TASK_FAILED') return 'deliver';
      isLost = true;
      return 'lose';
    };
    crash(world, world.processes()[0]!);
    await world.clock.until('its end was told, and lost', () => isLost, 30_000);
    await world.clock.until('its end is known', () => world.hosts[0]!.machine.started.length === 2, 30_000);
    await expectRight(world, ['run']);
  });
});

describe('an acknowledgement that an agent hears before it has repeated the status', () => {
  // Seed 538896: both the registration and the acknowledgement of what its last process had said arrive in one go, and the one waits for the other.
  it('counts: the next status follows', async () => {
    const world = await World.start(906);
    await world.put(WEB, { instances: 1 });
    await expectRight(world, ['run']);
    world.network.faults.toAgent = ({ type }) => {
      if (type === 'kill') world.clock.after(0, () => world.killApi());
      return 'deliver';
    };
    await world.put(WEB, { instances: 0 });
    await world.clock.until('its end waits behind the news that it is being killed', () => world.hosts[0]!.agent?.tasks()[0]?.unacknowledged.length === 2);
    world.network.faults.toAgent = ({ type }) => {
      if (type === 'registered') for (const wire of world.network.wires) if (wire.by === 'agent-1') world.network.stall(wire, 2_000, 'fromMaster');
      return 'deliver';
    };
    world.killAgent(world.hosts[0]!);
    world.startAgent(world.hosts[0]!);
    await world.startApi();
    await expectRight(world, []);
  });
});

describe('a master that has lost the lead, and cannot ask its store', () => {
  it('gets no agent back that has followed the next one', async () => {
    const world = await World.start(903);
    await world.put(WEB, { instances: 1 });
    await expectRight(world, ['run']);
    world.masterStore?.setAvailable(false);
    world.masterStore?.crash();
    world.launchMaster();
    const agent = world.hosts[0]!.agent!;
    const { masterEpoch } = agent.view();
    world.network.cut('agent-1', 'connection reset');
    await world.clock.until('the agent follows the next one', () => agent.view().registered && agent.view().masterEpoch > masterEpoch);
    world.reachesStaleMaster = () => true;
    world.network.cut('agent-1', 'connection reset');
    await world.clock.run(20_000);
    expect(agent.view()).toMatchObject({ registered: false, masterEpoch: masterEpoch + 1 });
    world.reachesStaleMaster = () => false;
    await world.clock.until('it follows the leader', () => agent.view().registered, 60_000);
    expect(agent.view().masterEpoch).toBe(masterEpoch + 1);
    await expectRight(world, ['run']);
  });
});

describe('the end of a task while paas-api is away', () => {
  it('is learnt as it was, by whoever leads next', async () => {
    const world = await World.start(904);
    await world.put(WEB, { instances: 1 });
    await expectRight(world, ['run']);
    world.killApi();
    crash(world, world.processes()[0]!, 7);
    await world.clock.run(5_000);
    world.bootApi();
    await world.clock.until('it is learnt', () => world.hasApi && world.api.isLeading && world.api.view.failure(WEB) !== null, 30_000);
    expect(world.api.view.failure(WEB)).toMatchObject({ state: 'TASK_FAILED' });
    await expectRight(world, ['run']);
  });
});

describe('a link that is over, which only the master knows', () => {
  it('is replaced by an agent that has nothing to say', async () => {
    const world = await World.start(905);
    await world.put(WEB, { instances: 1 });
    await expectRight(world, ['run']);
    await world.clock.run(30_000);
    const link = [...world.network.wires].find(({ kind }) => kind === 'link')!;
    world.network.halfClose(link, 'master');
    const isBack = (): boolean => world.master.state.agents().some(({ connected }) => connected);
    await world.clock.until('the master has noticed', () => !isBack());
    await world.clock.until('the agent is back', isBack, 70_000);
    await expectRight(world, ['run']);
  });
});
