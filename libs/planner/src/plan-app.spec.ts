/** Scale, removal, kill-and-scale, returning agents, failed health: one expectation on the plan each. */
import { instanceId, type Instance, type TaskRef } from '@ekiden/model';
import { aResult, aRunning, aScheduled, aSpec, aTask, aView, HTTP_CHECK, NEW, OLD, T0 } from '../test/an-app.js';
import { baselineOf, budgetOf } from './budget.js';
import { planApp } from './plan-app.js';
import type { AppPlan } from './view.js';

const checked = (instances: number, changes: Parameters<typeof aSpec>[0] = {}): ReturnType<typeof aSpec> =>
  aSpec({ instances, healthChecks: [HTTP_CHECK], ...changes });
const healthy = (id: string, task: Partial<TaskRef> = {}): Instance => aRunning(id, [aResult(true)], {}, task);
const sick = (id: string, changes: Partial<Instance> = {}): Instance => aRunning(id, [aResult(false, true)], changes);
const away = (id: string, inactive = false): Instance =>
  aScheduled(id, { incarnation: 1, condition: { kind: 'unreachable', since: T0, task: aTask(id), inactiveAt: null, expungeAt: null, inactive } });
const idsOf = (plan: AppPlan): string[] => plan.steps.map((step) => (step.kind === 'schedule' ? `+${step.count}` : step.instanceId));
const ROLLOUT = { healthyAtStart: 0, totalAtStart: 0 };

describe('the budget', () => {
  it('does not suffer from binary fractions', () => {
    expect(budgetOf({ minimumHealthCapacity: 0.07, maximumOverCapacity: 0.1 }, 100, { isReplacing: false, isResident: false })).toEqual({
      minHealthy: 7,
      maxTotal: 110,
    });
  });

  it('takes its baselines with the definition that the plans use', () => {
    const instances = [healthy('a'), sick('b'), away('c', true), aRunning('d', [aResult(true)], { version: OLD })];
    expect(baselineOf(aView(checked(4), instances))).toEqual({ healthyAtStart: 2, totalAtStart: 3 });
  });
});

describe('a scale', () => {
  it('up schedules what is missing, at once', () => {
    expect(idsOf(planApp(aView(checked(5), [healthy('a')])))).toEqual(['+4']);
  });

  it('counts what waits for an offer as there', () => {
    const plan = planApp(aView(checked(2), [aScheduled('a'), aScheduled('b')]));
    expect(plan).toMatchObject({ steps: [], done: false, waitingFor: [{ kind: 'offer', text: '2 of 2 instances wait for an offer' }] });
  });

  it('down takes the never launched, then the unreachable, the starting, the sick, the unproven, and working ones last', () => {
    const starting = aScheduled('starting', { incarnation: 1, condition: { kind: 'staging', since: T0, task: aTask('starting') } });
    const all = [healthy('fit-1'), aRunning('unproven', [null]), sick('sick'), starting, away('away'), aScheduled('waiting'), healthy('fit-2')];
    expect(idsOf(planApp(aView(checked(1), all, { rollout: ROLLOUT })))).toEqual(['waiting', 'away', 'starting', 'sick', 'unproven', 'fit-1']);
  });

  it('down keeps to killSelection, then to the id', () => {
    const all = [healthy('b', { stagedAt: T0 }), healthy('a', { stagedAt: T0 }), healthy('c', { stagedAt: T0 + 5 })];
    expect(idsOf(planApp(aView(checked(1), all)))).toEqual(['c', 'a']);
    expect(idsOf(planApp(aView(checked(1, { killSelection: 'OLDEST_FIRST' }), all)))).toEqual(['a', 'b']);
  });

  it('down takes from the fullest group', () => {
    const spec = checked(3, { constraints: [{ field: 'rack', operator: 'GROUP_BY', value: null }] });
    const on = (id: string, rack: string): Instance => healthy(id, { attributes: { rack } });
    const plan = planApp(aView(spec, [on('a', 'r1'), on('b', 'r2'), on('c', 'r2'), on('d', 'r2'), on('e', 'r3')]));
    expect(idsOf(plan)).toEqual(['b', 'c']);
  });

  it('is done when the count is right and all work', () => {
    expect(planApp(aView(checked(1), [healthy('a')]))).toMatchObject({
      steps: [],
      waitingFor: [],
      done: true,
      counts: { total: 1, healthy: 1, ready: 1, old: 0 },
    });
    expect(planApp(aView(checked(1), [aRunning('a', [null])])).done).toBe(false);
  });
});

describe('readiness', () => {
  const spec = aSpec({
    readinessCheck: { name: 'r', protocol: 'HTTP', path: '/', portName: 'http', intervalMs: 1, timeoutMs: 1, statusCodes: [200], preserveLastResponse: false },
  });

  it('has to be proven by the version that is rolled out, and by nothing else', () => {
    expect(planApp(aView(spec, [aRunning('a')], { rollout: ROLLOUT })).waitingFor).toMatchObject([{ kind: 'readiness' }]);
    expect(planApp(aView(spec, [aRunning('a')])).done).toBe(true);
    const plan = planApp(aView(spec, [aRunning('old', [], { version: OLD }), aRunning('new')], { rollout: ROLLOUT }));
    expect(plan.counts).toMatchObject({ ready: 1, healthy: 2 });
    expect(plan.steps).toEqual([]);
  });
});

describe('a removal', () => {
  it('stops everything and is done when nothing is left', () => {
    const plan = planApp(aView(checked(2), [healthy('a'), away('b', true)], { target: null }));
    expect(plan.steps).toEqual([
      { kind: 'decommission', instanceId: 'a', reason: 'deleting-app' },
      { kind: 'decommission', instanceId: 'b', reason: 'deleting-app' },
    ]);
    expect(planApp(aView(checked(2), [], { target: null })).done).toBe(true);
  });
});

describe('kill-and-scale', () => {
  it('takes those that were named, healthy or not', () => {
    const plan = planApp(aView(checked(1), [healthy('a'), sick('b')], { rollout: ROLLOUT, sentenced: new Set([instanceId('a')]) }));
    expect(plan.steps).toMatchObject([{ kind: 'decommission', instanceId: 'a', reason: 'user-request' }, { kind: 'restart-task' }]);
  });

  it('replaces what was named beyond the surplus', () => {
    const plan = planApp(aView(checked(2), [healthy('a'), healthy('b')], { rollout: ROLLOUT, sentenced: new Set([instanceId('a')]) }));
    expect(idsOf(plan)).toEqual(['a', '+1']);
  });
});

describe('an agent out of reach', () => {
  it('is waited for until its instances are inactive, then they are replaced', () => {
    expect(planApp(aView(checked(1), [away('a')]))).toMatchObject({ steps: [], waitingFor: [{ kind: 'unreachable' }] });
    expect(idsOf(planApp(aView(checked(1), [away('a', true)])))).toEqual(['+1']);
  });

  it('that returns makes a surplus: the sick one goes, whoever came back', () => {
    const plan = planApp(aView(checked(1), [healthy('returned'), aRunning('replacement', [aResult(false)])]));
    expect(plan.steps).toEqual([{ kind: 'decommission', instanceId: 'replacement', reason: 'over-capacity' }]);
  });
});

describe('a restart for failed health', () => {
  const restarts = (plan: AppPlan): string[] => plan.steps.flatMap((step) => (step.kind === 'restart-task' ? [step.instanceId] : []));

  it('takes one at a time where all are wanted, however many fail together', () => {
    const plan = planApp(
      aView(
        checked(4),
        ['a', 'b', 'c', 'd'].map((id) => sick(id)),
      ),
    );
    expect(plan.steps).toEqual([{ kind: 'restart-task', instanceId: 'a', reason: 'health-check' }]);
  });

  it('takes as many as the minimum leaves', () => {
    const half = checked(4, { upgrade: { minimumHealthCapacity: 0.5, maximumOverCapacity: 0 } });
    expect(
      restarts(
        planApp(
          aView(
            half,
            ['a', 'b', 'c', 'd'].map((id) => sick(id)),
          ),
        ),
      ),
    ).toEqual(['a', 'b']);
  });

  it('waits until the one before is healthy again', () => {
    const rest = ['b', 'c', 'd'].map((id) => sick(id));
    const stopping: Instance = { ...sick('a'), stop: { since: T0, killAt: T0, reason: 'health-check' } };
    const relaunching = aScheduled('a', { incarnation: 1, backoffMs: 1000 });
    const unproven = aRunning('a', [null], { incarnation: 2 });
    for (const one of [stopping, relaunching, unproven]) expect(restarts(planApp(aView(checked(4), [one, ...rest])))).toEqual([]);
    expect(restarts(planApp(aView(checked(4), [aRunning('a', [aResult(true)], { incarnation: 2 }), ...rest])))).toEqual(['b']);
  });

  it('gives the others their turn when the one before cannot get healthy', () => {
    const again = sick('a', { incarnation: 2, backoffMs: 1000 });
    expect(restarts(planApp(aView(checked(2), [again, sick('b')])))).toEqual(['b']);
  });

  it('is not due for a check that fails without being exhausted', () => {
    expect(planApp(aView(checked(1), [aRunning('a', [aResult(false)])]))).toMatchObject({ steps: [], waitingFor: [{ kind: 'health' }] });
  });
});

describe('what up to date means', () => {
  it('is decided by the config version: an edit of policy alone restarts nothing', () => {
    const view = aView(checked(1), [healthy('a')]);
    expect(planApp({ ...view, target: { spec: checked(1), version: NEW + 10, configVersion: NEW } }).done).toBe(true);
  });
});

describe('a target that the present master cannot launch', () => {
  const refused = { launchRefusal: 'it needs more' };
  const old = (id: string): Instance => aRunning(id, [aResult(true)], { version: OLD });

  it('is told as such, and not as a wait for an offer', () => {
    const plan = planApp(aView(checked(2), [healthy('a'), aScheduled('b')], refused));
    expect(plan.waitingFor).toEqual([{ kind: 'master', instanceIds: ['b'], text: '1 of 2 instances cannot be launched: it needs more' }]);
  });

  it('costs no old instance, not even where the budget would allow it', () => {
    const spec = checked(1, { upgrade: { minimumHealthCapacity: 0, maximumOverCapacity: 0 } });
    expect(idsOf(planApp(aView(spec, [old('a')], { rollout: ROLLOUT })))).toEqual(['a']);
    const plan = planApp(aView(spec, [old('a')], { rollout: ROLLOUT, ...refused }));
    expect(idsOf(plan)).toEqual([]);
    expect(plan.waitingFor.map(({ kind }) => kind)).toContain('master');
  });

  it('lets a surplus of old ones go all the same', () => {
    const spec = checked(1, { upgrade: { minimumHealthCapacity: 0, maximumOverCapacity: 0 } });
    expect(idsOf(planApp(aView(spec, [old('a'), old('b')], { rollout: ROLLOUT, ...refused })))).toHaveLength(1);
  });
});
