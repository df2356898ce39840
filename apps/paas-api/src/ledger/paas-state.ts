/**
 * Committed state, with the indices by which it is read. Only the ledger changes it, and only after a commit.
 *
 * The same reading interface is offered by a draft (`draft.ts`), so that a decision and an API read look alike.
 */
import { assertNever, type AppId, type DeploymentId, type FrameworkId, type Instance, type InstanceId, type Instant } from '@ekiden/model';
import { DesiredIndex } from './desired-index.js';
import {
  MAX_VERSIONS_PER_APP,
  type AppRow,
  type AppVersionRow,
  type DeploymentRow,
  type PaasSnapshot,
  type TaskFailureRow,
  type Write,
} from '../store/paas-store.js';

/** What a decision may look at. */
export interface StateReader {
  app(id: AppId): AppRow | null;
  appIds(): Iterable<AppId>;
  version(id: AppId, version: Instant): AppVersionRow | null;
  /** Unordered. */
  versions(id: AppId): Iterable<AppVersionRow>;
  instance(id: InstanceId): Instance | null;
  instances(id: AppId): readonly Instance[];
  /** Running ones, oldest first. */
  deployments(): readonly DeploymentRow[];
  deployment(id: DeploymentId): DeploymentRow | null;
  failure(id: AppId): TaskFailureRow | null;
  readonly frameworkId: FrameworkId | null;
  /** The newest version or deployment version ever given out. */
  readonly lastVersion: Instant;
}

export class PaasState implements StateReader {
  frameworkId: FrameworkId | null = null;
  lastVersion: Instant = 0;
  lastEventSeq = 0;
  readonly index = new DesiredIndex();
  private readonly appRows = new Map<AppId, AppRow>();
  private readonly versionRows = new Map<AppId, Map<Instant, AppVersionRow>>();
  private readonly instanceRows = new Map<InstanceId, Instance>();
  private readonly byApp = new Map<AppId, Map<InstanceId, Instance>>();
  private readonly lists = new Map<AppId, readonly Instance[]>();
  private readonly deploymentRows = new Map<DeploymentId, DeploymentRow>();
  private readonly failures = new Map<AppId, TaskFailureRow>();

  constructor(snapshot: PaasSnapshot | null = null) {
    if (snapshot === null) return;
    for (const row of snapshot.versions) this.putVersion(row);
    for (const row of snapshot.apps) this.putApp(row);
    for (const row of snapshot.instances) this.putInstance(row);
    for (const row of snapshot.deployments) this.putDeployment(row);
    for (const row of snapshot.failures) this.failures.set(row.appId, row);
    this.frameworkId = snapshot.frameworkId;
    this.lastEventSeq = snapshot.lastEventSeq;
  }

  app = (id: AppId): AppRow | null => this.appRows.get(id) ?? null;
  appIds = (): Iterable<AppId> => this.appRows.keys();
  version = (id: AppId, version: Instant): AppVersionRow | null => this.versionRows.get(id)?.get(version) ?? null;
  versions = (id: AppId): Iterable<AppVersionRow> => this.versionRows.get(id)?.values() ?? [];
  instance = (id: InstanceId): Instance | null => this.instanceRows.get(id) ?? null;
  allInstances = (): Iterable<Instance> => this.instanceRows.values();
  deployments = (): readonly DeploymentRow[] => [...this.deploymentRows.values()];
  deployment = (id: DeploymentId): DeploymentRow | null => this.deploymentRows.get(id) ?? null;
  failure = (id: AppId): TaskFailureRow | null => this.failures.get(id) ?? null;
  /** What users asked for. */
  desired(id: AppId): AppVersionRow | null {
    const version = this.appRows.get(id)?.desiredVersion ?? null;
    return version === null ? null : this.version(id, version);
  }

  /** Apps that have rows of any kind: those deleted whose instances are not gone yet among them. */
  appsWithInstances = (): Iterable<AppId> => this.byApp.keys();

  instances(id: AppId): readonly Instance[] {
    let list = this.lists.get(id);
    if (list === undefined) this.lists.set(id, (list = [...(this.byApp.get(id)?.values() ?? [])]));
    return list;
  }

  /** Takes committed writes over. */
  apply(writes: readonly Write[]): void {
    for (const write of writes) this.applyOne(write);
  }

  private applyOne(write: Write): void {
    switch (write.kind) {
      case 'put-app':
        this.putApp(write.row);
        return;
      case 'delete-app':
        this.unindex(write.id);
        this.appRows.delete(write.id);
        this.versionRows.delete(write.id);
        this.failures.delete(write.id);
        return;
      case 'put-version':
        this.putVersion(write.row);
        this.forgetOldVersions(write.row.appId);
        return;
      case 'put-deployment':
        this.putDeployment(write.row);
        return;
      case 'put-instance':
        this.putInstance(write.row);
        return;
      case 'delete-instance':
        this.deleteInstance(write.id);
        return;
      case 'put-failure':
        this.failures.set(write.row.appId, write.row);
        return;
      case 'add-event':
        this.lastEventSeq = Math.max(this.lastEventSeq, write.row.seq);
        return;
      case 'set-framework-id':
        this.frameworkId = write.frameworkId;
        return;
    }
    return assertNever(write);
  }

  /** After its versions. */
  private putApp(row: AppRow): void {
    this.unindex(row.id);
    this.appRows.set(row.id, row);
    const desired = this.desired(row.id);
    if (desired !== null) this.index.add(desired);
  }

  private unindex(id: AppId): void {
    const desired = this.desired(id);
    if (desired !== null) this.index.remove(desired);
  }

  private putVersion(row: AppVersionRow): void {
    const rows = this.versionRows.get(row.appId) ?? new Map<Instant, AppVersionRow>();
    rows.set(row.version, row);
    this.versionRows.set(row.appId, rows);
    this.lastVersion = Math.max(this.lastVersion, row.version);
  }

  private putInstance(row: Instance): void {
    this.instanceRows.set(row.id, row);
    const rows = this.byApp.get(row.appId) ?? new Map<InstanceId, Instance>();
    rows.set(row.id, row);
    this.byApp.set(row.appId, rows);
    this.lists.delete(row.appId);
  }

  private deleteInstance(id: InstanceId): void {
    const row = this.instanceRows.get(id);
    if (row === undefined) return;
    this.instanceRows.delete(id);
    const rows = this.byApp.get(row.appId);
    rows?.delete(id);
    if (rows?.size === 0) this.byApp.delete(row.appId);
    this.lists.delete(row.appId);
  }

  private putDeployment(row: DeploymentRow): void {
    if (row.state === 'running') this.deploymentRows.set(row.id, row);
    else this.deploymentRows.delete(row.id);
    this.lastVersion = Math.max(this.lastVersion, row.version);
  }

  /** Keeps the newest, and whatever an instance, a deployment or the app itself still names. */
  private forgetOldVersions(id: AppId): void {
    const rows = this.versionRows.get(id);
    if (rows === undefined || rows.size <= MAX_VERSIONS_PER_APP) return;
    const named = new Set<Instant | null>(this.instances(id).map((instance) => instance.version));
    for (const { changes } of this.deploymentRows.values()) {
      for (const change of changes) if (change.appId === id) named.add(change.from).add(change.to);
    }
    const app = this.app(id);
    named.add(app?.desiredVersion ?? null).add(app?.activeVersion ?? null);
    const old = [...rows.keys()].sort((a, b) => b - a).slice(MAX_VERSIONS_PER_APP);
    for (const version of old) if (!named.has(version)) rows.delete(version);
  }
}
