/**
 * What a run's clients believe, held against the database, and the facts of a run: promise 1 as those see it who were promised something.
 *
 * The invariants (`invariants.ts`) see each answer and each commit; this sees whether a client that remembers is right in the end.
 */
import type { AppId } from '@ekiden/model';
import type { SimEvent } from './world/sim-event.js';
import type { World } from './world/world.js';
import type { Clients } from './workloads/clients.js';

/** How often a run looks at all that clients believe, in virtual ms. */
export const LOOK_INTERVAL_MS = 60_000;

export class Watch {
  readonly breaches: string[] = [];
  processesStarted = 0;
  commits = 0;

  constructor(
    private readonly world: World,
    private readonly clients: Pick<Clients, 'beliefs' | 'breaches' | 'glimpse'>,
  ) {
    world.witnesses.add((event) => this.see(event));
  }

  /** All that clients believe. */
  look(): void {
    this.breaches.push(...this.clients.breaches.splice(0));
    for (const id of this.clients.beliefs.keys()) this.lookAt(id);
  }

  private see(event: SimEvent): void {
    const { log, clock, paasDatabase } = this.world;
    if (event.kind === 'process-started') {
      this.processesStarted += 1;
      log.note([clock.now(), event.host, 'started', event.process.taskId]);
    } else if (event.kind === 'process-ended') log.note([clock.now(), event.host, 'ended', event.process.taskId, event.process.exit]);
    else if (event.kind === 'answered') this.breaches.push(...this.clients.breaches.splice(0));
    else if (event.kind === 'committed') {
      this.commits += 1;
      for (const write of event.writes) if (write.kind === 'put-app') this.lookAt(write.row.id);
      const [touched] = event.before.instances.keys();
      const app = touched === undefined ? undefined : paasDatabase.instances.get(touched)?.appId;
      if (app !== undefined) this.clients.glimpse(app);
    }
  }

  private lookAt(id: AppId): void {
    const belief = this.clients.beliefs.get(id);
    if (belief === undefined || belief.kind === 'unsure') return;
    const { apps, versions, deployments } = this.world.paasDatabase;
    const desired = apps.get(id)?.desiredVersion ?? null;
    if (belief.kind === 'gone') {
      if (desired !== null) this.breaches.push(`1. ${id} was deleted, and version ${desired} is there`);
      return;
    }
    const row = versions.get(id)?.get(belief.version);
    if (desired === belief.version && JSON.stringify(row?.definition) === belief.definition) return;
    // A roll-back by itself is Ekiden's own change, and announced by `rollbackWhenStuck`.
    const isRolledBack = [...deployments.values()].some(
      (one) => one.rollbackOf !== null && one.version > belief.version && one.changes.some((change) => change.appId === id),
    );
    if (!isRolledBack)
      this.breaches.push(`1. ${id}: told version ${belief.version} (${belief.definition}), desired is ${desired}, stored ${JSON.stringify(row?.definition)}`);
  }
}
