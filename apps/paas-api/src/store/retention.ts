/** Forgets old events, deployments and versions every few minutes, so that the tables stay bounded. */
import type { Log } from '@ekiden/model';
import type { Later } from '@ekiden/queue';
import type { PaasStore } from './paas-store.js';

const RETENTION_EVERY_MS = 300_000;

/** How much is kept, in rows; versions for each app. */
export type RetentionLimits = Parameters<PaasStore['prune']>[1];

/** To be asked for once it leads. Each round proves the lead anew; one that fails is tried again in the next. */
export function keepPruning(
  later: Pick<Later, 'every'>,
  { store, epoch }: { readonly store: Pick<PaasStore, 'prune'>; readonly epoch: () => number },
  limits: RetentionLimits,
  log: Log,
): Promise<void> {
  return later.every('paas-retention', RETENTION_EVERY_MS, async () => {
    const rows = await store.prune(epoch(), limits);
    if (rows > 0) log.info('pruned', { rows });
  });
}

/** The store, and the epoch with which it leads: retention has to prove it too. */
export function knowingEpoch<S extends PaasStore>(inner: S): { readonly store: S; readonly epoch: () => number } {
  let epoch = 0;
  const store: S = {
    ...inner,
    async lead(holder, address) {
      const led = await inner.lead(holder, address);
      epoch = led.epoch;
      return led;
    },
  };
  return { store, epoch: () => epoch };
}
