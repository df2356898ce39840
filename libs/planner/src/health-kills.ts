/**
 * Which tasks are restarted because their health checks have failed too often.
 *
 * Spread on purpose (decision 15): at most max(1, alive − minHealthy) instances of a config are down for health at a time.
 * One is down from its stop until its next task is healthy, or has itself failed so often that it would be killed again.
 * So a dependency that is away restarts the app's instances one after another, and never takes them all; and one that
 * can nowhere get healthy does not keep the others from their turn, since those restarted less come first.
 */
import { healthOf, isExhausted } from './health.js';
import type { Budget } from './budget.js';
import type { InstanceView, Step } from './view.js';

/** `instances`: those of one config (the target's, or older ones) that are to stay. Answers `restart-task` steps, worst first; unhealthy ones only. */
export function planHealthKills(instances: readonly InstanceView[], { minHealthy }: Budget): Step[] {
  const alive = instances.filter((one) => one.instance.condition.kind !== 'unreachable');
  const exhausted = alive.filter((one) => one.instance.stop === null && isExhausted(one));
  if (exhausted.length === 0) return [];
  const down = alive.filter(isDownForHealth).length;
  const allowed = Math.max(1, alive.length - minHealthy) - down;
  return exhausted
    .sort(byPatience)
    .slice(0, Math.max(0, allowed))
    .map((one) => ({ kind: 'restart-task', instanceId: one.instance.id, reason: 'health-check' }));
}

/** Being restarted: its stop is under way, or a task after its first has not proved itself yet. */
function isDownForHealth(one: InstanceView): boolean {
  const { stop, incarnation, condition } = one.instance;
  if (stop !== null) return true;
  const isSecondTry = incarnation > 1 || (incarnation === 1 && condition.kind === 'scheduled');
  return isSecondTry && healthOf(one) !== 'healthy' && !isExhausted(one);
}

/** The one restarted least comes first, then the one that runs longest, then by id. */
function byPatience(a: InstanceView, b: InstanceView): number {
  const one = a.instance;
  const other = b.instance;
  return one.backoffMs - other.backoffMs || one.condition.since - other.condition.since || (one.id < other.id ? -1 : 1);
}
