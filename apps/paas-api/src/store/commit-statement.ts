/**
 * Builds the SQL of one commit: normally a single statement, so that a commit costs one round trip.
 *
 * The writes are grouped by table, the last one of a key wins, and each group becomes one CTE fed by one JSON parameter. All
 * hang on `fence`: it locks the leader's row and is empty when another epoch leads, and then nothing is written. Within one
 * statement all CTEs see the state before it; a write that has to see an earlier one of its batch (deleting an app looks at
 * instances and deployments, and its id may come back) therefore starts a further statement, sent in the same transaction.
 */
import { assertNever, type AppId, type DeploymentId, type FrameworkId, type Instance, type InstanceId } from '@ekiden/model';
import type { FencedStatement } from '@ekiden/service';
import type { AppRow, AppVersionRow, DeploymentRow, EventRow, TaskFailureRow, Write } from './paas-store.js';
import { toBody, toStorableJson } from './stored-body.js';

/** The row of the leader, locked until the end of the transaction; no row when another epoch leads. */
export const FENCE = 'fence AS MATERIALIZED (SELECT 1 FROM paas.leader WHERE epoch = $1 AND holder IS NOT NULL FOR SHARE)';

/** (app_id, version) of what running deployments lead from and to. */
export const VERSIONS_OF_RUNNING_DEPLOYMENTS = `
  SELECT c.change->>'appId' AS app_id, side.version::bigint AS version
  FROM paas.deployment d, jsonb_array_elements(d.body->'changes') AS c(change),
    LATERAL (VALUES (c.change->>'from'), (c.change->>'to')) AS side(version)
  WHERE d.state = 'running' AND side.version IS NOT NULL`;

interface Group {
  readonly apps: Map<AppId, AppRow>;
  readonly deletedApps: Set<AppId>;
  readonly versions: Map<string, AppVersionRow>;
  readonly deployments: Map<DeploymentId, DeploymentRow>;
  /** Null: deleted. */
  readonly instances: Map<InstanceId, Instance | null>;
  readonly failures: Map<AppId, TaskFailureRow>;
  readonly events: EventRow[];
  frameworkId: FrameworkId | null;
}

/** At least one statement; several have to be sent in one transaction, in order. */
export function buildCommit(epoch: number, writes: readonly Write[]): readonly FencedStatement[] {
  const groups: Group[] = [];
  let group = newGroup();
  for (const write of writes) {
    if (mustFollow(group, write)) {
      groups.push(group);
      group = newGroup();
    }
    add(group, write);
  }
  groups.push(group);
  return groups.map((one) => buildStatement(epoch, one));
}

const newGroup = (): Group => ({
  apps: new Map(),
  deletedApps: new Set(),
  versions: new Map(),
  deployments: new Map(),
  instances: new Map(),
  failures: new Map(),
  events: [],
  frameworkId: null,
});

/** Whether a write has to see what its group has written. */
function mustFollow(group: Group, write: Write): boolean {
  switch (write.kind) {
    case 'delete-app':
      return group.apps.size + group.versions.size + group.deployments.size + group.instances.size + group.failures.size > 0;
    case 'put-app':
      return group.deletedApps.has(write.row.id);
    case 'put-version':
    case 'put-failure':
      return group.deletedApps.has(write.row.appId);
    case 'put-deployment':
    case 'put-instance':
    case 'delete-instance':
    case 'add-event':
    case 'set-framework-id':
      return false;
  }
  return assertNever(write);
}

function add(group: Group, write: Write): void {
  switch (write.kind) {
    case 'put-app':
      group.apps.set(write.row.id, write.row);
      return;
    case 'delete-app':
      group.deletedApps.add(write.id);
      return;
    case 'put-version':
      group.versions.set(`${write.row.appId} ${write.row.version}`, write.row);
      return;
    case 'put-deployment':
      group.deployments.set(write.row.id, write.row);
      return;
    case 'put-instance':
      group.instances.set(write.row.id, write.row);
      return;
    case 'delete-instance':
      group.instances.set(write.id, null);
      return;
    case 'put-failure':
      group.failures.set(write.row.appId, write.row);
      return;
    case 'add-event':
      group.events.push(write.row);
      return;
    case 'set-framework-id':
      group.frameworkId = write.frameworkId;
      return;
  }
  return assertNever(write);
}

function buildStatement(epoch: number, group: Group): FencedStatement {
  const values: unknown[] = [epoch];
  const ctes: string[] = [FENCE];
  let name = 'commit-';
  const cte = (letter: string, size: number, value: () => unknown, text: (parameter: string) => string): void => {
    if (size === 0) return;
    values.push(value());
    name += letter;
    ctes.push(`w${letter} AS (${text(`$${values.length}`)})`);
  };
  const instances = [...group.instances.values()].filter((row) => row !== null);
  const deletedInstances = [...group.instances].flatMap(([id, row]) => (row === null ? [id] : []));

  cte('a', group.apps.size, () => toStorableJson([...group.apps.values()].map(appColumns)), PUT_APPS);
  cte('b', group.deletedApps.size, () => [...group.deletedApps], DELETE_APPS);
  // The same list again: each CTE has its own parameter.
  cte('c', group.deletedApps.size, () => [...group.deletedApps], DELETE_FAILURES);
  cte('d', group.deletedApps.size, () => [...group.deletedApps], DELETE_VERSIONS);
  cte('v', group.versions.size, () => toStorableJson([...group.versions.values()].map(versionColumns)), PUT_VERSIONS);
  cte('p', group.deployments.size, () => toStorableJson([...group.deployments.values()].map(deploymentColumns)), PUT_DEPLOYMENTS);
  cte('i', instances.length, () => toStorableJson(instances.map(instanceColumns)), PUT_INSTANCES);
  cte('x', deletedInstances.length, () => deletedInstances, DELETE_INSTANCES);
  cte('f', group.failures.size, () => toStorableJson([...group.failures.values()].map(failureColumns)), PUT_FAILURES);
  cte('e', group.events.length, () => toStorableJson(group.events), ADD_EVENTS);
  cte('k', group.frameworkId === null ? 0 : 1, () => group.frameworkId, SET_FRAMEWORK_ID);
  return { name, text: `WITH ${ctes.join(',\n')}\nSELECT count(*)::int AS led FROM fence`, values };
}

const appColumns = (row: AppRow) => ({ id: row.id, generation: row.generation, desired_version: row.desiredVersion, active_version: row.activeVersion });

const versionColumns = (row: AppVersionRow) => ({ app_id: row.appId, version: row.version, body: toBody(row) });

const deploymentColumns = (row: DeploymentRow) => ({
  id: row.id,
  state: row.state,
  started_at: row.startedAt,
  ended_at: row.endedAt,
  app_ids: row.changes.map((change) => change.appId),
  body: toBody(row),
});

function instanceColumns(row: Instance): Readonly<Record<string, unknown>> {
  const { condition } = row;
  const task = condition.kind === 'scheduled' ? null : condition.task;
  return {
    id: row.id,
    app_id: row.appId,
    version: row.version,
    goal: row.goal,
    condition: condition.kind,
    task_id: task?.taskId ?? null,
    agent_id: task?.agentId ?? null,
    not_before: condition.kind === 'scheduled' ? condition.notBefore : null,
    body: toBody(row),
  };
}

const failureColumns = (row: TaskFailureRow) => ({ app_id: row.appId, body: toBody(row) });

const PUT_APPS = (p: string) => `
  INSERT INTO paas.app (id, generation, desired_version, active_version)
  SELECT r.* FROM fence, json_to_recordset(${p}::json) AS r(id text, generation bigint, desired_version bigint, active_version bigint)
  ON CONFLICT (id) DO UPDATE SET generation = EXCLUDED.generation, desired_version = EXCLUDED.desired_version, active_version = EXCLUDED.active_version`;

const DELETE_APPS = (p: string) => `DELETE FROM paas.app a USING fence WHERE a.id = ANY(${p}::text[])`;

const DELETE_FAILURES = (p: string) => `DELETE FROM paas.task_failure f USING fence WHERE f.app_id = ANY(${p}::text[])`;

/** What a running deployment or an instance names is kept: the one may be rolled back, the other runs it. */
const DELETE_VERSIONS = (p: string) => `
  DELETE FROM paas.app_version v USING fence WHERE v.app_id = ANY(${p}::text[])
    AND NOT EXISTS (SELECT 1 FROM paas.instance i WHERE i.app_id = v.app_id AND i.version = v.version)
    AND NOT EXISTS (SELECT 1 FROM (${VERSIONS_OF_RUNNING_DEPLOYMENTS}) n WHERE n.app_id = v.app_id AND n.version = v.version)`;

const PUT_VERSIONS = (p: string) => `
  INSERT INTO paas.app_version (app_id, version, body)
  SELECT r.* FROM fence, json_to_recordset(${p}::json) AS r(app_id text, version bigint, body json)
  ON CONFLICT (app_id, version) DO UPDATE SET body = EXCLUDED.body`;

const PUT_DEPLOYMENTS = (p: string) => `
  INSERT INTO paas.deployment (id, state, started_at, ended_at, app_ids, body)
  SELECT r.* FROM fence, json_to_recordset(${p}::json) AS r(id text, state text, started_at bigint, ended_at bigint, app_ids text[], body jsonb)
  ON CONFLICT (id) DO UPDATE SET state = EXCLUDED.state, started_at = EXCLUDED.started_at, ended_at = EXCLUDED.ended_at,
    app_ids = EXCLUDED.app_ids, body = EXCLUDED.body`;

/** The hot one: `jsonb` is parsed once and its bodies are taken over as they are. */
const PUT_INSTANCES = (p: string) => `
  INSERT INTO paas.instance (id, app_id, version, goal, condition, task_id, agent_id, not_before, body, updated_at)
  SELECT r.*, clock_timestamp() FROM fence, jsonb_to_recordset(${p}::jsonb) AS r(id text, app_id text, version bigint, goal text, condition text,
    task_id text, agent_id text, not_before bigint, body jsonb)
  ON CONFLICT (id) DO UPDATE SET app_id = EXCLUDED.app_id, version = EXCLUDED.version, goal = EXCLUDED.goal, condition = EXCLUDED.condition,
    task_id = EXCLUDED.task_id, agent_id = EXCLUDED.agent_id, not_before = EXCLUDED.not_before, body = EXCLUDED.body, updated_at = EXCLUDED.updated_at`;

const DELETE_INSTANCES = (p: string) => `DELETE FROM paas.instance i USING fence WHERE i.id = ANY(${p}::text[])`;

const PUT_FAILURES = (p: string) => `
  INSERT INTO paas.task_failure (app_id, body)
  SELECT r.* FROM fence, json_to_recordset(${p}::json) AS r(app_id text, body jsonb)
  ON CONFLICT (app_id) DO UPDATE SET body = EXCLUDED.body`;

const ADD_EVENTS = (p: string) => `
  INSERT INTO paas.event (seq, type, at, payload)
  SELECT r.* FROM fence, json_to_recordset(${p}::json) AS r(seq bigint, type text, at bigint, payload json)`;

const SET_FRAMEWORK_ID = (p: string) => `
  INSERT INTO paas.cluster (singleton, framework_id) SELECT true, ${p}::text FROM fence
  ON CONFLICT (singleton) DO UPDATE SET framework_id = EXCLUDED.framework_id`;
