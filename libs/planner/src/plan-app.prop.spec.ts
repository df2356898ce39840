/**
 * Promise 4 and liveness, over random apps and random orders of outcomes: crashes, flips of health, lost agents that come
 * back, health kills. The simulator throws when a recorded plan breaks the promise.
 */
import fc from 'fast-check';
import { aSpec, HTTP_CHECK, NEW } from '../test/an-app.js';
import { budgetOf } from './budget.js';
import { RolloutSimulator, type Happening, type Start } from '../test/rollout-simulator.js';

const UNREACHABLE = [
  { kind: 'disabled' },
  { kind: 'replace', inactiveAfterMs: 0, expungeAfterMs: 0 },
  { kind: 'replace', inactiveAfterMs: 15_000, expungeAfterMs: 60_000 },
] as const;

const start: fc.Arbitrary<Start> = fc
  .record({
    n: fc.integer({ min: 0, max: 12 }),
    m: fc.oneof(fc.constantFrom(0, 0.5, 1), fc.double({ min: 0, max: 1, noNaN: true })),
    o: fc.oneof(fc.constantFrom(0, 0.5, 1), fc.double({ min: 0, max: 1, noNaN: true })),
    old: fc.integer({ min: 0, max: 12 }),
    oldHealthy: fc.integer({ min: 0, max: 12 }),
    hasChecks: fc.boolean(),
    isResident: fc.boolean(),
    unreachable: fc.constantFrom(...UNREACHABLE),
    killSelection: fc.constantFrom('YOUNGEST_FIRST' as const, 'OLDEST_FIRST' as const),
  })
  .map(({ n, m, o, old, oldHealthy, hasChecks, isResident, unreachable, killSelection }) => ({
    spec: aSpec({
      instances: n,
      healthChecks: hasChecks ? [HTTP_CHECK] : [],
      upgrade: { minimumHealthCapacity: m, maximumOverCapacity: isResident ? 0 : o },
      unreachable,
      killSelection,
    }),
    old,
    oldHealthy,
    isResident,
  }));

/** Picks among what may happen; the second number says how often to plan in between. */
const fate = fc.array(fc.record({ pick: fc.nat({ max: 10_000 }), plans: fc.boolean(), ticks: fc.boolean() }), { maxLength: 80 });
const ORDER: readonly Happening[] = ['back', 'gone', 'launch', 'start', 'healthy'];

describe('any roll-out in any order of outcomes', () => {
  it('keeps promise 4 with every plan, and finishes once things go well', () => {
    fc.assert(
      fc.property(start, fate, (from, fates) => {
        const simulator = new RolloutSimulator(from);
        for (const { pick, plans, ticks } of fates) {
          if (plans) simulator.plan();
          if (ticks) simulator.tick();
          const options = simulator.happenings();
          const next = options[pick % Math.max(1, options.length)];
          if (next !== undefined) simulator.happen(next.id, next.what);
        }
        simulator.runInOrder(ORDER);
        expect(simulator.instances.filter((one) => one.instance.id.startsWith('old'))).toEqual([]);
      }),
      { numRuns: 800 },
    );
  });

  it('plans the rest only: a recorded plan leaves no steps behind', () => {
    fc.assert(
      fc.property(start, fate, (from, fates) => {
        const simulator = new RolloutSimulator(from);
        for (const { pick } of fates) {
          const options = simulator.happenings();
          const next = options[pick % Math.max(1, options.length)];
          if (next !== undefined) simulator.happen(next.id, next.what);
          // Forgetting a never-launched instance makes room at once, so the second plan may add; the third may not.
          simulator.plan();
          simulator.plan();
          expect(simulator.plan().steps).toEqual([]);
        }
      }),
      { numRuns: 300 },
    );
  });

  it('says what it waits for whenever it is not done', () => {
    fc.assert(
      fc.property(start, fate, (from, fates) => {
        const simulator = new RolloutSimulator(from);
        for (const { pick } of fates) {
          const options = simulator.happenings();
          const next = options[pick % Math.max(1, options.length)];
          if (next !== undefined) simulator.happen(next.id, next.what);
          const plan = simulator.plan();
          expect(plan.done || plan.steps.length > 0 || plan.waitingFor.length > 0).toBe(true);
        }
      }),
      { numRuns: 300 },
    );
  });

  it('never restarts a healthy instance for its health', () => {
    fc.assert(
      fc.property(start, fate, (from, fates) => {
        const simulator = new RolloutSimulator(from);
        for (const { pick } of fates) {
          const options = simulator.happenings();
          const next = options[pick % Math.max(1, options.length)];
          if (next !== undefined) simulator.happen(next.id, next.what);
          const before = simulator.serving();
          const plan = simulator.plan();
          const onlyHealth = plan.steps.every((step) => step.kind === 'restart-task');
          if (onlyHealth) expect(simulator.serving()).toBe(before);
        }
      }),
      { numRuns: 300 },
    );
  });
});

describe('any change of size in any order of outcomes', () => {
  const RESIZE_ORDER: readonly Happening[] = ['resized', ...ORDER];

  it('keeps promise 4 with every plan, and finishes once things go well, with one size for all', () => {
    fc.assert(
      fc.property(start, fate, (from, fates) => {
        const simulator = new RolloutSimulator({ ...from, isResize: true });
        for (const { pick, plans, ticks } of fates) {
          if (plans) simulator.plan();
          if (ticks) simulator.tick();
          const options = simulator.happenings();
          const next = options[pick % Math.max(1, options.length)];
          if (next !== undefined) simulator.happen(next.id, next.what);
          const plan = simulator.plan();
          expect(plan.done || plan.steps.length > 0 || plan.waitingFor.length > 0).toBe(true);
        }
        simulator.runInOrder(RESIZE_ORDER);
        expect(simulator.instances.every(({ instance }) => instance.version === NEW && instance.resize === undefined)).toBe(true);
      }),
      { numRuns: 500 },
    );
  });

  it('replaces nobody where each change comes true, and changes no more at once than a roll-out would', () => {
    fc.assert(
      fc.property(start, (from) => {
        const simulator = new RolloutSimulator({ ...from, isResize: true, oldHealthy: from.old });
        const { minHealthy, maxTotal } = budgetOf(from.spec.upgrade, from.spec.instances, { isReplacing: false, isResident: from.isResident ?? false });
        const staying = Math.min(from.old, from.spec.instances);
        for (let round = 0; round < 100 && !simulator.plan().done; round += 1) {
          const underWay = simulator.instances.filter(({ instance }) => instance.resize !== undefined).length;
          expect(underWay).toBeLessThanOrEqual(Math.max(1, maxTotal - minHealthy));
          const next = RESIZE_ORDER.flatMap((kind) => simulator.happenings().filter((one) => one.what === kind && simulator.isGood(one))).at(0);
          if (next !== undefined) simulator.happen(next.id, next.what);
        }
        expect(simulator.plan().done).toBe(true);
        expect(simulator.instances.filter(({ instance }) => instance.id.startsWith('old') && instance.incarnation === 1)).toHaveLength(staying);
      }),
      { numRuns: 200 },
    );
  });
});
