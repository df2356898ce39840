/**
 * Healthy, ready, usable: defined once, for roll-outs, scale-downs, health kills, the API and routing alike.
 *
 * An instance is judged by the checks of its own version. Readiness counts only while a roll-out of its version has to
 * prove it; later it takes nothing away (Marathon: ReadinessBehavior). A running instance without checks is healthy.
 */
import type { AppSpec, Instance, Instant } from '@ekiden/model';
import type { AppView, Health, InstanceView } from './view.js';

type Judged = Pick<InstanceView, 'instance' | 'spec'>;

/** `unknown`: not running, or a check has no result yet. `unhealthy`: any check's last result is a failure. */
export function healthOf({ instance, spec }: { readonly instance: Instance; readonly spec: AppSpec }): Health {
  const { condition } = instance;
  if (condition.kind !== 'running') return 'unknown';
  let unknown = false;
  for (let index = 0; index < spec.healthChecks.length; index += 1) {
    const result = condition.checks[index] ?? null;
    if (result === null) unknown = true;
    else if (!result.alive) return 'unhealthy';
  }
  return unknown ? 'unknown' : 'healthy';
}

/**
 * The config version that a roll-out has to prove, or null outside of one: instances at least as new need their readiness
 * check to have succeeded.
 */
export const provingVersionOf = (view: AppView): Instant | null => (view.rollout === null ? null : (view.target?.configVersion ?? null));

/** Running, and its readiness check has succeeded where one has to. */
export function isReady({ instance, spec }: Judged, provingVersion: Instant | null): boolean {
  const { condition } = instance;
  if (condition.kind !== 'running') return false;
  if (spec.readinessCheck === null || provingVersion === null || instance.version < provingVersion) return true;
  return condition.readiness?.ready === true;
}

/** Healthy and ready. Says nothing about whether it is being stopped. */
export const isUsable = (one: Judged, provingVersion: Instant | null): boolean => healthOf(one) === 'healthy' && isReady(one, provingVersion);

/** Usable, to stay, and not being stopped: what promise 4 counts. */
export const isServing = (one: Judged, provingVersion: Instant | null): boolean =>
  one.instance.goal === 'running' && one.instance.stop === null && isUsable(one, provingVersion);

/** A check of this running instance has failed so often that its task has to be killed (when the budget allows). */
export const isExhausted = (one: Judged): boolean =>
  healthOf(one) === 'unhealthy' && one.instance.condition.kind === 'running' && one.instance.condition.checks.some((check) => check?.exhausted === true);
