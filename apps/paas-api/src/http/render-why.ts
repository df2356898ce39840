/** Why an app is not as wanted, in sentences: what its plan waits for, and what each agent lacked (promise 8). */
import { isoTime, type AppId } from '@ekiden/model';
import type { PaasView, QueueItem } from '../paas-api.js';
import { renderFailure } from './render-app.js';
import type { Json } from './stored-definition.js';

export function renderWhy(view: PaasView, id: AppId): Json {
  const plan = view.plan(id);
  const item = view.queue().find(({ appId }) => appId === id) ?? null;
  const failure = view.failure(id);
  return {
    appId: id,
    summary: summaryOf(view, id, item),
    waitingFor: plan?.waitingFor ?? [],
    queue: item === null ? null : renderItem(item),
    resizing: view.resizing(id).map(({ since, ...task }) => ({ ...task, since: isoTime(since) })),
    lastTaskFailure: failure === null ? null : renderFailure(failure),
    deployments: view.deploymentsOf(id).map((row) => ({
      id: row.id,
      reason: row.reason,
      startedAt: isoTime(row.startedAt),
      stuckSince: row.stuckSince === null ? null : isoTime(row.stuckSince),
    })),
    plan: plan === null ? null : { done: plan.done, budget: plan.budget, counts: plan.counts },
  };
}

function summaryOf(view: PaasView, id: AppId, item: QueueItem | null): string {
  const plan = view.plan(id);
  const waiting = plan?.waitingFor ?? [];
  if (waiting.length > 0) return waiting.map(({ text }) => text).join('; ');
  if (item !== null && item.delayMs > 0) return `${item.count} instances wait ${Math.ceil(item.delayMs / 1_000)} s after failures`;
  if (item !== null && item.heldBecause !== null) return `${item.count} instances cannot be launched: ${item.heldBecause}`;
  if (item !== null) return `${item.count} instances wait for an offer`;
  const { running } = view.counts(id);
  const tasks = running === 1 ? '1 task runs' : `${running} tasks run`;
  return plan === null || plan.done ? `nothing is waited for: ${tasks}` : `the plan of ${id} is being carried out: ${tasks}`;
}

const renderItem = (item: QueueItem): Json => ({
  count: item.count,
  since: isoTime(item.since),
  delayMs: item.delayMs,
  heldBecause: item.heldBecause,
  processedOffers: item.processedOffers,
  unusedOffers: item.unusedOffers,
  refusals: item.refusals.map(({ agentId, hostname, reason, text, at }) => ({ agentId, hostname, reason, text, at: isoTime(at) })),
  refusedSince: item.refusedSince,
});
