/** What a disk that is full, cannot sync, or loses its power does to an agent. */
import { World } from '../world/world.js';
import { copies, expectRight, taskIds, WEB } from './expect-right.js';

// The id was never written: the next agent on the machine registered as a new one with the tasks of the old, and nobody could stop them.
it('an agent that could not write down who it is does so once its disk can', async () => {
  const world = await World.start(801, 0);
  const host = world.addHost('agent-1');
  await world.clock.until('it begins', () => host.machine.agentRecord() !== null);
  host.machine.disk.fill();
  await world.clock.until('it is registered', () => host.agent?.view().registered === true);
  host.machine.disk.mend();
  await world.put(WEB, { cmd: 'run', instances: 2 });
  await expectRight(world, copies(2, 'run'));
  const before = taskIds(world);
  await world.clock.run(10_000);
  world.killAgent(host);
  world.startAgent(host);
  await world.clock.run(10_000);
  expect(world.master.state.agents()).toHaveLength(1);
  await expectRight(world, copies(2, 'run'));
  expect(taskIds(world)).toEqual(before);
  await world.put(WEB, { cmd: 'run v2' });
  await expectRight(world, copies(2, 'run v2'));
});
