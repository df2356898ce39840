/**
 * Moments of a row that was written by a clock ahead of ours: a former leader's, or our own before it was set back.
 *
 * Nothing is recorded before it happens. A row from the future shows by how much the clocks differ at least, and everything
 * that it still waits for moves by that: so no wait lasts longer than twice its length, whatever the clocks say.
 */
import type { Condition, Instance, Instant, Stop } from '@ekiden/model';

/** The same instance where nothing in it is later than it can be. */
export function withPastMoments(instance: Instance, now: Instant): Instance {
  const condition = pastCondition(instance.condition, now);
  const stop = instance.stop === null ? null : pastStop(instance.stop, now);
  return condition === instance.condition && stop === instance.stop ? instance : { ...instance, condition, stop };
}

function pastCondition(condition: Condition, now: Instant): Condition {
  const aheadMs = condition.since - now;
  if (aheadMs <= 0) return condition;
  const earlier = (at: Instant | null): Instant | null => (at === null ? null : at - aheadMs);
  if (condition.kind === 'scheduled') return { ...condition, since: now, notBefore: condition.notBefore - aheadMs };
  if (condition.kind === 'unreachable') return { ...condition, since: now, inactiveAt: earlier(condition.inactiveAt), expungeAt: earlier(condition.expungeAt) };
  return { ...condition, since: now };
}

function pastStop(stop: Stop, now: Instant): Stop {
  const aheadMs = stop.since - now;
  return aheadMs <= 0 ? stop : { ...stop, since: now, killAt: stop.killAt - aheadMs };
}
