/**
 * Why instances wait for an offer, for programs (Marathon's funnel) and for people (one sentence with quantities).
 */
import type { Refusal, RefusalReason } from './view.js';
import { REFUSAL_REASONS } from './view.js';

/** A row of `rejectSummaryLastOffers`: of the offers that passed all rows before, so many fell here. */
export interface FunnelRow {
  readonly reason: RefusalReason;
  readonly declined: number;
  readonly processed: number;
}

/** All ten rows in Marathon's order. `matched`: offers that were refused for no reason. */
export function summarizeRefusals(refusals: readonly Pick<Refusal, 'reason'>[], matched = 0): readonly FunnelRow[] {
  const counts: Partial<Record<RefusalReason, number>> = {};
  for (const { reason } of refusals) counts[reason] = (counts[reason] ?? 0) + 1;
  return summarizeCounts(counts, matched);
}

/** The same from counters. Other keys than the ten reasons are left out. */
export function summarizeCounts(counts: Readonly<Partial<Record<string, number>>>, matched = 0): readonly FunnelRow[] {
  let processed = matched + REFUSAL_REASONS.reduce((sum, reason) => sum + (counts[reason] ?? 0), 0);
  return REFUSAL_REASONS.map((reason) => {
    const declined = counts[reason] ?? 0;
    const row = { reason, declined, processed };
    processed -= declined;
    return row;
  });
}

/** Reasons told in one sentence, at most; the rest is counted. */
const MAX_REASONS_TOLD = 4;

/**
 * One sentence: `2 instances of /shop/web wait for an offer: 3 agents lack cpus (needs 2 cpus, 1.5 are free on host-7), …`.
 * The example of a quantity is the agent that came nearest; a constraint tells how many it excludes.
 */
export function explainPending(appId: string, count: number, refusals: readonly Refusal[]): string {
  const who = `${count} ${count === 1 ? 'instance' : 'instances'} of ${appId} ${count === 1 ? 'waits' : 'wait'} for an offer`;
  if (refusals.length === 0) return `${who}: no agent has made one yet`;
  const told = REFUSAL_REASONS.flatMap((reason) => {
    const group = refusals.filter((refusal) => refusal.reason === reason);
    return group.length === 0 ? [] : [tellGroup(reason, group)];
  });
  const more = told.length > MAX_REASONS_TOLD ? [`${told.length - MAX_REASONS_TOLD} further reasons`] : [];
  return `${who}: ${[...told.slice(0, MAX_REASONS_TOLD), ...more].join('; ')}`;
}

function tellGroup(reason: RefusalReason, group: readonly Refusal[]): string {
  const nearest = group.reduce((best, refusal) => ((refusal.shortfall?.free ?? 0) > (best.shortfall?.free ?? 0) ? refusal : best));
  const agents = `${group.length} ${group.length === 1 ? 'agent' : 'agents'}`;
  return `${agents} ${VERBS[reason](group.length === 1)} (${nearest.text}${nearest.shortfall === null ? '' : ` on ${nearest.hostname}`})`;
}

const lack =
  (what: string) =>
  (one: boolean): string =>
    `${one ? 'lacks' : 'lack'} ${what}`;

const VERBS: Readonly<Record<RefusalReason, (one: boolean) => string>> = {
  UnfulfilledRole: (one) => `${one ? 'offers' : 'offer'} another role`,
  UnfulfilledConstraint: (one) => `${one ? 'is' : 'are'} excluded by a constraint`,
  NoCorrespondingReservationFound: lack('the reservation'),
  AgentMaintenance: (one) => `${one ? 'is' : 'are'} in maintenance`,
  InsufficientCpus: lack('cpus'),
  InsufficientMemory: lack('memory'),
  InsufficientDisk: lack('disk'),
  InsufficientGpus: lack('gpus'),
  InsufficientPorts: lack('ports'),
  DeclinedScarceResources: (one) => `${one ? 'keeps' : 'keep'} scarce resources for others`,
};
