/**
 * One dedicated connection to Postgres, and what its errors mean.
 *
 * `pg` is loaded on first use: an agent links this library and has no database.
 */
import type { Client } from 'pg';
import { EkidenError, type Log } from '@ekiden/model';

/** How long a connection may take to open. */
export const CONNECT_TIMEOUT_MS = 5_000;
/** How long one statement of ours may run, migrations apart. */
export const STATEMENT_TIMEOUT_MS = 30_000;
/** A silent server is given up so much later than it should have given up the statement itself. */
const ANSWER_SLACK_MS = 5_000;
/** The server ends a transaction of a process that has hung in the middle of it, so that its row locks go. */
export const IDLE_IN_TRANSACTION_TIMEOUT_MS = 10_000;
/** First keepalive probe on an idle connection. */
export const KEEPALIVE_DELAY_MS = 5_000;
/** How long a server may take to hear that a connection is given up. */
const FAREWELL_MS = 1_000;

/** The limits of every connection of ours, as `pg` spells them: no question of ours waits for ever, whatever became of the way to the server. */
export const CONNECTION_LIMITS = {
  connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
  statement_timeout: STATEMENT_TIMEOUT_MS,
  query_timeout: STATEMENT_TIMEOUT_MS + ANSWER_SLACK_MS,
  keepAlive: true,
  keepAliveInitialDelayMillis: KEEPALIVE_DELAY_MS,
} as const;

export interface ConnectOptions {
  readonly connectionString: string;
  /** Shown in `pg_stat_activity`; at most 63 characters. */
  readonly applicationName: string;
  readonly log: Log;
  /** Called once when the connection breaks by itself; not after `end()`. */
  readonly onBroken?: (error: Error) => void;
}

/** Opens a connection with keepalive and timeouts. Rejects with the driver's error. */
export async function connectPostgres(options: ConnectOptions): Promise<Client> {
  const { default: pg } = await import('pg');
  const client = new pg.Client({
    connectionString: options.connectionString,
    application_name: options.applicationName,
    ...CONNECTION_LIMITS,
    idle_in_transaction_session_timeout: IDLE_IN_TRANSACTION_TIMEOUT_MS,
  });
  let isBroken = false;
  client.on('error', (error: Error) => {
    if (isBroken) return; // the driver tells the server's farewell and the end of the socket apart
    isBroken = true;
    options.log.warn('postgres-connection-broken', { connection: options.applicationName, error });
    options.onBroken?.(error);
  });
  await client.connect();
  return client;
}

/** Leaves a connection. Never rejects, and does not wait for long: a server that has fallen silent does not answer a farewell. */
export async function endPostgres(client: Client, log: Log): Promise<void> {
  let timer: NodeJS.Timeout | null = null;
  const overdue = new Promise<void>((resolve) => (timer = setTimeout(resolve, FAREWELL_MS)));
  const ended = client.end().catch((error: unknown) => log.debug('postgres-end-failed', { error }));
  await Promise.race([ended, overdue]);
  if (timer !== null) clearTimeout(timer);
}

/** SQLSTATE classes and codes after which the same statement may succeed later: connection, shutdown, resources, locks, timeouts. */
const PASSING = /^(?:08|57P0|53|40001$|40P01$|55P03$|57014$|25P03$)/;

/** Two transactions stood in each other's way (serialization failure, deadlock): this one was rolled back, for certain. */
export const isPostgresConflict = (error: unknown): boolean =>
  error instanceof Error && 'code' in error && typeof error.code === 'string' && /^(?:40001|40P01)$/.test(error.code);

/** Whether the world, not the statement, is at fault: no SQLSTATE at all (the socket broke), or one that passes. */
export function isPostgresUnavailable(error: unknown): boolean {
  if (!(error instanceof Error) || error instanceof EkidenError) return false;
  const code = 'code' in error && typeof error.code === 'string' ? error.code : null;
  // "Released" is TypeORM's word for a session that broke between two of its own queries.
  if (code === null) return /connection|timeout|not queryable|ended|query runner already released/i.test(error.message);
  return PASSING.test(code) || /^E[A-Z_]{2,}$/.test(code);
}

/** `store-unavailable` for what passes by itself, with what we were doing and its cause; anything else unchanged (a bug). */
export function storeError(doing: string, error: unknown): unknown {
  if (!isPostgresUnavailable(error)) return error;
  const why = error instanceof Error ? error.message : String(error);
  const wrapped = new EkidenError('store-unavailable', `Postgres did not answer while ${doing}: ${why}`, { doing });
  wrapped.cause = error;
  return wrapped;
}

/** The refusal of a write by somebody who no longer leads. */
export const staleLeader = (schema: string, epoch: number): EkidenError =>
  new EkidenError('stale-leader', `epoch ${epoch} does not lead "${schema}" any more: a newer leader has taken over, or it was released`, { schema, epoch });
