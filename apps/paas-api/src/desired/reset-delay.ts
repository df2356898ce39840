/** A user is impatient: waiting instances of an app are launched without the rest of their back-off. */
import { EkidenError, type AppId } from '@ekiden/model';
import type { Draft } from '../ledger/draft.js';
import { stepAndRecord } from '../ledger/record-step.js';

/** Throws `queue-item-not-found` when no instance of the app waits. */
export function resetDelay(draft: Draft, id: AppId): void {
  const waiting = draft.desired(id) === null ? [] : draft.instances(id).filter((instance) => instance.condition.kind === 'scheduled');
  if (waiting.length === 0) throw new EkidenError('queue-item-not-found', `Application ${id} not found in tasks queue.`, { appId: id });
  for (const instance of waiting) stepAndRecord(draft, instance, { kind: 'reset-backoff' });
}
