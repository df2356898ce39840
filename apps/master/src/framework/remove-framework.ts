/**
 * A framework leaves: its stream broke, its failover_timeout passed, or it was torn down (reference: 1.6).
 *
 * The removal is recorded before any task is ended, and repeated until the store takes it. Tasks of a removed framework
 * count as long as they run (promise 3); the master acknowledges their ends, since nobody else is left to.
 */
import { EkidenError } from '@ekiden/model';
import { forgetRemoved } from '../cluster/tasks.js';
import { count, type Core, type Framework } from '../cluster/core.js';
import { withdrawAll } from '../offers/offer-ledger.js';
import { tellAllocator } from './subscribe.js';

/** Until a write that the store did not take is tried again. */
export const STORE_RETRY_MS = 1_000;
/** The longest single timer; longer waits are made of several. */
const MAX_TIMER_MS = 86_400_000;

/** The stream's connection broke: offers go back silently, tasks stay, the failover timer runs. */
export function frameworkDisconnected(core: Core, framework: Framework): void {
  framework.session?.broken();
  framework.session = null;
  withdrawAll(core, framework);
  tellAllocator(core, framework);
  core.ports.log.info('framework-disconnected', { frameworkId: framework.frameworkId, tasks: framework.tasks.size });
  awaitFailover(core, framework, (framework.info.failover_timeout ?? 0) * 1000);
}

/** Ends the framework for good; its id can never subscribe again. */
export function removeFramework(core: Core, framework: Framework, why: string): void {
  if (framework.removed) return;
  framework.removed = true;
  framework.failover?.cancel();
  framework.failover = null;
  framework.session?.end(null);
  framework.session = null;
  withdrawAll(core, framework);
  tellAllocator(core, framework);
  core.removedFrameworks.add(framework.frameworkId);
  count(core, 'frameworks_removed');
  core.ports.log.info('framework-removed', { frameworkId: framework.frameworkId, why, tasks: framework.tasks.size });
  recordRemoval(core, framework);
}

function awaitFailover(core: Core, framework: Framework, leftMs: number): void {
  const waitMs = Math.min(leftMs, MAX_TIMER_MS);
  framework.failover = core.ports.clock.after(waitMs, () => {
    if (leftMs > waitMs) awaitFailover(core, framework, leftMs - waitMs);
    else removeFramework(core, framework, 'failover timeout');
  });
}

function recordRemoval(core: Core, framework: Framework): void {
  if (!core.isLeading) return;
  core.ports.store.saveRemovedFramework(core.epoch, framework.frameworkId).then(
    () => {
      if (core.isLeading) endTasks(core, framework);
    },
    (error: unknown) => {
      if (error instanceof EkidenError && error.code === 'stale-leader') return core.stepDown(error.message);
      core.ports.log.warn('store-refused', { what: 'framework removal', frameworkId: framework.frameworkId, error });
      core.ports.clock.after(STORE_RETRY_MS, () => recordRemoval(core, framework));
    },
  );
}

function endTasks(core: Core, framework: Framework): void {
  const agents = new Set([...framework.tasks.values()].map(({ agentId }) => core.agents.get(agentId)));
  for (const agent of agents) agent?.connection?.send({ type: 'shutdown-framework', frameworkId: framework.frameworkId });
  framework.unreachable.clear();
  forgetRemoved(core, framework);
}
