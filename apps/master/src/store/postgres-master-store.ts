/**
 * The master's store in Postgres, schema `master`: one session for the lead, one for the fenced writes. The master reads once a term.
 *
 * Writes are few (an agent comes, is lost, is gone), so each is a statement of its own; sent again, it changes nothing.
 */
import { agentId, frameworkId, type Log } from '@ekiden/model';
import { awaitPostgres, connectPostgres, FencedSession, PostgresLeadership, storeError } from '@ekiden/service';
import { masterMigrations } from '../../../../migrations/master/master-migrations.js';
import { runMigrations } from '../../../../migrations/run-migrations.js';
import type { AgentEntry, MasterSnapshot, MasterStore } from '../master-ports.js';

/** Version of the form in which an agent is stored (decision 10). */
const BODY_VERSION = 1;

const FENCE = 'WITH fence AS MATERIALIZED (SELECT 1 FROM master.leader WHERE epoch = $1 AND holder IS NOT NULL FOR SHARE)';
const LED = 'SELECT count(*)::int AS led FROM fence';

const SAVE_AGENT = `${FENCE}, w AS (
  INSERT INTO master.agent (id, state, since, body) SELECT $2::text, $3::text, $4::bigint, $5::json FROM fence
  ON CONFLICT (id) DO UPDATE SET state = EXCLUDED.state, since = EXCLUDED.since, body = EXCLUDED.body) ${LED}`;

const SAVE_REMOVED_FRAMEWORK = `${FENCE}, w AS (INSERT INTO master.removed_framework (id) SELECT $2::text FROM fence ON CONFLICT DO NOTHING) ${LED}`;

const SAVE_WEIGHTS = `${FENCE}, w AS (UPDATE master.cluster SET weights = $2::jsonb FROM fence) ${LED}`;

export interface PostgresMasterStore extends MasterStore {
  /** Who leads now, this process or another; null when nobody does. Rejects with `store-unavailable`. */
  leader(): Promise<{ readonly address: string } | null>;
  /** Ends all connections; a waiting `lead` rejects. Does not release the lead. */
  close(): Promise<void>;
}

export interface PostgresMasterStoreOptions {
  readonly connectionString: string;
  readonly log: Log;
  /** Told when somebody else has taken over; every write is refused from then on anyway. */
  readonly onLost?: (why: string) => void;
}

/** Waits for Postgres, migrates the schema and opens the store. Rejects when the schema is newer than this code. */
export async function openPostgresMasterStore(options: PostgresMasterStoreOptions): Promise<PostgresMasterStore> {
  const { connectionString, log } = options;
  const ran = await awaitPostgres(log, () => runMigrations({ connectionString, schema: 'master', migrations: masterMigrations }));
  if (ran.length > 0) log.info('schema-migrated', { schema: 'master', migrations: ran });
  const leadership = new PostgresLeadership({ connectionString, schema: 'master', log, ...(options.onLost ? { onLost: options.onLost } : {}) });
  const session = new FencedSession({ connectionString, schema: 'master', log });
  const save = (epoch: number, name: string, text: string, values: readonly unknown[]) => session.commit(epoch, [{ name, text, values: [epoch, ...values] }]);

  return {
    async lead(holder) {
      const { epoch } = await leadership.lead(holder, holder);
      await session.settle();
      return { epoch, snapshot: await readSnapshot(connectionString, log) };
    },
    saveAgent: (epoch, entry) =>
      save(epoch, 'save-agent', SAVE_AGENT, [entry.agentId, entry.state, entry.since, JSON.stringify({ v: BODY_VERSION, ...entry })]),
    saveRemovedFramework: (epoch, id) => save(epoch, 'save-removed-framework', SAVE_REMOVED_FRAMEWORK, [id]),
    saveWeights: (epoch, weights) => save(epoch, 'save-weights', SAVE_WEIGHTS, [JSON.stringify(weights)]),
    confirm: (epoch) => leadership.confirm(epoch),
    release: (epoch) => leadership.release(epoch),
    async leader() {
      try {
        const client = await connectPostgres({ connectionString, applicationName: 'ekiden-master-ask', log });
        try {
          return await leadership.leader(
            async (text, values) => (await client.query<{ holder: string; address: string; epoch: string }>(text, [...values])).rows,
          );
        } finally {
          await client.end();
        }
      } catch (error) {
        throw storeError('asking who leads', error);
      }
    },
    async close() {
      await leadership.close();
      await session.close();
    },
  };
}

async function readSnapshot(connectionString: string, log: Log): Promise<MasterSnapshot> {
  try {
    const client = await connectPostgres({ connectionString, applicationName: 'ekiden-master-load', log });
    try {
      const cluster = await client.query<{ master_id: string; weights: Record<string, number> }>('SELECT master_id, weights FROM master.cluster');
      const agents = await client.query<{ id: string; body: unknown }>('SELECT id, body FROM master.agent ORDER BY id');
      const removed = await client.query<{ id: string }>('SELECT id FROM master.removed_framework ORDER BY removed_at, id');
      const [row] = cluster.rows;
      if (!row) throw new Error('master.cluster is empty: the migrations write its row; restore a backup');
      return {
        masterId: row.master_id,
        weights: row.weights,
        agents: agents.rows.map((agent) => readAgent(agent.id, agent.body)),
        removedFrameworks: removed.rows.map((framework) => frameworkId(framework.id)),
      };
    } finally {
      await client.end();
    }
  } catch (error) {
    throw storeError('loading the master’s state', error);
  }
}

function readAgent(id: string, body: unknown): AgentEntry {
  const version = typeof body === 'object' && body !== null && 'v' in body ? body.v : undefined;
  if (version !== BODY_VERSION)
    throw new Error(`agent ${id} is stored in format ${String(version)}, this version reads ${BODY_VERSION}: start the newer Ekiden again`);
  const { v: _v, ...entry } = body as AgentEntry & { v: number }; // only `saveAgent` writes this column
  return { ...entry, agentId: agentId(entry.agentId) };
}
