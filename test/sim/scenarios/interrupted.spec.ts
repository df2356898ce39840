/** What a crash at every step (crash-points/) has found, told each in a few lines: the deployment, the part that died, and where. */
import { World } from '../world/world.js';
import { copies, expectRight, isLaunch, WEB } from './expect-right.js';

/** An agent that is away keeps its instances for longer than any of these runs. */
const PATIENT = { unreachableStrategy: { inactiveAfterSeconds: 3_600, expungeAfterSeconds: 7_200 } };

/** An agent dies before it has written a launch down, and is given up; the app waits for it. */
async function launchLost(world: World): Promise<void> {
  const [host] = world.hosts;
  let isLost = false;
  world.network.faults.toAgent = ({ type }) => {
    if (type === 'launch' && !isLost) {
      isLost = true;
      world.clock.after(0, () => world.killAgent(host!));
      return 'lose';
    }
    return 'deliver';
  };
  await world.put(WEB, { ...PATIENT, instances: 2 });
  await world.clock.until('its instances are out of reach', () => world.api.view.instances(WEB).some(({ condition }) => condition.kind === 'unreachable'));
}

describe('create, the agent dies before it has written down a launch, and stays away until it is given up', () => {
  // Nothing said so when it came back: its instances stayed unreachable until the next reconciliation of everything.
  it('learns from the agent’s return that nothing runs', async () => {
    const world = await World.start(1, 2);
    await launchLost(world);
    world.startAgent(world.hosts[0]!);
    await world.converged(5_000);
    await expectRight(world, copies(2, 'run'));
  });

  it('asks about it, where the master that gave it up is gone too', async () => {
    const world = await World.start(1, 2);
    await launchLost(world);
    world.killMaster();
    await world.startMaster();
    await world.clock.until('the next master is asked', () => world.api.isConnected);
    await world.clock.run(5_000);
    world.startAgent(world.hosts[0]!);
    await world.converged(65_000);
    await expectRight(world, copies(2, 'run'));
  });
});

describe('scale down, the master dies before it has passed on a kill', () => {
  // The KILL was repeated to the next master before the agent was back there, answered 202, and forgotten for 30 s.
  it('is done as soon as the agent has registered with the next one', async () => {
    const world = await World.start(1);
    await world.put(WEB, { instances: 2 });
    await expectRight(world, copies(2, 'run'));
    let isLost = false;
    world.network.faults.toAgent = ({ type }) => {
      if (type !== 'kill' || isLost) return 'deliver';
      isLost = true;
      world.clock.after(0, () => world.killMaster());
      return 'lose';
    };
    await world.put(WEB, { instances: 1 });
    await world.clock.until('the master died', () => isLost && !world.hasMaster);
    world.network.isolate('agent-1', 'both');
    await world.startMaster();
    await world.clock.run(5_000);
    world.network.heal('agent-1');
    await world.converged(8_000);
    await expectRight(world, copies(1, 'run'));
  });
});

describe('an ACCEPT whose answer is never heard', () => {
  it.each(['before', 'after'] as const)('starts each instance once, whether its sender died %s it left', async (moment) => {
    const world = await World.start(1, 2);
    world.portTrap = {
      atCall: (process, port, [, call]) => {
        const isIt = port === 'transport.call' && typeof call === 'object' && call !== null && isLaunch(call as Parameters<typeof isLaunch>[0]);
        return isIt && process.name.startsWith('paas-api') ? moment : null;
      },
      die: (process) => {
        world.portTrap = null;
        world.kill(process);
      },
    };
    await world.put(WEB, { instances: 3 });
    await world.clock.until('it died', () => !world.hasApi);
    await world.startApi();
    await expectRight(world, copies(3, 'run'));
    expect(world.hosts.flatMap(({ machine }) => machine.started)).toHaveLength(3);
  });
});
