/**
 * Who leads a part, with Postgres as the judge (decision 5).
 *
 * The proof is the row `<schema>.leader`: its epoch grows with each take-over, and every write checks it in the same
 * statement. A session's advisory lock only wakes whoever waits, as soon as the holder's connection ends. A holder that
 * hangs keeps its connection; when its lease (renewed by a timer here) is older than `LEASE_MS` by Postgres' clock, a waiting
 * one ends that session, and the lock wakes one of the waiting as ever. So the holder of the lock is the only one to raise the epoch.
 *
 *   waiting ──lock──► raise epoch ──► leading ──renew every RENEW_MS──► … ──► released, or lost (a higher epoch in the row)
 *      └─ lease expired: end the holder's session       └─ connection broke: connect, lock again, same epoch if still ours
 */
import type { Client } from 'pg';
import { EkidenError, type Log } from '@ekiden/model';
import { connectPostgres, endPostgres, isPostgresUnavailable, staleLeader, storeError } from './postgres-connection.js';

/** A leader that has not renewed for so long may be taken over. */
export const LEASE_MS = 15_000;
/** How often a leader renews. */
export const RENEW_MS = 5_000;
/** How often somebody who waits looks at the lease. */
export const LEASE_POLL_MS = 1_000;
/** Between attempts to reach a Postgres that is away. */
export const RECONNECT_MS = 500;

/** First half of the advisory lock's key; the second is the schema's hash. */
const LOCK_CLASS = 0x656b6964;
const LOCK_NOT_AVAILABLE = '55P03';

export interface LeadershipOptions {
  readonly connectionString: string;
  /** The part's schema; it holds the table `leader`, made by the part's migrations. */
  readonly schema: string;
  readonly log: Log;
  /** Told once a term, when somebody else has taken over without `release`. Commits are refused anyway. */
  readonly onLost?: (why: string) => void;
  /** For tests. */
  readonly leaseMs?: number;
  readonly renewMs?: number;
}

/** Runs one statement, answers its rows. */
export type LeaderQuery = (text: string, values: readonly unknown[]) => Promise<readonly { holder: string; address: string; epoch: string }[]>;

export class PostgresLeadership {
  readonly #options: LeadershipOptions;
  readonly #table: string;
  readonly #leaseMs: number;
  #session: Promise<Client> | null = null;
  #epoch: number | null = null;
  #renewal: NodeJS.Timeout | null = null;
  #pause: { readonly timer: NodeJS.Timeout; readonly end: () => void } | null = null;
  #isClosed = false;

  constructor(options: LeadershipOptions) {
    if (!/^[a-z_]+$/.test(options.schema)) throw new TypeError(`schema "${options.schema}" may hold a-z and _ only`);
    this.#options = options;
    this.#table = `${options.schema}.leader`;
    this.#leaseMs = options.leaseMs ?? LEASE_MS;
  }

  /** Waits until this process leads, through outages of Postgres too. Rejects with `no-leader` after `close`. */
  async lead(holder: string, address: string): Promise<{ readonly epoch: number }> {
    while (!this.#isClosed) {
      try {
        await this.#lock();
        const epoch = await this.#raise(holder, address);
        this.#epoch = epoch;
        this.#renewal ??= setInterval(() => void this.#renew(), this.#options.renewMs ?? RENEW_MS);
        this.#options.log.info('leader-elected', { schema: this.#options.schema, epoch, holder, address });
        return { epoch };
      } catch (error) {
        await this.#disconnect();
        if (this.#isClosed) break;
        if (!isPostgresUnavailable(error)) throw error;
        this.#options.log.warn('leader-election-waits', { schema: this.#options.schema, error });
        await this.#sleep(RECONNECT_MS);
      }
    }
    throw new EkidenError('no-leader', `the wait for leading "${this.#options.schema}" was ended by a stop`);
  }

  /** Renews the lease. Rejects with `stale-leader` or `store-unavailable`. */
  async confirm(epoch: number): Promise<void> {
    let renewed: number | null;
    const session = this.#connected();
    try {
      renewed = (await (await session).query(`UPDATE ${this.#table} SET renewed_at = clock_timestamp() WHERE epoch = $1 AND holder IS NOT NULL`, [epoch]))
        .rowCount;
    } catch (error) {
      // A session that has fallen silent answers the next renewal no better: that one gets a new session.
      if (isPostgresUnavailable(error) && this.#session === session) await this.#disconnect();
      throw storeError('renewing the lease', error);
    }
    if (renewed === 0) throw staleLeader(this.#options.schema, epoch);
  }

  /** Steps down, so that the next one need not wait. Harmless when this epoch does not lead any more. */
  async release(epoch: number): Promise<void> {
    if (this.#epoch === epoch) this.#endTerm();
    try {
      const client = await this.#connected();
      await client.query(`UPDATE ${this.#table} SET holder = NULL WHERE epoch = $1`, [epoch]);
    } catch (error) {
      throw storeError('releasing the lead', error);
    } finally {
      await this.#disconnect(); // the lock goes with the session
    }
  }

  /**
   * Who leads now: its lease is valid. Null when nobody does. Asked over a connection of the caller's, since the one here
   * may be waiting for the lock.
   */
  async leader(query: LeaderQuery): Promise<{ readonly holder: string; readonly address: string; readonly epoch: number } | null> {
    const text = `SELECT holder, address, epoch FROM ${this.#table} WHERE holder IS NOT NULL AND renewed_at > clock_timestamp() - $1 * interval '1 millisecond'`;
    const [row] = await query(text, [this.#leaseMs]);
    return row ? { holder: row.holder, address: row.address, epoch: Number(row.epoch) } : null;
  }

  /** Stops waiting and renewing. Does not release: the lease runs out, the lock goes with the session. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#endTerm();
    this.#pause?.end();
    await this.#disconnect();
  }

  async #lock(): Promise<void> {
    while (!this.#isClosed) {
      const client = await this.#connected();
      try {
        await client.query(`SET lock_timeout = ${LEASE_POLL_MS}`);
        await client.query('SELECT pg_advisory_lock($1, hashtext($2))', [LOCK_CLASS, this.#options.schema]);
        await client.query('SET lock_timeout = 0');
        return;
      } catch (error) {
        if (!(error instanceof Error && 'code' in error && error.code === LOCK_NOT_AVAILABLE)) throw error;
        await this.#endHungHolder(client);
      }
    }
    throw new EkidenError('no-leader', 'stopped');
  }

  /** Ends the session that holds the lock if its lease has run out. Needs the same database role, which all of a part's processes share. */
  async #endHungHolder(client: Client): Promise<void> {
    const { rows } = await client.query<{ pid: number; ended: boolean }>(
      `SELECT l.pid, pg_terminate_backend(l.pid) AS ended FROM pg_locks l, ${this.#table} lease
       WHERE l.locktype = 'advisory' AND l.granted AND l.classid = $1::bigint::oid AND l.objid = (hashtext($2)::bigint & 4294967295)::oid
         AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
         AND lease.renewed_at < clock_timestamp() - $3 * interval '1 millisecond'`,
      [LOCK_CLASS, this.#options.schema, this.#leaseMs],
    );
    for (const { pid, ended } of rows)
      this.#options.log.warn('leader-lease-expired', { schema: this.#options.schema, backendPid: pid, ended, leaseMs: this.#leaseMs });
  }

  async #raise(holder: string, address: string): Promise<number> {
    const client = await this.#connected();
    const { rows } = await client.query<{ epoch: string }>(
      `INSERT INTO ${this.#table} AS l (singleton, epoch, holder, address, renewed_at) VALUES (true, 1, $1, $2, clock_timestamp())
       ON CONFLICT (singleton) DO UPDATE SET epoch = l.epoch + 1, holder = EXCLUDED.holder, address = EXCLUDED.address, renewed_at = EXCLUDED.renewed_at
       RETURNING epoch`,
      [holder, address],
    );
    return Number(rows[0]?.epoch);
  }

  /** By timer: renews, and notices a lost connection or a lost lead. */
  async #renew(): Promise<void> {
    const epoch = this.#epoch;
    if (epoch === null) return;
    try {
      await this.confirm(epoch);
    } catch (error) {
      if (this.#epoch !== epoch) return;
      if (error instanceof EkidenError && error.code === 'stale-leader') this.#lose(error.message);
      else this.#options.log.warn('leader-renewal-failed', { schema: this.#options.schema, epoch, error });
    }
  }

  /** The session; a new one takes the lock again if it is free. If it is not, the row will soon show a higher epoch. */
  #connected(): Promise<Client> {
    if (this.#isClosed) return Promise.reject(new EkidenError('no-leader', 'this store is closed'));
    if (this.#session) return this.#session;
    const forget = () => {
      if (this.#session === session) this.#session = null;
    };
    const session = this.#connect(() => {
      forget();
      if (this.#epoch !== null) void this.#renew();
    });
    session.catch(forget);
    this.#session = session;
    return session;
  }

  async #connect(onBroken: () => void): Promise<Client> {
    const { connectionString, schema, log } = this.#options;
    const client = await connectPostgres({ connectionString, applicationName: `ekiden-${schema}-leader`, log, onBroken });
    if (this.#epoch !== null) await client.query('SELECT pg_try_advisory_lock($1, hashtext($2))', [LOCK_CLASS, schema]);
    return client;
  }

  async #disconnect(): Promise<void> {
    const session = this.#session;
    this.#session = null;
    const client = await session?.catch(() => null); // it was never there
    if (client) await endPostgres(client, this.#options.log);
  }

  #lose(why: string): void {
    this.#endTerm();
    this.#options.log.error('leader-lost', { schema: this.#options.schema, why });
    this.#options.onLost?.(why);
  }

  #endTerm(): void {
    this.#epoch = null;
    if (this.#renewal) clearInterval(this.#renewal);
    this.#renewal = null;
  }

  #sleep(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const end = () => {
        clearTimeout(timer);
        this.#pause = null;
        resolve();
      };
      const timer = setTimeout(end, ms);
      this.#pause = { timer, end };
    });
  }
}
