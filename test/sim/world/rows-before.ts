/** The rows that a commit is about to write, as they are: what a judge of the commit compares with. */
import type { AppId, DeploymentId, Instance, InstanceId } from '@ekiden/model';
import type { MemoryPaasDatabase } from '../../../apps/paas-api/src/store/memory-store.js';
import type { AppRow, DeploymentRow, Write } from '../../../apps/paas-api/src/store/paas-store.js';
import type { RowsBefore } from './sim-event.js';

export function rowsBefore(database: MemoryPaasDatabase, writes: readonly Write[]): RowsBefore {
  const instances = new Map<InstanceId, Instance | null>();
  const apps = new Map<AppId, AppRow | null>();
  const deployments = new Map<DeploymentId, DeploymentRow | null>();
  for (const write of writes) {
    if (write.kind === 'put-instance') instances.set(write.row.id, database.instances.get(write.row.id) ?? null);
    else if (write.kind === 'delete-instance') instances.set(write.id, database.instances.get(write.id) ?? null);
    else if (write.kind === 'put-app') apps.set(write.row.id, database.apps.get(write.row.id) ?? null);
    else if (write.kind === 'delete-app') apps.set(write.id, database.apps.get(write.id) ?? null);
    else if (write.kind === 'put-deployment') deployments.set(write.row.id, database.deployments.get(write.row.id) ?? null);
  }
  return { instances, apps, deployments };
}
