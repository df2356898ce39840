/** What waits to be launched, and why (Marathon: 10.7). The funnel counts an offer at its first failing reason. */
import { isoTime } from '@ekiden/model';
import { REFUSAL_REASONS } from '@ekiden/planner';
import type { PaasView, QueueItem } from '../paas-api.js';
import { renderVersion, wantedVersion } from './render-app.js';
import type { Json } from './stored-definition.js';

export function renderQueue(view: PaasView, withOffers: boolean): Json {
  const items = view.queue().flatMap((item) => {
    const version = wantedVersion(view, item.appId);
    if (version === null) return [];
    return [{ count: item.count, role: version.spec.role, ...renderItem(item, withOffers), app: renderVersion(version) }];
  });
  return { queue: items };
}

function renderItem(item: QueueItem, withOffers: boolean): Json {
  const lastByReason: Record<string, number> = {};
  for (const { reason } of item.refusals) lastByReason[reason] = (lastByReason[reason] ?? 0) + 1;
  return {
    delay: { timeLeftSeconds: Math.max(0, Math.ceil(item.delayMs / 1_000)), overdue: item.delayMs <= 0 },
    since: isoTime(item.since),
    processedOffersSummary: {
      processedOffersCount: item.processedOffers,
      unusedOffersCount: item.unusedOffers,
      ...(item.lastUnusedOfferAt === null ? {} : { lastUnusedOfferAt: isoTime(item.lastUnusedOfferAt) }),
      ...(item.lastUsedOfferAt === null ? {} : { lastUsedOfferAt: isoTime(item.lastUsedOfferAt) }),
      rejectSummaryLastOffers: funnel(lastByReason, item.refusals.length),
      rejectSummaryLaunchAttempt: funnel(item.refusedSince, item.processedOffers),
    },
    ...(item.heldBecause === null ? {} : { heldBecause: item.heldBecause }),
    ...(withOffers ? { lastUnusedOffers: item.refusals.map(renderRefusedOffer) } : {}),
  };
}

function funnel(declinedFor: Readonly<Record<string, number>>, offers: number): Json[] {
  let processed = offers;
  return REFUSAL_REASONS.map((reason) => {
    const declined = declinedFor[reason] ?? 0;
    const entry = { reason, declined, processed };
    processed = Math.max(0, processed - declined);
    return entry;
  });
}

/** Offers themselves are not kept: the agent that made it, the reason, and the sentence that explains it. */
const renderRefusedOffer = (refusal: QueueItem['refusals'][number]): Json => ({
  offer: { id: `${refusal.agentId}-last`, hostname: refusal.hostname, agentId: refusal.agentId, resources: [], attributes: [] },
  reason: [refusal.reason],
  text: refusal.text,
  timestamp: isoTime(refusal.at),
});
