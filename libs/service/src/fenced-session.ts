/**
 * The one connection over which the leader of a part writes, each transaction fenced by its epoch (decision 5).
 *
 * One commit at a time, in the order of the calls. When the connection breaks under a commit, the server may still carry it
 * out later; a snapshot read before that would miss it. So the broken session is ended on the server first, and only then
 * anything else is sent or read (`settle`).
 */
import { randomUUID } from 'node:crypto';
import type { Client } from 'pg';
import { EkidenError, type Log } from '@ekiden/model';
import { connectPostgres, endPostgres, isPostgresConflict, isPostgresUnavailable, staleLeader, storeError } from './postgres-connection.js';

/** How long the server may take to end a session of ours that we lost. */
const END_LOST_SESSION_MS = 5_000;

/** A transaction that was rolled back for another one's sake is sent again so often; then the caller hears `store-unavailable`. */
export const MAX_CONFLICT_RETRIES = 3;

/** A statement that checks the epoch itself: it locks the row `<schema>.leader` and writes nothing when another epoch leads. */
export interface FencedStatement {
  /** Of the prepared statement; equal names have equal texts. */
  readonly name: string;
  /** Answers one row, `led`: 1 when the epoch leads. */
  readonly text: string;
  readonly values: readonly unknown[];
}

export interface FencedSessionOptions {
  readonly connectionString: string;
  readonly schema: string;
  readonly log: Log;
}

export class FencedSession {
  readonly #options: FencedSessionOptions;
  #session: { readonly name: string; readonly client: Client } | null = null;
  /** The names of sessions that broke under a commit. */
  #lost: readonly string[] = [];
  #last: Promise<unknown> = Promise.resolve();
  #isClosed = false;

  constructor(options: FencedSessionOptions) {
    this.#options = options;
  }

  /** Sends the statements as one transaction. Rejects with `stale-leader` or `store-unavailable`. */
  commit(epoch: number, statements: readonly FencedStatement[]): Promise<void> {
    return this.#next(async () => {
      for (let retriesLeft = MAX_CONFLICT_RETRIES; !(await this.#attempt(epoch, statements, retriesLeft)); retriesLeft--);
    });
  }

  /** False: rolled back, to be sent again. */
  async #attempt(epoch: number, statements: readonly FencedStatement[], retriesLeft: number): Promise<boolean> {
    const session = await this.#connected();
    try {
      const [only] = statements;
      const led = statements.length === 1 && only ? await run(session.client, only) : await runAll(session.client, statements);
      if (!led) throw staleLeader(this.#options.schema, epoch);
      return true;
    } catch (error) {
      if (isPostgresConflict(error) && retriesLeft > 0) {
        this.#options.log.info('commit-sent-again', { schema: this.#options.schema, error });
        return false;
      }
      if (isPostgresUnavailable(error)) await this.#giveUp(session);
      throw error;
    }
  }

  /** Resolves when no commit of ours can take effect any more that has not yet. */
  settle(): Promise<void> {
    return this.#next(async () => {
      if (this.#lost.length > 0) await this.#connected();
    });
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    const session = this.#session;
    this.#session = null;
    if (session) await endPostgres(session.client, this.#options.log);
  }

  #next<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#last.then(work, work).catch((error: unknown) => {
      throw storeError('committing', error);
    });
    this.#last = result.catch(() => undefined); // whoever called has the error; the next one only waits its turn
    return result;
  }

  async #connected(): Promise<{ readonly name: string; readonly client: Client }> {
    if (this.#isClosed) throw new EkidenError('store-unavailable', 'this store is closed');
    if (this.#session) return this.#session;
    const name = `ekiden-${this.#options.schema}-commit-${randomUUID()}`;
    const client = await connectPostgres({
      connectionString: this.#options.connectionString,
      applicationName: name,
      log: this.#options.log,
      onBroken: () => {
        if (this.#session?.name === name) this.#session = null;
      },
    });
    try {
      await this.#endLost(client);
    } catch (error) {
      await endPostgres(client, this.#options.log);
      throw error;
    }
    this.#session = { name, client };
    return this.#session;
  }

  async #giveUp(session: { readonly name: string; readonly client: Client }): Promise<void> {
    this.#lost = [...this.#lost, session.name];
    this.#session = null;
    await endPostgres(session.client, this.#options.log);
  }

  async #endLost(client: Client): Promise<void> {
    if (this.#lost.length === 0) return;
    const { rows } = await client.query<{ ended: boolean }>(
      `SELECT pg_terminate_backend(pid, ${END_LOST_SESSION_MS}) AS ended FROM pg_stat_activity WHERE application_name = ANY($1::text[])`,
      [this.#lost],
    );
    if (rows.some((row) => !row.ended)) throw new EkidenError('store-unavailable', 'a lost session still runs on the server; its commit may yet take effect');
    this.#lost = [];
  }
}

async function run(client: Client, statement: FencedStatement): Promise<boolean> {
  const { rows } = await client.query<{ led: number }>({ name: statement.name, text: statement.text, values: [...statement.values] });
  return rows[0]?.led === 1;
}

async function runAll(client: Client, statements: readonly FencedStatement[]): Promise<boolean> {
  await client.query('BEGIN');
  try {
    for (const statement of statements) {
      if (await run(client, statement)) continue;
      await client.query('ROLLBACK');
      return false;
    }
    await client.query('COMMIT');
    return true;
  } catch (error) {
    if (!isPostgresUnavailable(error) || isPostgresConflict(error)) await client.query('ROLLBACK');
    throw error;
  }
}
