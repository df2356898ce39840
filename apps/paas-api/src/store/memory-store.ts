/**
 * The store of paas-api in memory, for the simulator and for tests; it passes the same suite as the one in Postgres.
 *
 * `MemoryPaasDatabase` is what survives a crash, a store is one process' view of it: hand one database to two stores and
 * they compete for the lead. Faults are asked for by name. Rows are kept as they are handed in: everybody treats them as frozen.
 */
import { assertNever, EkidenError, type AppId, type DeploymentId, type FrameworkId, type Instance, type InstanceId } from '@ekiden/model';
import { MAX_CONFLICT_RETRIES } from '@ekiden/service';
import {
  MAX_VERSIONS_PER_APP,
  type AppRow,
  type AppVersionRow,
  type DeploymentRow,
  type EventRow,
  type PaasSnapshot,
  type PaasStore,
  type TaskFailureRow,
  type Write,
} from './paas-store.js';

/**
 * `before`: the commit is lost. `after`: it is written, and only its answer is lost. The writer cannot tell which. `conflict`: it is rolled
 * back for another transaction's sake, and sent again.
 */
export type CommitFault = 'before' | 'after' | 'conflict';

/** Calls under which a connection may break, with nothing done. */
export type BreakableCall = 'load' | 'confirm' | 'release';

interface Waiting {
  readonly owner: object;
  /** It reaches the database. */
  readonly isReady: () => boolean;
  readonly address: string;
  readonly resolve: (lead: { readonly epoch: number }) => void;
  readonly reject: (error: EkidenError) => void;
}

/** What is on the disk, and who leads. Shared by the stores of several processes. */
export class MemoryPaasDatabase {
  readonly apps = new Map<AppId, AppRow>();
  /** App → version → row. */
  readonly versions = new Map<AppId, Map<number, AppVersionRow>>();
  readonly deployments = new Map<DeploymentId, DeploymentRow>();
  readonly instances = new Map<InstanceId, Instance>();
  readonly failures = new Map<AppId, TaskFailureRow>();
  /** By rising seq. */
  events: EventRow[] = [];
  frameworkId: FrameworkId | null = null;
  epoch = 0;
  leader: { readonly owner: object; readonly address: string } | null = null;
  readonly waiting: Waiting[] = [];

  electNext(): void {
    const at = this.leader === null ? this.waiting.findIndex((one) => one.isReady()) : -1;
    const [next] = at < 0 ? [] : this.waiting.splice(at, 1);
    if (!next) return;
    this.leader = { owner: next.owner, address: next.address };
    next.resolve({ epoch: ++this.epoch });
  }
}

export interface MemoryPaasStore extends PaasStore {
  readonly database: MemoryPaasDatabase;
  /** The next commit suffers this. Faults queue up, one a commit, conflicts one an attempt. */
  failNextCommit(fault: CommitFault): void;
  /** The next such call rejects with `store-unavailable`. */
  breakNext(call: BreakableCall): void;
  /** The session that holds the lock of the lead ends: the next in line leads; where nobody waits, this process has it again. */
  loseLock(): void;
  /** While false every call rejects with `store-unavailable`, as when Postgres is away, and a waiting `lead` waits on. */
  setAvailable(isAvailable: boolean): void;
  /** Nothing is wrong with it any more. */
  mend(): void;
  /** The process dies: its lead falls to the next in line, its waiting `lead` rejects. */
  crash(): void;
}

export function createMemoryPaasStore(database = new MemoryPaasDatabase()): MemoryPaasStore {
  const owner = {};
  const faults: CommitFault[] = [];
  const broken = new Set<BreakableCall>();
  let isAvailable = true;

  const assertAvailable = (call: BreakableCall | null = null): void => {
    if (!isAvailable || (call !== null && broken.delete(call))) throw unavailable();
  };
  const setAvailable = (available: boolean): void => {
    isAvailable = available;
    if (available) database.electNext();
  };
  const assertLeads = (epoch: number): void => {
    assertAvailable();
    if (database.leader === null || database.epoch !== epoch) throw new EkidenError('stale-leader', `epoch ${epoch} does not lead any more`, { epoch });
  };
  const stepDown = (): void => {
    database.leader = null;
    database.electNext();
  };

  return {
    database,
    failNextCommit: (fault) => void faults.push(fault),
    breakNext: (call) => void broken.add(call),
    loseLock: () => {
      if (database.leader?.owner === owner && database.waiting.length > 0) stepDown();
    },
    setAvailable,
    mend: () => {
      faults.length = 0;
      broken.clear();
      setAvailable(true);
    },
    crash() {
      for (const waiting of database.waiting.filter((one) => one.owner === owner)) {
        database.waiting.splice(database.waiting.indexOf(waiting), 1);
        waiting.reject(new EkidenError('no-leader', 'the wait for the lead was ended'));
      }
      if (database.leader?.owner === owner) stepDown();
    },
    lead: (_holder, address) =>
      new Promise((resolve, reject) => {
        if (database.leader?.owner === owner) database.leader = null; // the same process starts a new term
        database.waiting.push({ owner, isReady: () => isAvailable, address, resolve, reject });
        database.electNext();
      }),
    async load() {
      assertAvailable('load');
      return readSnapshot(database);
    },
    async commit(epoch, writes) {
      assertLeads(epoch);
      assertNewEvents(database, writes);
      const fault = afterConflicts(faults);
      if (fault !== 'before') for (const write of writes) apply(database, write);
      if (fault !== undefined) throw unavailable();
    },
    async confirm(epoch) {
      assertAvailable('confirm');
      assertLeads(epoch);
    },
    async release(epoch) {
      assertAvailable('release');
      if (database.leader?.owner === owner && database.epoch === epoch) stepDown();
    },
    async leader() {
      assertAvailable();
      return database.leader === null ? null : { address: database.leader.address };
    },
    async deploymentHistory({ appId, limit }) {
      assertAvailable();
      return [...database.deployments.values()]
        .filter((row) => appId === null || row.changes.some((change) => change.appId === appId))
        .sort(byNewestDeployment)
        .slice(0, limit);
    },
    async eventsAfter(seq, limit) {
      assertAvailable();
      return database.events.filter((event) => event.seq > seq).slice(0, limit);
    },
    async prune(epoch, limits) {
      assertLeads(epoch);
      return prune(database, limits);
    },
  };
}

const unavailable = (): EkidenError => new EkidenError('store-unavailable', 'the store did not answer; whether it wrote is unknown');

/** What a commit suffers once its conflicts are over; one with too many of them has written nothing. */
function afterConflicts(faults: CommitFault[]): 'before' | 'after' | undefined {
  for (let attempt = 0; attempt <= MAX_CONFLICT_RETRIES; attempt++) {
    const fault = faults.shift();
    if (fault !== 'conflict') return fault;
  }
  return 'before';
}

const byNewestDeployment = (a: DeploymentRow, b: DeploymentRow): number => b.startedAt - a.startedAt || (a.id < b.id ? 1 : -1);

/** A batch is all or nothing, so this comes before any of it. */
function assertNewEvents(database: MemoryPaasDatabase, writes: readonly Write[]): void {
  let last = database.events[database.events.length - 1]?.seq ?? 0;
  for (const write of writes) {
    if (write.kind !== 'add-event') continue;
    if (write.row.seq <= last) throw new Error(`event ${write.row.seq} comes after ${last}: numbers only rise`);
    last = write.row.seq;
  }
}

function apply(database: MemoryPaasDatabase, write: Write): void {
  switch (write.kind) {
    case 'put-app':
      database.apps.set(write.row.id, write.row);
      return;
    case 'delete-app':
      database.apps.delete(write.id);
      database.failures.delete(write.id);
      forgetVersions(database, write.id, () => true);
      return;
    case 'put-version': {
      const versions = database.versions.get(write.row.appId) ?? new Map<number, AppVersionRow>();
      database.versions.set(write.row.appId, versions.set(write.row.version, write.row));
      return;
    }
    case 'put-deployment':
      database.deployments.set(write.row.id, write.row);
      return;
    case 'put-instance':
      database.instances.set(write.row.id, write.row);
      return;
    case 'delete-instance':
      database.instances.delete(write.id);
      return;
    case 'put-failure':
      database.failures.set(write.row.appId, write.row);
      return;
    case 'add-event':
      database.events.push(write.row);
      return;
    case 'set-framework-id':
      database.frameworkId = write.frameworkId;
      return;
  }
  return assertNever(write);
}

/** Versions that an instance or a running deployment names, as `app version`. They are never forgotten. */
function namedVersions(database: MemoryPaasDatabase): ReadonlySet<string> {
  const named = new Set<string>();
  for (const instance of database.instances.values()) named.add(`${instance.appId} ${instance.version}`);
  for (const deployment of database.deployments.values()) {
    if (deployment.state !== 'running') continue;
    for (const change of deployment.changes) for (const version of [change.from, change.to]) if (version !== null) named.add(`${change.appId} ${version}`);
  }
  for (const app of database.apps.values())
    for (const version of [app.desiredVersion, app.activeVersion]) if (version !== null) named.add(`${app.id} ${version}`);
  return named;
}

function forgetVersions(database: MemoryPaasDatabase, id: AppId, isOld: (version: number) => boolean): number {
  const versions = database.versions.get(id);
  if (!versions) return 0;
  const candidates = [...versions.keys()].filter(isOld);
  const named = candidates.length === 0 ? null : namedVersions(database);
  const old = candidates.filter((version) => named?.has(`${id} ${version}`) !== true);
  for (const version of old) versions.delete(version);
  if (versions.size === 0) database.versions.delete(id);
  return old.length;
}

function newest(versions: ReadonlyMap<number, AppVersionRow>, count: number): ReadonlySet<number> {
  return new Set([...versions.keys()].sort((a, b) => b - a).slice(0, count));
}

function readSnapshot(database: MemoryPaasDatabase): PaasSnapshot {
  const named = namedVersions(database);
  const versions: AppVersionRow[] = [];
  for (const [id, rows] of database.versions) {
    const recent = newest(rows, database.apps.has(id) ? MAX_VERSIONS_PER_APP : 0);
    for (const row of rows.values()) if (recent.has(row.version) || named.has(`${id} ${row.version}`)) versions.push(row);
  }
  return {
    apps: [...database.apps.values()],
    versions,
    instances: [...database.instances.values()],
    deployments: [...database.deployments.values()].filter((row) => row.state === 'running'),
    failures: [...database.failures.values()],
    frameworkId: database.frameworkId,
    lastEventSeq: database.events[database.events.length - 1]?.seq ?? 0,
  };
}

function prune(database: MemoryPaasDatabase, limits: Parameters<PaasStore['prune']>[1]): number {
  // The newest event stays whatever the limit: the next sequence number is counted from it.
  const events = Math.max(0, database.events.length - Math.max(1, limits.events));
  database.events.splice(0, events);
  const ended = [...database.deployments.values()].filter((row) => row.state !== 'running').sort(byNewestDeployment);
  const forgotten = ended.slice(limits.deployments);
  for (const row of forgotten) database.deployments.delete(row.id);
  let versions = 0;
  for (const [id, rows] of database.versions) {
    const kept = newest(rows, database.apps.has(id) ? limits.versionsPerApp : 0);
    versions += forgetVersions(database, id, (version) => !kept.has(version));
  }
  return events + forgotten.length + versions;
}
