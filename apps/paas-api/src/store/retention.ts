/** Forgets old events, deployments and versions every few minutes, so that the tables stay bounded. */
import type { Later } from '@ekiden/queue';
import type { PaasStore } from './paas-store.js';

export const RETENTION_EVERY_MS = 10 * 60_000;

/** What is kept, in rows; versions for each app. */
export const RETENTION_LIMITS = { events: 100_000, deployments: 10_000, versionsPerApp: 50 } as const;

/** To be asked for at the start of each term; `later` is closed at its end. A prune that fails is tried in the next round. */
export async function keepPruning(later: Later, store: PaasStore, epoch: number): Promise<void> {
  await later.every('retention', RETENTION_EVERY_MS, async () => void (await store.prune(epoch, RETENTION_LIMITS)));
}
