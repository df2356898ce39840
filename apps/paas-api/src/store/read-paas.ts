/** What paas-api reads from Postgres: all of it at the start of a term, and pages of history afterwards. */
import type { DataSource, EntityManager } from 'typeorm';
import { appId, frameworkId, type Instance } from '@ekiden/model';
import { VERSIONS_OF_RUNNING_DEPLOYMENTS } from './commit-statement.js';
import { AppTable, ClusterTable, DeploymentTable, EventTable, TaskFailureTable } from './paas-entities.js';
import {
  MAX_VERSIONS_PER_APP,
  type AppVersionRow,
  type DeploymentRow,
  type EventRow,
  type PaasSnapshot,
  type PaasStore,
  type TaskFailureRow,
} from './paas-store.js';
import { fromBody } from './stored-body.js';

/** (app_id, version) that must not be forgotten: named by an instance, an app or a running deployment. */
export const NAMED_VERSIONS = `
  SELECT app_id, version FROM paas.instance
  UNION SELECT id, desired_version FROM paas.app WHERE desired_version IS NOT NULL
  UNION SELECT id, active_version FROM paas.app WHERE active_version IS NOT NULL
  UNION ${VERSIONS_OF_RUNNING_DEPLOYMENTS}`;

/** One consistent snapshot. */
export function readSnapshot(source: DataSource): Promise<PaasSnapshot> {
  return source.transaction('REPEATABLE READ', async (manager) => {
    const apps = await manager.find(AppTable);
    const deployments = await manager.find(DeploymentTable, { where: { state: 'running' }, order: { startedAt: 'ASC', id: 'ASC' } });
    const failures = await manager.find(TaskFailureTable);
    const cluster = await manager.findOne(ClusterTable, { where: { singleton: true } });
    const [last] = await manager.find(EventTable, { select: { seq: true }, order: { seq: 'DESC' }, take: 1 });
    return {
      apps: apps.map((row) => ({ ...row, id: appId(row.id) })),
      versions: await readVersions(manager),
      instances: await readInstances(manager),
      deployments: deployments.map((row) => fromBody<DeploymentRow>(`deployment ${row.id}`, row.body)),
      failures: failures.map((row) => fromBody<TaskFailureRow>(`failure of ${row.appId}`, row.body)),
      frameworkId: cluster?.frameworkId ? frameworkId(cluster.frameworkId) : null,
      lastEventSeq: last?.seq ?? 0,
    };
  });
}

async function readVersions(manager: EntityManager): Promise<readonly AppVersionRow[]> {
  const rows: { app_id: string; body: unknown }[] = await manager.query(
    `SELECT v.app_id, v.body FROM (
       SELECT app_id, version, body, row_number() OVER (PARTITION BY app_id ORDER BY version DESC) AS age FROM paas.app_version
     ) v
     WHERE (v.age <= $1 AND EXISTS (SELECT 1 FROM paas.app a WHERE a.id = v.app_id)) OR (v.app_id, v.version) IN (${NAMED_VERSIONS})`,
    [MAX_VERSIONS_PER_APP],
  );
  return rows.map((row) => fromBody<AppVersionRow>(`version of ${row.app_id}`, row.body));
}

async function readInstances(manager: EntityManager): Promise<readonly Instance[]> {
  const rows: { id: string; body: unknown }[] = await manager.query('SELECT id, body FROM paas.instance');
  return rows.map((row) => fromBody<Instance>(`instance ${row.id}`, row.body));
}

export async function readHistory(source: DataSource, { appId: id, limit }: Parameters<PaasStore['deploymentHistory']>[0]): Promise<readonly DeploymentRow[]> {
  const query = source.getRepository(DeploymentTable).createQueryBuilder('d');
  if (id !== null) query.where(':id = ANY(d.app_ids)', { id });
  const rows = await query.orderBy('d.startedAt', 'DESC').addOrderBy('d.id', 'DESC').limit(limit).getMany();
  return rows.map((row) => fromBody<DeploymentRow>(`deployment ${row.id}`, row.body));
}

export async function readEvents(source: DataSource, seq: number, limit: number): Promise<readonly EventRow[]> {
  const query = source.getRepository(EventTable).createQueryBuilder('e').where('e.seq > :seq', { seq });
  return query.orderBy('e.seq', 'ASC').limit(limit).getMany();
}
