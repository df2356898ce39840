/** A dependency that is away for long: every instance fails for ever, and the app is never taken down as a whole. */
import { aSpec, HTTP_CHECK } from '../test/an-app.js';
import { RolloutSimulator } from '../test/rollout-simulator.js';

const INSTANCES = 5;

function restartsUnder(minimumHealthCapacity: number): { mostDown: number; restarted: Map<string, number> } {
  const spec = aSpec({ instances: INSTANCES, healthChecks: [HTTP_CHECK], upgrade: { minimumHealthCapacity, maximumOverCapacity: 0 } });
  const simulator = new RolloutSimulator({ spec, old: 0 });
  simulator.runInOrder(['launch', 'start', 'healthy']);
  const restarted = new Map<string, number>();
  let mostDown = 0;
  for (const { instance } of simulator.instances) simulator.happen(instance.id, 'exhausted');
  for (let round = 0; round < 200; round += 1) {
    for (const step of simulator.plan().steps) if (step.kind === 'restart-task') restarted.set(step.instanceId, (restarted.get(step.instanceId) ?? 0) + 1);
    const down = simulator.instances.filter(({ instance }) => instance.stop !== null || instance.condition.kind !== 'running');
    mostDown = Math.max(mostDown, down.length);
    const relaunched = simulator.instances.filter(({ instance }) => instance.condition.kind === 'running' && instance.condition.checks[0] === null);
    for (const { instance } of relaunched) simulator.happen(instance.id, 'exhausted');
    const next = simulator.happenings().find(({ what }) => what === 'gone' || what === 'launch' || what === 'start');
    if (next === undefined) simulator.tick();
    else simulator.happen(next.id, next.what);
  }
  return { mostDown, restarted };
}

describe('restarts while a dependency is away', () => {
  it('take one instance at a time where all are wanted, and each has its turn', () => {
    const { mostDown, restarted } = restartsUnder(1);
    expect(mostDown).toBe(1);
    expect(restarted.size).toBe(INSTANCES);
  });

  it('take at most what the minimum leaves', () => {
    expect(restartsUnder(0.5).mostDown).toBe(2);
  });
});
