import { appId, deploymentId, frameworkId, newInstanceId, newTaskId, agentId, role, type AppId, type Instance } from '@ekiden/model';
import { MAX_CONFLICT_RETRIES, silentLog } from '@ekiden/service';
import { deadlocked, END_LOCK_HOLDER, eventually } from '../../../../test/store-trouble.js';
import { createTestDatabase, type TestDatabase } from '../../../../test/test-database.js';
import { createMemoryPaasStore, MemoryPaasDatabase, type MemoryPaasStore } from './memory-store.js';
import type { AppVersionRow, DeploymentRow, EventRow, PaasStore, Write } from './paas-store.js';
import { openPostgresPaasStore } from './postgres-store.js';

/** What the suite needs of a kind of store: processes on a database of its own. */
interface Backend {
  open(): Promise<PaasStore>;
  /** Ends the session that holds the lead's lock. */
  loseLock(): Promise<void>;
  /** Does this while another transaction stands in its way, so that it is rolled back once. */
  inConflict(work: () => Promise<void>): Promise<void>;
  /** Ends what `open` opened. */
  close(): Promise<void>;
}

const backends: Record<string, () => Promise<Backend>> = {
  memory: async () => {
    const database = new MemoryPaasDatabase();
    const stores: MemoryPaasStore[] = [];
    return {
      async open() {
        const store = createMemoryPaasStore(database);
        stores.push(store);
        return store;
      },
      loseLock: async () => stores.forEach((store) => store.loseLock()),
      async inConflict(work) {
        for (const store of stores) store.failNextCommit('conflict');
        await work();
      },
      close: async () => undefined,
    };
  },
  postgres: async () => {
    const database: TestDatabase = await createTestDatabase();
    const stores: { close(): Promise<void> }[] = [];
    return {
      async open() {
        const store = await openPostgresPaasStore({ connectionString: database.url, log: silentLog });
        stores.push(store);
        return store;
      },
      loseLock: async () => void (await database.query(END_LOCK_HOLDER)),
      inConflict: (work) => deadlocked(database, work),
      async close() {
        for (const store of stores) await store.close();
        await database.drop();
      },
    };
  },
};

const web = appId('/shop/web');
const cart = appId('/shop/cart');

function aVersion(id: AppId, version: number, line = 'sleep 1'): AppVersionRow {
  return {
    appId: id,
    version,
    configVersion: version,
    scalingVersion: version,
    definition: { id, zeta: 1, cmd: line, alpha: { z: 1, a: 2 } },
    spec: {
      id,
      command: { kind: 'shell', line },
      container: null,
      user: null,
      env: {},
      labels: {},
      instances: 1,
      cpusMilli: 100,
      memMib: 32,
      diskMib: 0,
      gpus: 0,
      role: role('*'),
      acceptedResourceRoles: null,
      constraints: [],
      portDefinitions: [],
      requirePorts: false,
      fetch: [],
      healthChecks: [],
      readinessCheck: null,
      dependencies: [],
      backoff: { initialMs: 1000, factor: 1.15, maxMs: 300_000 },
      killGraceMs: null,
      drainMs: 0,
      upgrade: { minimumHealthCapacity: 1, maximumOverCapacity: 1 },
      unreachable: { kind: 'disabled' },
      killSelection: 'YOUNGEST_FIRST',
      progressDeadlineMs: 600_000,
      rollbackWhenStuck: false,
    },
  };
}

function anInstance(id: AppId, uuid: string, changes: Partial<Instance> = {}): Instance {
  return {
    id: newInstanceId(id, uuid),
    appId: id,
    version: 1,
    goal: 'running',
    incarnation: 1,
    createdAt: 1,
    condition: { kind: 'scheduled', since: 1, notBefore: 5 },
    stop: null,
    backoffMs: 0,
    ...changes,
  };
}

function provisioned(instance: Instance): Instance {
  const task = {
    taskId: newTaskId(instance.id, 1),
    agentId: agentId('agent-1'),
    hostname: 'a',
    agentAddress: 'a:5051',
    attributes: { rack: 'r1' },
    region: null,
    zone: null,
    ports: [31000, 31002],
    streamId: 's1',
    stagedAt: 7,
  };
  return { ...instance, condition: { kind: 'provisioned', since: 7, task } };
}

function aDeployment(name: string, changes: Partial<DeploymentRow> = {}): DeploymentRow {
  return {
    id: deploymentId(name),
    version: 1,
    state: 'running',
    reason: null,
    steps: [[{ action: 'StartApplication', appId: web }]],
    currentStep: 0,
    changes: [{ appId: web, from: null, to: 1, baseline: null }],
    sentenced: [],
    startedAt: 10,
    progressAt: 10,
    stuckSince: null,
    endedAt: null,
    rollbackOf: null,
    ...changes,
  };
}

const anEvent = (seq: number): EventRow => ({ seq, type: 'deployment_info', at: seq, payload: { eventType: 'deployment_info', zeta: 1, alpha: seq } });

const put = (row: Instance): Write => ({ kind: 'put-instance', row });
const putApp = (id: AppId, generation: number, desiredVersion: number | null = 1): Write => ({
  kind: 'put-app',
  row: { id, generation, desiredVersion, activeVersion: null },
});

describe.each(Object.keys(backends))('the paas store in %s', (name) => {
  let backend: Backend;
  let store: PaasStore;
  let epoch: number;

  beforeEach(async () => {
    backend = await (backends[name] ?? backends['memory']!)();
    store = await backend.open();
    ({ epoch } = await store.lead('one', 'one:8080'));
  });
  afterEach(() => backend.close());

  it('starts empty', async () => {
    expect(await store.load()).toEqual({ apps: [], versions: [], instances: [], deployments: [], failures: [], frameworkId: null, lastEventSeq: 0 });
  });

  it('loads what was committed', async () => {
    const version = aVersion(web, 1);
    const instance = provisioned(anInstance(web, 'a'));
    const failure = { appId: web, taskId: newTaskId(instance.id, 1), hostname: 'a', agentId: 'x', state: 'TASK_FAILED', message: 'exit 1', version: 1, at: 9 };
    await store.commit(epoch, [
      putApp(web, 3),
      { kind: 'put-version', row: version },
      put(instance),
      { kind: 'put-deployment', row: aDeployment('d1') },
      { kind: 'put-failure', row: failure },
      { kind: 'add-event', row: anEvent(1) },
      { kind: 'set-framework-id', frameworkId: frameworkId('f-1') },
    ]);
    expect(await store.load()).toEqual({
      apps: [{ id: web, generation: 3, desiredVersion: 1, activeVersion: null }],
      versions: [version],
      instances: [instance],
      deployments: [aDeployment('d1')],
      failures: [failure],
      frameworkId: 'f-1',
      lastEventSeq: 1,
    });
  });

  it('keeps the order of keys that people wrote', async () => {
    await store.commit(epoch, [putApp(web, 1), { kind: 'put-version', row: aVersion(web, 1) }, { kind: 'add-event', row: anEvent(1) }]);
    expect(JSON.stringify((await store.load()).versions[0]?.definition)).toBe(JSON.stringify(aVersion(web, 1).definition));
    expect(JSON.stringify((await store.eventsAfter(0, 1))[0]?.payload)).toBe('{"eventType":"deployment_info","zeta":1,"alpha":1}');
  });

  it('lets the last write of a key in a batch win, deletes included', async () => {
    const kept = anInstance(web, 'a');
    const gone = anInstance(web, 'b');
    const back = anInstance(web, 'c');
    await store.commit(epoch, [
      put(kept),
      put({ ...kept, incarnation: 2 }),
      put(gone),
      { kind: 'delete-instance', id: gone.id },
      put(back),
      { kind: 'delete-instance', id: back.id },
      put({ ...back, incarnation: 7 }),
    ]);
    const { instances } = await store.load();
    expect(new Map(instances.map((row) => [row.id, row.incarnation]))).toEqual(
      new Map([
        [kept.id, 2],
        [back.id, 7],
      ]),
    );
  });

  it('forgets an app with its versions and failure, and takes its id again in the same batch', async () => {
    await store.commit(epoch, [
      putApp(web, 1),
      { kind: 'put-version', row: aVersion(web, 1) },
      putApp(cart, 1),
      { kind: 'put-version', row: aVersion(cart, 1) },
    ]);
    await store.commit(epoch, [
      { kind: 'put-version', row: aVersion(web, 2) },
      { kind: 'delete-app', id: web },
      putApp(web, 9, 3),
      { kind: 'put-version', row: aVersion(web, 3) },
      { kind: 'delete-app', id: cart },
      { kind: 'add-event', row: anEvent(1) },
    ]);
    const { apps, versions } = await store.load();
    expect(apps.map((row) => [row.id, row.generation])).toEqual([[web, 9]]);
    expect(versions.map((row) => [row.appId, row.version])).toEqual([[web, 3]]);
  });

  it('keeps a deleted app’s version while a running deployment may roll back to it', async () => {
    const deployment = aDeployment('d1', { changes: [{ appId: web, from: 1, to: null, baseline: null }] });
    const versions: Write[] = [1, 2].map((version) => ({ kind: 'put-version', row: aVersion(web, version) }));
    await store.commit(epoch, [putApp(web, 1), ...versions, { kind: 'put-deployment', row: deployment }]);
    await store.commit(epoch, [{ kind: 'delete-app', id: web }]);
    expect((await store.load()).versions.map((row) => row.version)).toEqual([1]);
    await store.commit(epoch, [{ kind: 'put-deployment', row: { ...deployment, state: 'succeeded', endedAt: 20 } }]);
    await store.prune(epoch, { events: 10, deployments: 10, versionsPerApp: 10 });
    await store.commit(epoch, [putApp(web, 2, null)]);
    expect((await store.load()).versions).toEqual([]);
  });

  it('stores whatever text a task printed', async () => {
    const message = 'nul \u0000, half \ud800 pair, whole 🏃, quoted \\u0000 and \\';
    const row = { appId: web, taskId: newTaskId(newInstanceId(web, 'a'), 1), hostname: 'a', agentId: 'x', state: 'TASK_FAILED', message, version: 1, at: 9 };
    await store.commit(epoch, [{ kind: 'put-failure', row }]);
    const stored = (await store.load()).failures[0]?.message;
    expect(stored?.replaceAll(/[\u0000\ud800](?![\udc00-\udfff])/g, '\ufffd')).toBe('nul \ufffd, half \ufffd pair, whole 🏃, quoted \\u0000 and \\');
  });

  it('refuses another epoch, and writes nothing of the batch', async () => {
    for (const stale of [epoch - 1, epoch + 1]) {
      await expect(store.commit(stale, [putApp(web, 1), { kind: 'delete-app', id: cart }, putApp(cart, 1)])).rejects.toMatchObject({ code: 'stale-leader' });
      await expect(store.confirm(stale)).rejects.toMatchObject({ code: 'stale-leader' });
      await expect(store.prune(stale, { events: 1, deployments: 1, versionsPerApp: 1 })).rejects.toMatchObject({ code: 'stale-leader' });
    }
    expect((await store.load()).apps).toEqual([]);
    await store.confirm(epoch);
  });

  it('lets one lead at a time, with a higher epoch each', async () => {
    const second = await backend.open();
    let isSecondLeading = false;
    const led = second.lead('two', 'two:8080').then((lead) => {
      isSecondLeading = true;
      return lead;
    });
    await store.commit(epoch, [putApp(web, 1)]);
    expect(isSecondLeading).toBe(false);
    expect(await second.leader()).toMatchObject({ address: 'one:8080' });
    await store.release(epoch);
    const { epoch: next } = await led;
    expect(next).toBeGreaterThan(epoch);
    await expect(store.commit(epoch, [putApp(web, 2)])).rejects.toMatchObject({ code: 'stale-leader' });
    await second.commit(next, [putApp(cart, 1)]);
    expect((await second.load()).apps.map((row) => row.id).sort()).toEqual([cart, web]);
    await second.release(next);
    expect(await store.leader()).toBeNull();
    await expect(second.commit(next, [])).rejects.toMatchObject({ code: 'stale-leader' });
    expect((await store.lead('one', 'one:8080')).epoch).toBeGreaterThan(next);
  });

  it('keeps the lead when its session is lost and nobody waits for it', async () => {
    await backend.loseLock();
    await store.commit(epoch, [putApp(web, 1)]);
    await eventually(() => store.confirm(epoch));
    expect((await store.load()).apps).toHaveLength(1);
  });

  it('hands the lead to who waits when the session of its holder is lost', async () => {
    const second = await backend.open();
    const led = second.lead('two', 'two:8080');
    await backend.loseLock();
    const { epoch: next } = await led;
    expect(next).toBeGreaterThan(epoch);
    await expect(store.commit(epoch, [putApp(web, 1)])).rejects.toMatchObject({ code: 'stale-leader' });
    await second.commit(next, [putApp(cart, 1)]);
    expect((await second.load()).apps.map((row) => row.id)).toEqual([cart]);
  });

  it('sends a commit again that was rolled back for the sake of another transaction', async () => {
    await store.commit(epoch, [putApp(web, 1), putApp(cart, 1)]);
    await backend.inConflict(() => store.commit(epoch, [putApp(web, 2), { kind: 'add-event', row: anEvent(1) }]));
    const { apps, lastEventSeq } = await store.load();
    expect(apps.find((row) => row.id === web)?.generation).toBe(2);
    expect(lastEventSeq).toBe(1);
  });

  it('gives events in order, from a number on', async () => {
    await store.commit(
      epoch,
      [1, 2, 3].map((seq) => ({ kind: 'add-event', row: anEvent(seq) })),
    );
    await store.commit(epoch, [{ kind: 'add-event', row: anEvent(4) }]);
    expect(await store.eventsAfter(1, 2)).toEqual([anEvent(2), anEvent(3)]);
    expect((await store.load()).lastEventSeq).toBe(4);
    await expect(store.commit(epoch, [putApp(web, 1), { kind: 'add-event', row: anEvent(4) }])).rejects.toThrow();
    expect((await store.load()).apps).toEqual([]);
  });

  it('lists deployments newest first, of one app or all', async () => {
    const ended = { state: 'succeeded' as const, endedAt: 30 };
    const ofCart = { changes: [{ appId: cart, from: null, to: 1, baseline: null }] };
    const rows = [aDeployment('d1', { startedAt: 1, ...ended }), aDeployment('d2', { startedAt: 2, ...ofCart }), aDeployment('d3', { startedAt: 3 })];
    await store.commit(
      epoch,
      rows.map((row) => ({ kind: 'put-deployment', row })),
    );
    const ids = async (of: AppId | null, limit: number) => (await store.deploymentHistory({ appId: of, limit })).map((row) => row.id);
    expect(await ids(null, 10)).toEqual(['d3', 'd2', 'd1']);
    expect(await ids(web, 10)).toEqual(['d3', 'd1']);
    expect(await ids(null, 1)).toEqual(['d3']);
    expect((await store.load()).deployments.map((row) => row.id)).toEqual(['d2', 'd3']);
  });

  it('prunes what is over the limits and nothing that is named', async () => {
    const instance = anInstance(web, 'a', { version: 1 });
    await store.commit(epoch, [
      putApp(web, 1, 2),
      ...[1, 2, 3, 4, 5].map((version): Write => ({ kind: 'put-version', row: aVersion(web, version) })),
      put(instance),
      ...[1, 2, 3].map((seq): Write => ({ kind: 'add-event', row: anEvent(seq) })),
      ...[1, 2, 3].map((n): Write => ({ kind: 'put-deployment', row: aDeployment(`e${n}`, { startedAt: n, state: 'failed', endedAt: 9 }) })),
      { kind: 'put-deployment', row: aDeployment('r', { startedAt: 0, changes: [] }) },
    ]);
    // Events 1 and 2, deployments e1 and e2, version 3 (4 and 5 are the newest, 1 and 2 are named).
    expect(await store.prune(epoch, { events: 0, deployments: 1, versionsPerApp: 2 })).toBe(5);
    const { versions, lastEventSeq } = await store.load();
    expect(versions.map((row) => row.version).sort((a, b) => a - b)).toEqual([1, 2, 4, 5]);
    expect(lastEventSeq).toBe(3);
    expect((await store.deploymentHistory({ appId: null, limit: 10 })).map((row) => row.id)).toEqual(['e3', 'r']);
  });
});

describe('the paas store in memory', () => {
  it.each(['before', 'after'] as const)('can lose the answer of a commit: %s it is written', async (fault) => {
    const store = createMemoryPaasStore();
    const { epoch } = await store.lead('one', 'one:8080');
    store.failNextCommit(fault);
    await expect(store.commit(epoch, [putApp(web, 1)])).rejects.toMatchObject({ code: 'store-unavailable' });
    expect((await store.load()).apps).toHaveLength(fault === 'after' ? 1 : 0);
    await store.commit(epoch, [putApp(cart, 1)]);
  });

  it.each(['load', 'confirm', 'release'] as const)('can lose its connection under a %s, with nothing done', async (call) => {
    const store = createMemoryPaasStore();
    const { epoch } = await store.lead('one', 'one:8080');
    store.breakNext(call);
    await expect(store[call](epoch)).rejects.toMatchObject({ code: 'store-unavailable' });
    await store.confirm(epoch);
    expect(await store.leader()).toEqual({ address: 'one:8080' });
  });

  it('writes nothing of a commit with one conflict after another', async () => {
    const store = createMemoryPaasStore();
    const { epoch } = await store.lead('one', 'one:8080');
    for (let i = 0; i <= MAX_CONFLICT_RETRIES; i++) store.failNextCommit('conflict');
    await expect(store.commit(epoch, [putApp(web, 1)])).rejects.toMatchObject({ code: 'store-unavailable' });
    expect((await store.load()).apps).toEqual([]);
    await store.commit(epoch, [putApp(web, 1)]);
  });

  it('waits for the lead through an outage, as Postgres does', async () => {
    const store = createMemoryPaasStore();
    store.setAvailable(false);
    let isLeading = false;
    const led = store.lead('one', 'one:8080').then(() => (isLeading = true));
    await Promise.resolve();
    expect(isLeading).toBe(false);
    store.setAvailable(true);
    expect(await led).toBe(true);
  });

  it('hands the lead on when its holder crashes', async () => {
    const store = createMemoryPaasStore();
    const other = createMemoryPaasStore(store.database);
    const { epoch } = await store.lead('one', 'one:8080');
    const led = other.lead('two', 'two:8080');
    store.crash();
    expect((await led).epoch).toBe(epoch + 1);
    await expect(store.confirm(epoch)).rejects.toMatchObject({ code: 'stale-leader' });
  });
});

describe('the paas store in postgres', () => {
  let database: TestDatabase;
  beforeEach(async () => {
    database = await createTestDatabase();
  });
  afterEach(() => database.drop());

  const endSessions = (name: string) =>
    database.query(`SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE $1`, [name]);

  it('says store-unavailable when its connection is cut, and commits again afterwards', async () => {
    const store = await openPostgresPaasStore({ connectionString: database.url, log: silentLog });
    const { epoch } = await store.lead('one', 'one:8080');
    await store.commit(epoch, [putApp(web, 1)]);
    // The fence waits for this lock, so that the commit is under way when its session ends.
    const lock = database.query(`BEGIN; SELECT 1 FROM paas.leader FOR UPDATE; SELECT pg_sleep(1); ROLLBACK`);
    await waitFor(database, `SELECT 1 FROM pg_stat_activity WHERE query LIKE '%pg_sleep(1)%' AND pid <> pg_backend_pid()`);
    const commit = store.commit(epoch, [putApp(web, 2)]);
    const refused = expect(commit).rejects.toMatchObject({ code: 'store-unavailable' });
    await waitFor(database, `SELECT 1 FROM pg_stat_activity WHERE application_name LIKE 'ekiden-paas-commit%' AND wait_event_type = 'Lock'`);
    await endSessions('ekiden-paas-commit%');
    await refused;
    await lock;
    expect((await store.load()).apps[0]?.generation).toBe(1);
    await store.commit(epoch, [putApp(web, 3)]);
    expect((await store.load()).apps[0]?.generation).toBe(3);
    await store.close();
  });

  it('keeps the lead when only its session was cut', async () => {
    const store = await openPostgresPaasStore({ connectionString: database.url, log: silentLog });
    const { epoch } = await store.lead('one', 'one:8080');
    await endSessions('ekiden-paas-leader');
    await waitFor(
      database,
      `SELECT 1 FROM pg_locks l JOIN pg_stat_activity a USING (pid) WHERE l.locktype = 'advisory' AND a.application_name = 'ekiden-paas-leader'`,
    );
    await store.confirm(epoch);
    await store.close();
  });

  it('refuses a schema that a newer version has migrated', async () => {
    await (await openPostgresPaasStore({ connectionString: database.url, log: silentLog })).close();
    await database.query(`INSERT INTO paas.migrations (timestamp, name) VALUES (9999999999999, 'FromTheFuture9999999999999')`);
    await expect(openPostgresPaasStore({ connectionString: database.url, log: silentLog })).rejects.toThrow(/newer Ekiden \(FromTheFuture/);
  });

  it('lets several processes start at once on an empty database', async () => {
    const stores = await Promise.all([1, 2, 3].map(() => openPostgresPaasStore({ connectionString: database.url, log: silentLog })));
    for (const store of stores) await store.close();
  });
});

/** Polls a condition in the database; each round is a round trip, no sleep. */
async function waitFor(database: TestDatabase, condition: string): Promise<void> {
  for (let round = 0; round < 500; round++) if ((await database.query(condition)).length > 0) return;
  throw new Error(`never true: ${condition}`);
}
