/** Who an agent is: one identity for each, however often it introduces itself. */
import { appId } from '@ekiden/model';
import { breaches } from '../invariants.js';
import { World } from '../world/world.js';

const WEB = '/shop/web';

describe('an agent that introduces itself twice over one connection', () => {
  // Seed 1005 at a high pace: the second introduction made a second agent of it, and kills of its tasks were sent to the one that is not there.
  it('gets one identity, and its tasks can be killed', async () => {
    const world = await World.start(1, 0);
    world.network.faults.toMaster = (message) => (message.type === 'register' ? 'double' : 'deliver');
    world.addHost('agent-1');
    await world.put(WEB, { cmd: 'run', instances: 2 });
    await world.converged();
    expect(world.master.state.agents()).toHaveLength(1);

    await world.settle('DELETE', world.api.deleteApp(appId(WEB), { force: true }));
    await world.converged();
    expect(world.processes()).toEqual([]);
    expect(breaches(world)).toEqual([]);
  });
});
