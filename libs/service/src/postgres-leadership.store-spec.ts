import { createTestDatabase, type TestDatabase } from '../../../test/test-database.js';
import { silentLog } from './log.js';
import { PostgresLeadership } from './postgres-leadership.js';

describe('leadership in Postgres', () => {
  let database: TestDatabase;
  const opened: PostgresLeadership[] = [];
  const open = (changes: { leaseMs?: number; renewMs?: number; onLost?: (why: string) => void } = {}): PostgresLeadership => {
    const leadership = new PostgresLeadership({ connectionString: database.url, schema: 'part', log: silentLog, ...changes });
    opened.push(leadership);
    return leadership;
  };

  beforeEach(async () => {
    database = await createTestDatabase();
    await database.query('CREATE SCHEMA part');
    await database.query(
      'CREATE TABLE part.leader (singleton boolean PRIMARY KEY, epoch bigint NOT NULL, holder text, address text NOT NULL, renewed_at timestamptz NOT NULL)',
    );
  });
  afterEach(async () => {
    for (const leadership of opened.splice(0)) await leadership.close();
    await database.drop();
  });

  it('wakes the waiting when the holder’s process is gone', async () => {
    const first = open();
    const { epoch } = await first.lead('one', 'one:1');
    const second = open();
    const led = second.lead('two', 'two:1');
    await first.close(); // as a kill -9: the session ends, nothing is released
    expect((await led).epoch).toBe(epoch + 1);
    await expect(second.confirm(epoch)).rejects.toMatchObject({ code: 'stale-leader' });
  });

  it('takes over from a holder that hangs', async () => {
    let lost: (why: string) => void = () => undefined;
    const isLost = new Promise<string>((resolve) => (lost = resolve));
    // Renews too seldom for its lease: as if it hung, though it lives to hear of it.
    const hung = open({ renewMs: 3_000, leaseMs: 1_500, onLost: (why) => lost(why) });
    const { epoch } = await hung.lead('one', 'one:1');
    const next = await open({ leaseMs: 1_500, renewMs: 500 }).lead('two', 'two:1');
    expect(next.epoch).toBe(epoch + 1);
    await expect(hung.confirm(epoch)).rejects.toMatchObject({ code: 'stale-leader' });
    expect(await isLost).toMatch(/newer leader/);
  });

  it('leaves a holder alone that renews', async () => {
    const first = open({ renewMs: 300, leaseMs: 1_500 });
    const { epoch } = await first.lead('one', 'one:1');
    const second = open({ renewMs: 300, leaseMs: 1_500 });
    const led = second.lead('two', 'two:1');
    const renewals = await renewalsSeen(12); // more than two leases
    expect(renewals).toBeGreaterThanOrEqual(12);
    await first.confirm(epoch);
    await first.release(epoch);
    expect((await led).epoch).toBe(epoch + 1);
  });

  it('ends a wait when it is closed', async () => {
    await open().lead('one', 'one:1');
    const second = open();
    const led = expect(second.lead('two', 'two:1')).rejects.toMatchObject({ code: 'no-leader' });
    await second.close();
    await led;
  });

  async function renewalsSeen(count: number): Promise<number> {
    const seen = new Set<string>();
    while (seen.size < count) {
      const [row] = await database.query('SELECT renewed_at::text AS at FROM part.leader');
      seen.add(String(row?.['at']));
    }
    return seen.size;
  }
});
