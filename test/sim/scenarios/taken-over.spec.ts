/** Instances that a newer version has taken over, since they run what it asks for, while its own step is still to come. */
import { CALLER, World } from '../world/world.js';
import { CART, CHECKED, commands, copies, crash, expectRight, WEB } from './expect-right.js';

describe('an instance that was taken over by a version whose step is still to come', () => {
  // Seed 325: it was launched under the active version, which is older and runs something else.
  it('is launched anew as what it was taken over for', async () => {
    const world = await World.start(325, 3);
    await world.put(CART, { cmd: 'run cart' });
    await world.put(WEB, { cmd: 'run a', cpus: 0.1, mem: 32, instances: 2 });
    await expectRight(world, ['run cart', ...copies(2, 'run a')]);
    await world.put(WEB, { cmd: 'run b', constraints: [['hostname', 'IS', 'nowhere']] });
    await world.clock.run(10_000);
    const both = [
      { id: CART, body: { cmd: 'run unhealthy cart', ...CHECKED } },
      { id: WEB, body: { cmd: 'run a', constraints: [], dependencies: [CART] } },
    ];
    const changes = both.map(({ id, body }) => ({ id, body, partial: true, expect: 'any' as const }));
    await world.settle('PUT both', world.api.changeApps(changes, { force: true, caller: CALLER }));
    await world.clock.run(10_000);
    const versions = world.api.view.instances(WEB).map(({ version }) => version);
    expect(world.api.view.app(WEB)!.activeVersion).toBeLessThan(Math.max(...versions));
    crash(
      world,
      world.processes().find(({ command }) => command === 'run a')!,
    );
    await world.clock.run(10_000);
    expect(commands(world).filter((command) => command === 'run a')).toHaveLength(2);
    await world.put(CART, { cmd: 'run cart 2' }, true);
    await expectRight(world, ['run cart 2', ...copies(2, 'run a')]);
  });
});
