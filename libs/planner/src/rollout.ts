/**
 * Which instances go and how many come, when what is there differs from what is wanted: roll-out, scale, return.
 *
 * The arithmetic of Marathon's TaskReplaceActor, made level-triggered: it is recomputed from what is recorded now, so that
 * the order in which stops, launches and probes end does not matter. A working instance goes only while `minHealthy`
 * others work, a presumably working one (old, in whatever state) only while `minHealthy` presumably work; so each plan by
 * itself keeps promise 4.
 *
 * Why it cannot stand still by itself: `maxTotal` is above `minHealthy` while old instances exist (budget.ts). When all
 * places are taken, nothing is on its way out and every new instance works, more than `minHealthy` presumably work, and
 * so an old one may go. Otherwise something is on its way, and the plan names it.
 */
import { isOutdated, liveTask, type Instance, type StopReason } from '@ekiden/model';
import type { Budget } from './budget.js';
import { isCounted } from './budget.js';
import { isServing } from './health.js';
import type { AppView, InstanceView, Step } from './view.js';
import { chooseVictims, type VictimContext } from './victims.js';

export type Target = NonNullable<AppView['target']>;

/** The instances of a view, sorted by what they are to the plan. */
export interface Census {
  /** To stay, of the target's config; without those that are out of reach and replaced. */
  readonly current: readonly InstanceView[];
  /** To stay so far, of an older config or unable to get its size: to be replaced. */
  readonly old: readonly InstanceView[];
  /** Out of reach and replaced, of the target's config: may return, else expires. */
  readonly away: readonly InstanceView[];
  /** Decommissioned, and their tasks not gone yet. */
  readonly leaving: readonly InstanceView[];
}

export function takeCensus(view: AppView, target: Target): Census {
  const census = { current: [] as InstanceView[], old: [] as InstanceView[], away: [] as InstanceView[], leaving: [] as InstanceView[] };
  for (const one of view.instances) {
    if (one.instance.goal === 'decommissioned') census.leaving.push(one);
    else if (isOutdated(one.instance, target.configVersion)) census.old.push(one);
    else if (isCounted(one.instance)) census.current.push(one);
    else census.away.push(one);
  }
  return census;
}

export interface RolloutSteps {
  readonly steps: readonly Step[];
  /** Old or surplus ones that have to wait for the budget. */
  readonly held: number;
  /** Wanted, not there, and without a place under `maxTotal`. */
  readonly unplaced: number;
}

export function planRollout(view: AppView, target: Target, census: Census, budget: Budget, context: VictimContext): RolloutSteps {
  const sentenced = [...census.current, ...census.old, ...census.away].filter((one) => view.sentenced.has(one.instance.id));
  const staying = (list: readonly InstanceView[]): InstanceView[] => list.filter((one) => !view.sentenced.has(one.instance.id));
  const current = staying(census.current);
  const surplus = chooseVictims(current, current.length - target.spec.instances, { ...context, balanced: current });
  const old = staying(census.old);
  // What cannot be launched replaces nothing: the old ones serve on in its place.
  const kept = (view.launchRefusal ?? null) === null ? 0 : Math.max(0, target.spec.instances - current.filter((one) => liveTask(one.instance) !== null).length);
  const going = chooseVictims(old, old.length - kept, { ...context, balanced: [] });
  const candidates = chooseVictims([...going, ...surplus], going.length + surplus.length, { ...context, balanced: [] });

  const isOld = new Set(old);
  const serves = (one: InstanceView): boolean => isServing(one, context.provingVersion);
  let serving = [...current, ...old].filter(serves).length;
  let presumed = current.filter(serves).length + old.filter((one) => isPresumed(one.instance)).length;
  const victims = candidates.filter((one) => {
    const removal = judgeRemoval(one, { isOld: isOld.has(one), serves: serves(one), serving, presumed }, budget);
    serving -= removal.serving;
    presumed -= removal.presumed;
    return removal.goes;
  });

  const scaleReason: StopReason = view.rollout === null ? 'over-capacity' : 'scaling-down';
  const steps: Step[] = [
    ...sentenced.map((one): Step => ({ kind: 'decommission', instanceId: one.instance.id, reason: 'user-request' })),
    ...victims.map((one): Step => ({ kind: 'decommission', instanceId: one.instance.id, reason: isOld.has(one) ? 'upgrading' : scaleReason })),
  ];
  const gone = [...sentenced, ...victims].filter((one) => isCounted(one.instance) && isForgottenAtOnce(one.instance)).length;
  const total = view.instances.filter((one) => isCounted(one.instance)).length - gone;
  const missing = Math.max(0, target.spec.instances - current.length);
  const count = Math.min(missing, Math.max(0, budget.maxTotal - total));
  if (count > 0) steps.push({ kind: 'schedule', count });
  return { steps, held: candidates.length - victims.length, unplaced: missing - count };
}

interface Standing {
  readonly isOld: boolean;
  readonly serves: boolean;
  readonly serving: number;
  readonly presumed: number;
}

/** Whether one candidate may go now, and by how much that lowers the two counts. */
function judgeRemoval(one: InstanceView, standing: Standing, { minHealthy }: Budget): { goes: boolean; serving: number; presumed: number } {
  const stays = { goes: false, serving: 0, presumed: 0 };
  if (standing.serves) return standing.serving > minHealthy ? { goes: true, serving: 1, presumed: 1 } : stays;
  // What never ran is missed by nobody, nor is a surplus instance that does not work or is out of reach for good.
  if (!standing.isOld || !isPresumed(one.instance)) return { goes: true, serving: 0, presumed: 0 };
  return standing.presumed > minHealthy ? { goes: true, serving: 0, presumed: 1 } : stays;
}

/**
 * Counts as possibly working, though nothing proves it: launched before, and not given up as out of reach. An old one that
 * crashes while the new config does not get healthy is so relaunched instead of lost.
 */
const isPresumed = (instance: Instance): boolean => isCounted(instance) && (instance.condition.kind !== 'scheduled' || instance.incarnation > 0);

/** Without a task that could be confirmed as ended, the decommissioned instance leaves no row (instance-machine.ts). */
const isForgottenAtOnce = ({ condition }: Instance): boolean =>
  condition.kind === 'scheduled' || condition.kind === 'terminal' || condition.kind === 'unreachable';
