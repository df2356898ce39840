/** The committed rows by app, kept up with each commit: what a judge of one app looks at without looking at all of them. */
import type { AppId, DeploymentId, Instance, InstanceId } from '@ekiden/model';
import type { MemoryPaasDatabase } from '../../../apps/paas-api/src/store/memory-store.js';
import type { DeploymentRow, Write } from '../../../apps/paas-api/src/store/paas-store.js';
import type { RowsBefore } from '../world/sim-event.js';

export class CommittedIndex {
  /** Deployments that run. */
  readonly running = new Map<DeploymentId, DeploymentRow>();
  private readonly byApp = new Map<AppId, Map<InstanceId, Instance>>();

  constructor(database: MemoryPaasDatabase) {
    for (const row of database.instances.values()) this.put(row);
    for (const row of database.deployments.values()) if (row.state === 'running') this.running.set(row.id, row);
  }

  instances(id: AppId): readonly Instance[] {
    return [...(this.byApp.get(id)?.values() ?? [])];
  }

  /** Running deployments that change this app. */
  deployments(id: AppId): readonly DeploymentRow[] {
    return [...this.running.values()].filter((row) => row.changes.some((change) => change.appId === id));
  }

  apply(writes: readonly Write[], before: RowsBefore): void {
    for (const write of writes) {
      if (write.kind === 'put-instance') this.put(write.row);
      else if (write.kind === 'delete-instance') this.remove(write.id, before.instances.get(write.id) ?? null);
      else if (write.kind === 'put-deployment' && write.row.state === 'running') this.running.set(write.row.id, write.row);
      else if (write.kind === 'put-deployment') this.running.delete(write.row.id);
    }
  }

  private put(row: Instance): void {
    const rows = this.byApp.get(row.appId);
    if (rows === undefined) this.byApp.set(row.appId, new Map([[row.id, row]]));
    else rows.set(row.id, row);
  }

  private remove(id: InstanceId, before: Instance | null): void {
    if (before === null) return;
    const rows = this.byApp.get(before.appId);
    rows?.delete(id);
    if (rows?.size === 0) this.byApp.delete(before.appId);
  }
}
