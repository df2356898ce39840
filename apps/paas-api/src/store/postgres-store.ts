/**
 * The store of paas-api in Postgres, schema `paas`: one session for commits, one for the lead, a small pool for reads.
 *
 * Retries are the caller's: what passes by itself (a lost connection, a restart of the server) comes as `store-unavailable`.
 */
import type { DataSource } from 'typeorm';
import type { Log } from '@ekiden/model';
import { awaitPostgres, FencedSession, PostgresLeadership, staleLeader } from '@ekiden/service';
import { paasMigrations } from '../../../../migrations/paas/paas-migrations.js';
import { runMigrations } from '../../../../migrations/run-migrations.js';
import { buildCommit } from './commit-statement.js';
import type { PaasStore } from './paas-store.js';
import { MAX_PRUNE_ROUNDS, PRUNE_BATCH, PRUNE_DEPLOYMENTS, PRUNE_EVENTS, PRUNE_VERSIONS } from './prune-statement.js';
import { readEvents, readHistory, readSnapshot } from './read-paas.js';
import { ReadPool } from './read-pool.js';

export interface PostgresPaasStore extends PaasStore {
  /** Ends all connections; a waiting `lead` rejects. Does not release the lead. */
  close(): Promise<void>;
}

export interface PostgresPaasStoreOptions {
  readonly connectionString: string;
  readonly log: Log;
  /** Told when somebody else has taken over; every write is refused from then on anyway. */
  readonly onLost?: (why: string) => void;
}

/** Waits for Postgres, migrates the schema and opens the store. Rejects when the schema is newer than this code. */
export async function openPostgresPaasStore(options: PostgresPaasStoreOptions): Promise<PostgresPaasStore> {
  const { connectionString, log } = options;
  const ran = await awaitPostgres(log, () => runMigrations({ connectionString, schema: 'paas', migrations: paasMigrations }));
  if (ran.length > 0) log.info('schema-migrated', { schema: 'paas', migrations: ran });
  const reads = new ReadPool(connectionString, log);
  await awaitPostgres(log, () => reads.open());
  const leadership = new PostgresLeadership({ connectionString, schema: 'paas', log, ...(options.onLost ? { onLost: options.onLost } : {}) });
  const commits = new FencedSession({ connectionString, schema: 'paas', log });

  return {
    lead: (holder, address) => leadership.lead(holder, address),
    confirm: (epoch) => leadership.confirm(epoch),
    release: (epoch) => leadership.release(epoch),
    commit: (epoch, writes) => commits.commit(epoch, buildCommit(epoch, writes)),
    async load() {
      await commits.settle();
      return reads.read('loading', readSnapshot);
    },
    leader: () => reads.read('asking who leads', (source) => leadership.leader((text, values) => source.query(text, [...values]))),
    deploymentHistory: (filter) => reads.read('reading the history', (source) => readHistory(source, filter)),
    eventsAfter: (seq, limit) => reads.read('reading events', (source) => readEvents(source, seq, limit)),
    prune: (epoch, limits) =>
      reads.read('pruning', async (source) => {
        const events = await prune(source, epoch, PRUNE_EVENTS, limits.events);
        const deployments = await prune(source, epoch, PRUNE_DEPLOYMENTS, limits.deployments);
        return events + deployments + (await prune(source, epoch, PRUNE_VERSIONS, limits.versionsPerApp));
      }),
    async close() {
      await leadership.close();
      await commits.close();
      await reads.close();
    },
  };
}

async function prune(source: DataSource, epoch: number, statement: string, keep: number): Promise<number> {
  let total = 0;
  for (let round = 0; round < MAX_PRUNE_ROUNDS; round++) {
    const [answer]: { led: number; forgotten: number }[] = await source.query(statement, [epoch, keep]);
    if (answer?.led !== 1) throw staleLeader('paas', epoch);
    total += answer.forgotten;
    if (answer.forgotten < PRUNE_BATCH) break;
  }
  return total;
}
