/**
 * State as it would be after the decisions of one batch: committed rows, overlaid with what they write.
 *
 * A decision that throws is undone alone (`mark`, `undo`); the others of its batch stay. What is written to one row
 * several times is one write. Nothing here is visible to readers until the ledger has committed it.
 */
import { servicePorts, type AppId, type DeploymentId, type FrameworkId, type Instance, type InstanceId, type Instant } from '@ekiden/model';
import type { AppPlan } from '@ekiden/planner';
import type { AppRow, AppVersionRow, DeploymentRow, TaskFailureRow, Write } from '../store/paas-store.js';
import type { DraftEvent } from '../events/draft-event.js';
import type { PaasState, StateReader } from './paas-state.js';

/** Rows by key, null for deleted ones; remembers how to take each change back. */
class Overlay<K, V> {
  readonly rows = new Map<K, V | null>();
  constructor(private readonly undoLog: (() => void)[]) {}

  set(key: K, value: V | null): void {
    const before = this.rows.get(key);
    this.undoLog.push(before === undefined ? () => this.rows.delete(key) : () => this.rows.set(key, before));
    this.rows.set(key, value);
  }
}

export interface Mark {
  readonly undo: number;
  readonly events: number;
}

export class Draft implements StateReader {
  /** Apps whose rows changed or that were asked to be looked at: the batch ends with a plan for each. */
  readonly touched = new Set<AppId>();
  /** Apps whose committed rows this batch changes. */
  readonly changed = new Set<AppId>();
  /** The newest plan of each app planned in this batch. */
  readonly plans = new Map<AppId, AppPlan>();
  readonly events: DraftEvent[] = [];
  private readonly undoLog: (() => void)[] = [];
  private readonly apps = new Overlay<AppId, AppRow>(this.undoLog);
  private readonly versionsOf = new Map<AppId, Overlay<Instant, AppVersionRow>>();
  private readonly instanceRows = new Overlay<InstanceId, Instance>(this.undoLog);
  private readonly deploymentRows = new Overlay<DeploymentId, DeploymentRow>(this.undoLog);
  private readonly failures = new Overlay<AppId, TaskFailureRow>(this.undoLog);
  private readonly instancesOf = new Map<AppId, Set<InstanceId>>();
  /** Service port → apps that use it. */
  private portUsers: Map<number, number> | null = null;
  private newFrameworkId: FrameworkId | null = null;
  private newLastVersion: Instant;

  constructor(
    private readonly state: PaasState,
    readonly now: Instant,
  ) {
    this.newLastVersion = state.lastVersion;
  }

  get frameworkId(): FrameworkId | null {
    return this.newFrameworkId ?? this.state.frameworkId;
  }

  get lastVersion(): Instant {
    return this.newLastVersion;
  }

  app(id: AppId): AppRow | null {
    const row = this.apps.rows.get(id);
    return row === undefined ? this.state.app(id) : row;
  }

  *appIds(): Iterable<AppId> {
    for (const id of this.state.appIds()) if (this.apps.rows.get(id) !== null) yield id;
    for (const [id, row] of this.apps.rows) if (row !== null && this.state.app(id) === null) yield id;
  }

  version(id: AppId, version: Instant): AppVersionRow | null {
    return this.versionsOf.get(id)?.rows.get(version) ?? this.state.version(id, version);
  }

  versions(id: AppId): Iterable<AppVersionRow> {
    const mine = this.versionsOf.get(id)?.rows;
    return mine === undefined ? this.state.versions(id) : new Map([...versionsByName(this.state.versions(id)), ...versionsByName(mine.values())]).values();
  }

  /** What users asked for. */
  desired(id: AppId): AppVersionRow | null {
    const version = this.app(id)?.desiredVersion ?? null;
    return version === null ? null : this.version(id, version);
  }

  /** Service ports of all other apps. */
  takenPorts(except: AppId): ReadonlySet<number> {
    this.portUsers ??= this.countPorts();
    const taken = new Set(this.portUsers.keys());
    for (const port of portsOf(this.desired(except))) if (this.portUsers.get(port) === 1) taken.delete(port);
    return taken;
  }

  /** Apps that depend on others, at least; some of them may not any more. */
  *dependentApps(): Iterable<AppId> {
    yield* this.state.index.withDependencies;
    for (const [id, row] of this.apps.rows) if (row !== null && !this.state.index.withDependencies.has(id)) yield id;
  }

  instance(id: InstanceId): Instance | null {
    const row = this.instanceRows.rows.get(id);
    return row === undefined ? this.state.instance(id) : row;
  }

  instances(id: AppId): readonly Instance[] {
    const committed = this.state.instances(id);
    const mine = this.instancesOf.get(id);
    if (mine === undefined) return committed;
    const list: Instance[] = [];
    for (const instance of committed) {
      const row = this.instanceRows.rows.get(instance.id);
      if (row !== null) list.push(row ?? instance);
    }
    for (const key of mine) {
      const row = this.instanceRows.rows.get(key);
      if (row !== null && row !== undefined && this.state.instance(key) === null) list.push(row);
    }
    return list;
  }

  deployments(): readonly DeploymentRow[] {
    if (this.deploymentRows.rows.size === 0) return this.state.deployments();
    const mine = this.deploymentRows.rows;
    const added = [...mine.values()].filter((row) => row !== null && this.state.deployment(row.id) === null);
    return [...this.state.deployments().map((row) => mine.get(row.id) ?? row), ...added].filter((row) => row !== null && row.state === 'running').filter(isRow);
  }

  deployment(id: DeploymentId): DeploymentRow | null {
    const row = this.deploymentRows.rows.get(id) ?? this.state.deployment(id);
    return row?.state === 'running' ? row : null;
  }

  failure(id: AppId): TaskFailureRow | null {
    return this.failures.rows.get(id) ?? this.state.failure(id);
  }

  /** A timestamp later than any given out: the name of a new version. */
  nextVersion(): Instant {
    this.newLastVersion = Math.max(this.now, this.newLastVersion + 1);
    return this.newLastVersion;
  }

  touch(id: AppId): void {
    this.touched.add(id);
  }

  /** After its versions. */
  putApp(row: AppRow): void {
    this.setApp(row.id, row);
  }

  deleteApp(id: AppId): void {
    this.setApp(id, null);
  }

  putVersion(row: AppVersionRow): void {
    let overlay = this.versionsOf.get(row.appId);
    if (overlay === undefined) this.versionsOf.set(row.appId, (overlay = new Overlay(this.undoLog)));
    overlay.set(row.version, row);
    this.change(row.appId);
  }

  putInstance(row: Instance): void {
    this.instanceRows.set(row.id, row);
    this.noteInstance(row.appId, row.id);
  }

  deleteInstance(row: Instance): void {
    this.instanceRows.set(row.id, null);
    this.noteInstance(row.appId, row.id);
  }

  putDeployment(row: DeploymentRow): void {
    this.deploymentRows.set(row.id, row);
    for (const change of row.changes) this.change(change.appId);
  }

  putFailure(row: TaskFailureRow): void {
    this.failures.set(row.appId, row);
    this.change(row.appId);
  }

  setFrameworkId(id: FrameworkId): void {
    this.newFrameworkId = id;
  }

  addEvent(event: DraftEvent): void {
    this.events.push(event);
  }

  mark(): Mark {
    return { undo: this.undoLog.length, events: this.events.length };
  }

  undo(mark: Mark): void {
    while (this.undoLog.length > mark.undo) this.undoLog.pop()?.();
    this.events.length = mark.events;
  }

  /** Everything to commit, versions before what names them. `firstSeq` is given to the first event. */
  writes(firstSeq: number): Write[] {
    const writes: Write[] = [];
    for (const { rows } of this.versionsOf.values()) {
      for (const row of rows.values()) if (row !== null) writes.push({ kind: 'put-version', row });
    }
    for (const row of this.apps.rows.values()) if (row !== null) writes.push({ kind: 'put-app', row });
    for (const [id, row] of this.instanceRows.rows) {
      if (row !== null) writes.push({ kind: 'put-instance', row });
      else if (this.state.instance(id) !== null) writes.push({ kind: 'delete-instance', id });
    }
    for (const row of this.deploymentRows.rows.values()) if (row !== null) writes.push({ kind: 'put-deployment', row });
    for (const row of this.failures.rows.values()) if (row !== null) writes.push({ kind: 'put-failure', row });
    if (this.newFrameworkId !== null) writes.push({ kind: 'set-framework-id', frameworkId: this.newFrameworkId });
    for (const [id, row] of this.apps.rows) if (row === null && this.state.app(id) !== null) writes.push({ kind: 'delete-app', id });
    this.events.forEach(({ type, at, payload }, index) => writes.push({ kind: 'add-event', row: { seq: firstSeq + index, type, at, payload } }));
    return writes;
  }

  private setApp(id: AppId, row: AppRow | null): void {
    const before = this.desired(id);
    this.apps.set(id, row);
    this.change(id);
    if (this.portUsers === null) return;
    const after = this.desired(id);
    if (before === after) return;
    this.usePorts(before, after);
    this.undoLog.push(() => this.usePorts(after, before));
  }

  /** Made when first asked for, and kept up from then on. */
  private countPorts(): Map<number, number> {
    this.portUsers = new Map(this.state.index.portUsers);
    for (const id of this.apps.rows.keys()) this.usePorts(this.state.desired(id), this.desired(id));
    return this.portUsers;
  }

  private usePorts(before: AppVersionRow | null, after: AppVersionRow | null): void {
    for (const port of portsOf(after)) this.portUsers?.set(port, (this.portUsers.get(port) ?? 0) + 1);
    for (const port of portsOf(before)) {
      const users = (this.portUsers?.get(port) ?? 0) - 1;
      if (users > 0) this.portUsers?.set(port, users);
      else this.portUsers?.delete(port);
    }
  }

  private noteInstance(appId: AppId, id: InstanceId): void {
    const ids = this.instancesOf.get(appId) ?? new Set<InstanceId>();
    this.instancesOf.set(appId, ids.add(id));
    this.change(appId);
  }

  private change(id: AppId): void {
    this.changed.add(id);
    this.touched.add(id);
  }
}

function* versionsByName(rows: Iterable<AppVersionRow | null>): Iterable<[Instant, AppVersionRow]> {
  for (const row of rows) if (row !== null) yield [row.version, row];
}

const portsOf = (row: AppVersionRow | null): readonly number[] => (row === null ? [] : servicePorts(row.spec));

const isRow = (row: DeploymentRow | null): row is DeploymentRow => row !== null;
