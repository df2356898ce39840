/**
 * The plan of one app: what is recorded next so that what is becomes what should be, and what it waits for.
 *
 * One function for everything that changes an app's instances: create, scale, roll-out, a new size, kill-and-scale, delete, the
 * return of an agent, failed health. It is level-triggered and idempotent: the same view gives the same plan, a view in
 * which the plan is recorded gives the rest. It never waits; where nothing may move, `waitingFor` says why.
 * Absent on purpose: offers (match-offer.ts), the order across apps (deployment-steps.ts), the clock (`view.now`).
 */
import { isOutdated } from '@ekiden/model';
import { budgetOf, isCounted } from './budget.js';
import { planHealthKills } from './health-kills.js';
import { healthOf, isReady, isUsable, provingVersionOf } from './health.js';
import { planResizes } from './resizes.js';
import { planRollout, takeCensus, type Target } from './rollout.js';
import type { AppPlan, AppView, Step, Waiting } from './view.js';
import { describeWaiting } from './waiting.js';

/** Pure; never throws. Record its steps whole or not at all. */
export function planApp(view: AppView): AppPlan {
  if (view.target !== null) return planTarget(view, view.target);
  return (view.unreadable ?? null) === null ? planRemoval(view) : standStill(view, view.unreadable ?? '');
}

/** Nobody knows what is wanted: what runs runs on. */
function standStill(view: AppView, text: string): AppPlan {
  return { steps: [], waitingFor: [{ kind: 'version', instanceIds: [], text }], done: false, budget: { minHealthy: 0, maxTotal: 0 }, counts: countsOf(view) };
}

function planTarget(view: AppView, target: Target): AppPlan {
  const census = takeCensus(view, target);
  const isReplacing = view.instances.some((one) => isOutdated(one.instance, target.configVersion));
  const budget = budgetOf(target.spec.upgrade, target.spec.instances, { isReplacing, isResident: target.isResident ?? false });
  const provingVersion = provingVersionOf(view);
  const context = { spec: target.spec, configVersion: target.configVersion, provingVersion, balanced: [] };
  const rollout = planRollout(view, target, census, budget, context);

  const leavingNow = new Set(rollout.steps.flatMap((step) => (step.kind === 'decommission' ? [step.instanceId] : [])));
  // Apart: a new config that nowhere gets healthy must not keep the old ones from being restarted.
  const healthKills = [census.current, census.old].flatMap((list) =>
    planHealthKills(
      list.filter((one) => !leavingNow.has(one.instance.id)),
      budget,
    ),
  );
  const resizes = planResizes(view, target, census.current, budget, provingVersion);
  const steps = [...rollout.steps, ...healthKills, ...resizes.steps];

  const done =
    steps.length === 0 &&
    resizes.due.length === 0 &&
    census.old.length === 0 &&
    census.leaving.length === 0 &&
    census.current.length === target.spec.instances &&
    census.current.every((one) => one.instance.stop === null && isUsable(one, provingVersion));
  return {
    steps,
    waitingFor: done ? [] : describeWaiting(view, target, census, rollout, budget, provingVersion),
    done,
    budget,
    counts: countsOf(view),
  };
}

function planRemoval(view: AppView): AppPlan {
  const staying = view.instances.filter((one) => one.instance.goal === 'running');
  const leaving = view.instances.filter((one) => one.instance.goal === 'decommissioned');
  const text = `${leaving.length} ${leaving.length === 1 ? 'instance is' : 'instances are'} being stopped`;
  const waitingFor: Waiting[] = leaving.length === 0 ? [] : [{ kind: 'stop', instanceIds: leaving.map((one) => one.instance.id), text }];
  return {
    steps: staying.map((one): Step => ({ kind: 'decommission', instanceId: one.instance.id, reason: 'deleting-app' })),
    waitingFor,
    done: view.instances.length === 0,
    budget: { minHealthy: 0, maxTotal: 0 },
    counts: countsOf(view),
  };
}

function countsOf(view: AppView): AppPlan['counts'] {
  const counted = view.instances.filter((one) => isCounted(one.instance));
  const provingVersion = provingVersionOf(view);
  const configVersion = view.target?.configVersion ?? Number.POSITIVE_INFINITY;
  return {
    total: counted.length,
    old: counted.filter((one) => isOutdated(one.instance, configVersion)).length,
    healthy: counted.filter((one) => healthOf(one) === 'healthy').length,
    ready: counted.filter((one) => isReady(one, provingVersion)).length,
  };
}
