/** What may stand in the way of a store in Postgres, for the suites of the stores: a lost session, a deadlock. */
import pg from 'pg';
import type { TestDatabase } from './test-database.js';

/** Ends the session that has the lock of the lead; one that waits for it is left alone. */
export const END_LOCK_HOLDER = `SELECT pg_terminate_backend(pid, 5000) FROM pg_locks
  WHERE locktype = 'advisory' AND granted AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`;

const MAX_ROUNDS = 500;

/** Until it does not reject any more; each round is a round trip. */
export async function eventually(work: () => Promise<void>): Promise<void> {
  for (let round = 1; ; round++) {
    try {
      return await work();
    } catch (error) {
      if (round === MAX_ROUNDS) throw error;
    }
  }
}

/**
 * `work` commits a change of the app `/shop/web` to `paas`: it waits for that row, which another transaction has, and that one for the row
 * of the leader, which the commit has. The commit has waited longer, so Postgres rolls that one back.
 */
export async function deadlocked(database: TestDatabase, work: () => Promise<void>): Promise<void> {
  const other = new pg.Client({ connectionString: database.url });
  await other.connect();
  try {
    await other.query(`SET deadlock_timeout = '60s'`);
    await other.query('BEGIN');
    await other.query(`SELECT 1 FROM paas.app WHERE id = '/shop/web' FOR UPDATE`);
    const done = work();
    for (let round = 0; round < MAX_ROUNDS; round++) {
      const waiting = await database.query(`SELECT 1 FROM pg_stat_activity WHERE application_name LIKE 'ekiden-paas-commit%' AND wait_event_type = 'Lock'`);
      if (waiting.length > 0) break;
    }
    await other.query('SELECT 1 FROM paas.leader FOR UPDATE');
    await other.query('ROLLBACK');
    await done;
  } finally {
    await other.end();
  }
}
