/** Fairness: among frameworks that take everything, shares differ by at most one unit, the share of the largest agent. */
import fc from 'fast-check';
import { agentId, frameworkId, NO_RESOURCES, role } from '@ekiden/model';
import { allocate } from './allocate.js';
import { newAllocatorState, setAgent, setFramework, setWeights } from './state.js';
import { dominantShare, clientOf } from './role-tree.js';

it('gives frameworks of one role shares within one agent of each other, by weight across roles', () => {
  fc.assert(
    fc.property(
      fc.array(fc.record({ cpus: fc.integer({ min: 100, max: 16000 }), mem: fc.integer({ min: 64, max: 65536 }) }), { minLength: 1, maxLength: 60 }),
      fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 1, maxLength: 5 }),
      (sizes, weights) => {
        const state = newAllocatorState();
        const names = weights.map((_, index) => role(`r${index}`));
        setWeights(state, Object.fromEntries(names.map((name, index) => [name, weights[index]!])));
        names.forEach((name, index) =>
          setFramework(state, { frameworkId: frameworkId(`f${index}`), roles: [name], suppressed: new Set(), active: true, takesGpus: false }),
        );
        const ids = sizes.map(({ cpus, mem }, index) => {
          const id = agentId(`a${index}`);
          setAgent(state, { agentId: id, total: { ...NO_RESOURCES, cpusMilli: cpus, memMib: mem }, active: true });
          return id;
        });
        expect(allocate(state, ids, 0)).toHaveLength(ids.length);
        const unit = Math.max(...sizes.map(({ cpus, mem }) => dominantShare({ cpusMilli: cpus, memMib: mem, diskMib: 0, gpus: 0 }, state.total)));
        const shares = names.map((name, index) => dominantShare(clientOf(state.roles, name, frameworkId(`f${index}`)).usage, state.total) / weights[index]!);
        expect(Math.max(...shares) - Math.min(...shares)).toBeLessThanOrEqual(unit + 1e-9);
      },
    ),
  );
});
