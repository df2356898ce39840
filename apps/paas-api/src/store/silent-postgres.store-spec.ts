/** Connections to Postgres that fall silent, as when a router has lost its table: they are given up, and new ones serve. */
import { silentLog } from '@ekiden/service';
import { Wire } from '../../../../test/chaos/wire.js';
import { createTestDatabase, type TestDatabase } from '../../../../test/test-database.js';
import { openPostgresPaasStore, type PostgresPaasStore } from './postgres-store.js';

/** In production half a minute. */
const ANSWER_TIMEOUT_MS = 300;

let database: TestDatabase;
let wire: Wire;
let store: PostgresPaasStore;
let epoch: number;

beforeEach(async () => {
  database = await createTestDatabase();
  const url = new URL(database.url);
  wire = await Wire.open('store→postgres', { host: url.hostname, port: Number(url.port) });
  url.host = `127.0.0.1:${wire.port}`;
  url.searchParams.set('query_timeout', String(ANSWER_TIMEOUT_MS));
  store = await openPostgresPaasStore({ connectionString: url.href, log: silentLog });
  ({ epoch } = await store.lead('one', 'one:1'));
  await store.commit(epoch, []);
  await store.load();
  wire.disturb('forget');
});
afterEach(async () => {
  await store.close();
  await wire.close();
  await database.drop();
});

it('are given up by a start that was still connecting', async () => {
  wire.disturb('stall');
  const connecting = wire.accepted;
  const url = new URL(database.url);
  url.host = `127.0.0.1:${wire.port}`;
  const opening = openPostgresPaasStore({ connectionString: url.href, log: silentLog });
  while (wire.accepted === connecting) await new Promise((resolve) => setImmediate(resolve));
  wire.disturb('forget');
  await (await opening).close();
}, 30_000);

it.each<[string, () => Promise<unknown>]>([
  ['reads', () => store.load()],
  ['commits', () => store.commit(epoch, [])],
  ['renewals of the lease', () => store.confirm(epoch)],
])('are given up by %s, whose next try is over a new one', async (_, work) => {
  await expect(work()).rejects.toMatchObject({ code: 'store-unavailable' });
  await work();
});
