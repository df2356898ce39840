/**
 * How long a failed instance waits before its next launch.
 *
 * Back-off is kept per instance, so that one crashing copy delays neither its siblings nor a scale-up, and it is a
 * column of the instance's row, so that it survives a fail-over. Growth follows Marathon's RateLimiter.
 */
import type { AppSpec } from '@ekiden/model';

export type BackoffPolicy = AppSpec['backoff'];

/** The delay in ms after one more failure; `previousMs` 0 means that the instance ran well before. Never above `maxMs`. */
export function nextBackoff(previousMs: number, policy: BackoffPolicy): number {
  if (previousMs <= 0) return Math.min(policy.initialMs, policy.maxMs);
  return Math.min(policy.maxMs, Math.round(previousMs * Math.max(1, policy.factor)));
}

/** True when a run of `ranMs` was long enough for the failures before it to be forgotten. */
export const isRunLongEnough = (ranMs: number, policy: BackoffPolicy): boolean => ranMs > policy.maxMs;
