/**
 * Counts the results of one health check of one task.
 *
 * Pure: a result and the time go in; the new state, and whether the world should hear of it, come out.
 * Marathon's rules (docs: health checks) with one repair: the check is exhausted at the maxConsecutiveFailures-th failure
 * in a row, as documented, not one later (decision 15). Failures before the first success and within the grace period are
 * not even recorded; after a success the grace period protects no longer. 0 means: never exhausted.
 */
import type { CheckResult, HealthCheck, Instant } from '@ekiden/model';

export type ProbeOutcome = { readonly kind: 'success' } | { readonly kind: 'failure'; readonly cause: string };

export interface CheckStep {
  readonly result: CheckResult | null;
  /** Liveness flipped, the count of failures changed, or the check became exhausted. A further success says nothing new. */
  readonly changed: boolean;
  /** The failure fell into the grace period and counts for nothing. */
  readonly ignored: boolean;
}

export function stepCheck(before: CheckResult | null, outcome: ProbeOutcome, now: Instant, startedAt: Instant, check: HealthCheck): CheckStep {
  if (outcome.kind === 'success') {
    const result: CheckResult = {
      alive: true,
      consecutiveFailures: 0,
      firstSuccess: before?.firstSuccess ?? now,
      lastSuccess: now,
      lastFailure: before?.lastFailure ?? null,
      lastFailureCause: before?.lastFailureCause ?? null,
      exhausted: false,
    };
    return { result, changed: !before?.alive, ignored: false };
  }
  const hasSucceeded = before !== null && before.firstSuccess !== null;
  if (!hasSucceeded && now < startedAt + check.gracePeriodMs) return { result: before, changed: false, ignored: true };
  const consecutiveFailures = (before?.consecutiveFailures ?? 0) + 1;
  const result: CheckResult = {
    alive: false,
    consecutiveFailures,
    firstSuccess: before?.firstSuccess ?? null,
    lastSuccess: before?.lastSuccess ?? null,
    lastFailure: now,
    lastFailureCause: outcome.cause,
    exhausted: check.maxConsecutiveFailures > 0 && consecutiveFailures >= check.maxConsecutiveFailures,
  };
  return { result, changed: true, ignored: false };
}

/** Until the first success: the pause after the n-th ignored failure, so that a start is noticed soon; never above the interval. */
export const START_RETRY_MS = 250;

export const startRetryMs = (ignoredFailures: number, intervalMs: number): number => Math.min(intervalMs, START_RETRY_MS * 2 ** Math.min(ignoredFailures, 20));

/** First probes are spread over at most this long. */
export const START_SPREAD_MS = 500;

/** `delayMs` is of the kinds that Mesos runs; Marathon's own kinds ignore it. */
export function firstProbeMs(check: HealthCheck, random: number): number {
  const delayed = check.protocol === 'COMMAND' || check.protocol.startsWith('MESOS_');
  return (delayed ? check.delayMs : 0) + Math.round(random * Math.min(check.intervalMs, START_SPREAD_MS));
}
