import { agentId, frameworkId } from '@ekiden/model';
import { silentLog } from '@ekiden/service';
import { END_LOCK_HOLDER, eventually } from '../../../../test/store-trouble.js';
import { createTestDatabase } from '../../../../test/test-database.js';
import type { AgentEntry, MasterStore } from '../master-ports.js';
import { createMemoryMasterStore, MemoryMasterDatabase, type MemoryMasterStore } from './memory-master-store.js';
import { openPostgresMasterStore } from './postgres-master-store.js';

interface Backend {
  open(): Promise<MasterStore>;
  /** Ends the session that holds the lead's lock. */
  loseLock(): Promise<void>;
  close(): Promise<void>;
}

async function inMemory(): Promise<Backend> {
  const database = new MemoryMasterDatabase();
  const stores: MemoryMasterStore[] = [];
  return {
    async open() {
      const store = createMemoryMasterStore(database);
      stores.push(store);
      return store;
    },
    loseLock: async () => stores.forEach((store) => store.loseLock()),
    close: async () => undefined,
  };
}

async function inPostgres(): Promise<Backend> {
  const database = await createTestDatabase();
  const stores: { close(): Promise<void> }[] = [];
  return {
    async open() {
      const store = await openPostgresMasterStore({ connectionString: database.url, log: silentLog });
      stores.push(store);
      return store;
    },
    loseLock: async () => void (await database.query(END_LOCK_HOLDER)),
    async close() {
      for (const store of stores) await store.close();
      await database.drop();
    },
  };
}

const anAgent = (id: string, changes: Partial<AgentEntry> = {}): AgentEntry => ({
  agentId: agentId(id),
  hostname: 'host-1',
  address: '127.0.0.1:5051',
  attributes: [],
  resources: [],
  state: 'admitted',
  since: null,
  ...changes,
});

describe.each([
  ['memory', inMemory],
  ['postgres', inPostgres],
])('the master store in %s', (_name, newBackend) => {
  let backend: Backend;
  let store: MasterStore;
  beforeEach(async () => {
    backend = await newBackend();
    store = await backend.open();
  });
  afterEach(() => backend.close());

  it('hands what was saved to the next leader, under the same master id', async () => {
    const { epoch, snapshot } = await store.lead('one');
    expect(snapshot).toEqual({ masterId: expect.stringMatching(/./), agents: [], removedFrameworks: [], weights: {} });
    await store.saveAgent(epoch, anAgent('a1'));
    await store.saveAgent(epoch, anAgent('a1', { state: 'unreachable', since: 7 }));
    await store.saveAgent(epoch, anAgent('a2'));
    await store.saveRemovedFramework(epoch, frameworkId('f1'));
    await store.saveRemovedFramework(epoch, frameworkId('f1'));
    await store.saveWeights(epoch, { shop: 2 });
    await store.release(epoch);

    const next = await (await backend.open()).lead('two');
    expect(next.epoch).toBeGreaterThan(epoch);
    expect(next.snapshot).toEqual({
      masterId: snapshot.masterId,
      agents: [anAgent('a1', { state: 'unreachable', since: 7 }), anAgent('a2')],
      removedFrameworks: ['f1'],
      weights: { shop: 2 },
    });
  });

  it('refuses every write of an old epoch', async () => {
    const { epoch } = await store.lead('one');
    await store.confirm(epoch);
    await store.release(epoch);
    const second = await backend.open();
    const next = await second.lead('two');
    for (const write of [
      store.saveAgent(epoch, anAgent('a1')),
      store.saveRemovedFramework(epoch, frameworkId('f1')),
      store.saveWeights(epoch, { shop: 2 }),
      store.confirm(epoch),
    ]) {
      await expect(write).rejects.toMatchObject({ code: 'stale-leader' });
    }
    await second.confirm(next.epoch);
    await second.release(next.epoch);
    expect((await second.lead('two')).snapshot).toMatchObject({ agents: [], removedFrameworks: [], weights: {} });
  });

  it('keeps the lead when its session is lost and nobody waits for it', async () => {
    const { epoch } = await store.lead('one');
    await backend.loseLock();
    await store.saveAgent(epoch, anAgent('a1'));
    await eventually(() => store.confirm(epoch));
  });

  it('hands the lead to who waits when the session of its holder is lost', async () => {
    const { epoch } = await store.lead('one');
    const led = (await backend.open()).lead('two');
    await backend.loseLock();
    expect((await led).epoch).toBeGreaterThan(epoch);
    await expect(store.saveAgent(epoch, anAgent('a1'))).rejects.toMatchObject({ code: 'stale-leader' });
  });
});

describe('the master store in memory', () => {
  it.each([
    ['before', 0],
    ['after', 1],
  ] as const)('can lose the answer of a write: %s it is written', async (fault, written) => {
    const store = createMemoryMasterStore();
    const { epoch } = await store.lead('one');
    store.failNextWrite(fault);
    await expect(store.saveAgent(epoch, anAgent('a1'))).rejects.toMatchObject({ code: 'store-unavailable' });
    expect(store.database.agents.size).toBe(written);
    await store.saveAgent(epoch, anAgent('a1'));
  });

  it('can lose its connection as it begins to lead: the next one leads once its process is gone', async () => {
    const store = createMemoryMasterStore();
    store.breakNext('lead');
    await expect(store.lead('one')).rejects.toMatchObject({ code: 'store-unavailable' });
    const next = createMemoryMasterStore(store.database).lead('two');
    store.crash();
    expect((await next).epoch).toBe(2);
  });
});
