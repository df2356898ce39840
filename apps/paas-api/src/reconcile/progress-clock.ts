/**
 * When a deployment last made progress that one can see.
 *
 * Progress is a new low: of old instances, of instances that are still waited for, or of all (a removal). A task that runs
 * and crashes again and again reaches no new low, so it does not count for ever. Kept in memory. A new leader takes what it
 * finds for the lows and counts from its first look: nobody knows for how long nobody led, and nothing could move.
 */
import type { DeploymentId, Instant } from '@ekiden/model';
import type { AppPlan } from '@ekiden/planner';
import type { DeploymentRow } from '../store/paas-store.js';

/** Deployments remembered; those that were cancelled are the oldest. */
const MAX_KNOWN = 1_000;

interface Progress {
  at: Instant;
  fewestOld: number;
  fewestWaiting: number;
  fewestTotal: number;
  /** The last look, if it waited for an offer then: time since does not count. */
  pausedAt: Instant | null;
}

export class ProgressClock {
  private readonly known = new Map<DeploymentId, Progress>();

  get size(): number {
    return this.known.size;
  }

  /** The moment of the last progress, moved on by the time spent waiting for offers; and whether this look saw some. */
  look(row: DeploymentRow, plans: readonly AppPlan[], now: Instant): { readonly at: Instant; readonly isProgress: boolean } {
    const progress = this.known.get(row.id) ?? fresh(now);
    this.known.set(row.id, progress);
    progress.at = Math.min(progress.at, now); // The clock may have been set back.
    if (progress.pausedAt !== null) progress.at = Math.min(now, progress.at + (now - progress.pausedAt));
    progress.pausedAt = plans.some((plan) => plan.waitingFor.some((waiting) => waiting.kind === 'offer')) ? now : null;

    const old = sum(plans, (plan) => plan.counts.old);
    const total = sum(plans, (plan) => plan.counts.total);
    const waiting = sum(plans, waitingIn);
    const isFirst = progress.fewestTotal === Infinity;
    const isProgress = !isFirst && (old < progress.fewestOld || waiting < progress.fewestWaiting || total < progress.fewestTotal);
    // Fewer old ones: the next new ones are waited for afresh.
    progress.fewestWaiting = old < progress.fewestOld ? waiting : Math.min(progress.fewestWaiting, waiting);
    progress.fewestOld = Math.min(progress.fewestOld, old);
    progress.fewestTotal = Math.min(progress.fewestTotal, total);
    if (isProgress) progress.at = now;
    return { at: progress.at, isProgress };
  }

  lastProgress(id: DeploymentId): Instant | null {
    return this.known.get(id)?.at ?? null;
  }

  restart(id: DeploymentId, now: Instant): void {
    this.known.delete(id);
    this.known.set(id, fresh(now));
    const [oldest] = this.known.keys();
    if (this.known.size > MAX_KNOWN && oldest !== undefined) this.known.delete(oldest);
  }

  forget(id: DeploymentId): void {
    this.known.delete(id);
  }

  /** So much time does not count. */
  stoodStill(ms: number): void {
    for (const progress of this.known.values()) {
      progress.at += ms;
      if (progress.pausedAt !== null) progress.pausedAt += ms;
    }
  }
}

const fresh = (at: Instant): Progress => ({ at, fewestOld: Infinity, fewestWaiting: Infinity, fewestTotal: Infinity, pausedAt: null });

const waitingIn = (plan: AppPlan): number => sum(plan.waitingFor, (waiting) => (waiting.kind === 'capacity' ? 0 : waiting.instanceIds.length));

const sum = <T>(all: readonly T[], count: (one: T) => number): number => all.reduce((total, one) => total + count(one), 0);
