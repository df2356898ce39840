/**
 * The two budgets of promise 4, rounded in this one place.
 *
 * `minHealthy` is the number of healthy instances below which no step goes; `maxTotal` the number of instances above
 * which none is added. Where they leave no room the budget widens by one: one instance more, or, for instances bound to
 * their volumes (resident), one healthy less. Marathon: TaskReplaceActor.computeRestartStrategy.
 */
import type { AppSpec, Instance } from '@ekiden/model';
import { isServing, provingVersionOf } from './health.js';
import type { AppView } from './view.js';

export interface Budget {
  readonly minHealthy: number;
  readonly maxTotal: number;
}

/** Absorbs what binary fractions add: 100 × 0.07 is 7, not a little more. */
const ROUNDING = 1e-9;

/** `isReplacing`: instances of an older config are there, so room for one is needed. */
export function budgetOf(upgrade: AppSpec['upgrade'], instances: number, options: { readonly isReplacing: boolean; readonly isResident: boolean }): Budget {
  const minHealthy = Math.min(instances, Math.ceil(instances * upgrade.minimumHealthCapacity - ROUNDING));
  const maxTotal = Math.max(instances, Math.floor(instances * (1 + upgrade.maximumOverCapacity) + ROUNDING));
  const hasRoom = minHealthy < maxTotal || instances === 0;
  if (hasRoom || !options.isReplacing) return { minHealthy, maxTotal };
  return options.isResident ? { minHealthy: minHealthy - 1, maxTotal } : { minHealthy, maxTotal: maxTotal + 1 };
}

/** Counts towards the total: every recorded instance but those that are out of reach and already replaced. */
export const isCounted = ({ condition, goal }: Instance): boolean => !(goal === 'running' && condition.kind === 'unreachable' && condition.inactive);

/** The baselines to store when a deployment's action on this app begins; hand in the view with the new target. */
export function baselineOf(view: AppView): { readonly healthyAtStart: number; readonly totalAtStart: number } {
  const proving = provingVersionOf({ ...view, rollout: { healthyAtStart: 0, totalAtStart: 0 } });
  return {
    healthyAtStart: view.instances.filter((one) => isServing(one, proving)).length,
    totalAtStart: view.instances.filter((one) => isCounted(one.instance)).length,
  };
}
