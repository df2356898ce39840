/**
 * What paas-api has recorded, commit by commit: triggers on its tables copy every row that is written into a schema of ours.
 *
 * So the promises are judged afterwards on each state that was ever committed, by the simulator's own judge, though we
 * stand outside: whatever a leader believed, a deposed one too, only what Postgres took counts.
 */
import { liveTask, type AppId, type DeploymentId, type Instance, type InstanceId } from '@ekiden/model';
import { MemoryPaasDatabase } from '../../apps/paas-api/src/store/memory-store.js';
import type { AppRow, AppVersionRow, DeploymentRow, Write } from '../../apps/paas-api/src/store/paas-store.js';
import { fromBody } from '../../apps/paas-api/src/store/stored-body.js';
import { judgeCommit } from '../sim/judge-commit.js';
import type { Database } from './database.js';

/** Rows that are read at once. */
const PAGE = 5_000;

const INSTALL = `
CREATE SCHEMA chaos;
CREATE TABLE chaos.history (
  seq bigserial PRIMARY KEY, tx text NOT NULL DEFAULT pg_current_xact_id()::text, at timestamptz NOT NULL DEFAULT clock_timestamp(),
  name text NOT NULL, op text NOT NULL, row jsonb NOT NULL);
CREATE FUNCTION chaos.note() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
  INSERT INTO chaos.history (name, op, row) VALUES (TG_TABLE_NAME, TG_OP, to_jsonb(CASE WHEN TG_OP = 'DELETE' THEN OLD ELSE NEW END));
  RETURN NULL;
END $$;
${['app', 'app_version', 'deployment', 'instance'].map((name) => `CREATE TRIGGER chaos_${name} AFTER INSERT OR UPDATE OR DELETE ON paas.${name} FOR EACH ROW EXECUTE FUNCTION chaos.note();`).join('\n')}`;

/** An agent that is given up for good at once takes its tasks from being well to being forgotten, in one commit: the event alone tells. */
const UNREACHABLE = `
  SELECT payload->>'taskId' AS task, max(at) AS at FROM paas.event
  WHERE type = 'status_update_event' AND payload->>'taskStatus' = 'TASK_UNREACHABLE' GROUP BY 1`;

interface Row {
  readonly seq: string;
  readonly tx: string;
  readonly at: Date;
  readonly name: 'app' | 'app_version' | 'deployment' | 'instance';
  readonly op: 'INSERT' | 'UPDATE' | 'DELETE';
  readonly row: Readonly<Record<string, unknown>>;
}

/** All that was ever recorded of one task. */
export interface TaskHistory {
  readonly recordedAt: number;
  stop: { readonly reason: string; readonly at: number } | null;
  /** When its agent was last known to be away. */
  unreachableAt: number | null;
  /** When it stopped being its instance's live task. */
  overAt: number | null;
}

export interface History {
  readonly commits: number;
  readonly breaches: readonly string[];
  readonly tasks: ReadonlyMap<string, TaskHistory>;
}

export const installHistory = async (database: Database): Promise<void> => void (await database.ask(INSTALL));

/** Reads all of it and replays it: one state after another, each judged. */
export async function readHistory(database: Database): Promise<History> {
  const replay = new Replay();
  for (const { task, at } of await database.ask<{ task: string; at: string }>(UNREACHABLE)) replay.unreachable.set(task, Number(at));
  let seq = '0';
  for (;;) {
    const rows = await database.ask<Row>('SELECT * FROM chaos.history WHERE seq > $1 ORDER BY seq LIMIT $2', [seq, PAGE]);
    for (const row of rows) replay.take(row);
    if (rows.length < PAGE) break;
    seq = rows.at(-1)?.seq ?? seq;
  }
  return replay.end();
}

class Replay {
  /** Task → when an event told that its agent is away. */
  readonly unreachable = new Map<string, number>();
  private readonly database = new MemoryPaasDatabase();
  private readonly tasks = new Map<string, TaskHistory>();
  private readonly breaches: string[] = [];
  private commits = 0;
  private tx = '';
  private at = 0;
  private writes: Write[] = [];
  private before = new Map<InstanceId, Instance | null>();

  take(row: Row): void {
    if (row.tx !== this.tx) this.commit();
    this.tx = row.tx;
    this.at = row.at.getTime();
    switch (row.name) {
      case 'app':
        return this.app(row);
      case 'app_version':
        return this.version(row);
      case 'deployment':
        return this.deployment(row);
      case 'instance':
        return this.instance(row);
    }
  }

  end(): History {
    this.commit();
    return { commits: this.commits, breaches: this.breaches, tasks: this.tasks };
  }

  private commit(): void {
    if (this.tx === '') return;
    this.commits += 1;
    const when = new Date(this.at).toISOString();
    this.breaches.push(...judgeCommit(this.database, this.writes, this.before).map((breach) => `${breach} (committed at ${when})`));
    this.writes = [];
    this.before = new Map();
  }

  private app({ op, row }: Row): void {
    const id = row['id'] as AppId;
    const version = (name: string): AppRow['desiredVersion'] => (row[name] === null ? null : (Number(row[name]) as AppRow['desiredVersion']));
    const app: AppRow = { id, generation: Number(row['generation']), desiredVersion: version('desired_version'), activeVersion: version('active_version') };
    if (op === 'DELETE') this.database.apps.delete(id);
    else this.database.apps.set(id, app);
    this.writes.push(op === 'DELETE' ? { kind: 'delete-app', id } : { kind: 'put-app', row: app });
  }

  private version({ op, row }: Row): void {
    const version = fromBody<AppVersionRow>('a version', row['body']);
    const versions = this.database.versions.get(version.appId) ?? new Map<number, AppVersionRow>();
    this.database.versions.set(version.appId, versions);
    if (op === 'DELETE') versions.delete(version.version);
    else versions.set(version.version, version);
    if (op !== 'DELETE') this.writes.push({ kind: 'put-version', row: version });
  }

  private deployment({ op, row }: Row): void {
    const deployment = fromBody<DeploymentRow>('a deployment', row['body']);
    if (op === 'DELETE') this.database.deployments.delete(row['id'] as DeploymentId);
    else this.database.deployments.set(deployment.id, deployment);
    if (op !== 'DELETE') this.writes.push({ kind: 'put-deployment', row: deployment });
  }

  private instance({ op, row }: Row): void {
    const instance = fromBody<Instance>('an instance', row['body']);
    const was = this.database.instances.get(instance.id) ?? null;
    if (!this.before.has(instance.id)) this.before.set(instance.id, was);
    const is = op === 'DELETE' ? null : instance;
    if (is === null) this.database.instances.delete(instance.id);
    else this.database.instances.set(is.id, is);
    this.writes.push(is === null ? { kind: 'delete-instance', id: instance.id } : { kind: 'put-instance', row: is });
    this.follow(was, is);
  }

  private follow(was: Instance | null, is: Instance | null): void {
    const before = was === null ? null : liveTask(was);
    const now = is === null ? null : liveTask(is);
    if (before !== null && before.taskId !== now?.taskId) {
      const task = this.tasks.get(before.taskId);
      if (task !== undefined) task.overAt ??= this.at;
    }
    if (is === null || now === null) return;
    let task = this.tasks.get(now.taskId);
    if (task === undefined)
      this.tasks.set(now.taskId, (task = { recordedAt: this.at, stop: null, unreachableAt: this.unreachable.get(now.taskId) ?? null, overAt: null }));
    if (is.stop !== null) task.stop ??= { reason: is.stop.reason, at: this.at };
    if (is.condition.kind === 'unreachable') task.unreachableAt = this.at;
  }
}
