/**
 * The connections for reads and retention: a small pool, which is thrown away as a whole when Postgres does not answer over it.
 *
 * A pool goes on handing out a connection that has fallen silent, and whoever gets it waits in vain. So after such a failure
 * the next reader opens a new pool; the old one ends by itself.
 */
import { DataSource } from 'typeorm';
import { CONNECTION_LIMITS, isPostgresUnavailable, storeError } from '@ekiden/service';
import type { Log } from '@ekiden/model';
import { paasTables } from './paas-entities.js';

/** With those for commits and the lead, a process holds at most two more. */
export const READ_CONNECTIONS = 4;

export class ReadPool {
  private source: Promise<DataSource> | null = null;
  private isClosed = false;

  constructor(
    private readonly connectionString: string,
    private readonly log: Log,
  ) {}

  /** Connects now. Rejects with the driver's error. */
  async open(): Promise<void> {
    await this.current();
  }

  /** Rejects with `store-unavailable`, saying what we were doing, when Postgres did not answer. */
  async read<T>(doing: string, work: (source: DataSource) => Promise<T>): Promise<T> {
    let used: Promise<DataSource> | null = null;
    try {
      used = this.current();
      return await work(await used);
    } catch (error) {
      if (used !== null && isPostgresUnavailable(error)) this.leave(used);
      throw storeError(doing, error);
    }
  }

  async close(): Promise<void> {
    this.isClosed = true;
    const { source } = this;
    this.source = null;
    await (await source?.catch(() => null))?.destroy();
  }

  private current(): Promise<DataSource> {
    if (this.isClosed) return Promise.reject(new Error('the connection to Postgres was ended'));
    if (this.source !== null) return this.source;
    const opening = newSource(this.connectionString, this.log).initialize();
    opening.catch(() => {
      if (this.source === opening) this.source = null;
    });
    this.source = opening;
    return opening;
  }

  /** Whoever still reads over it gets an error of its own. */
  private leave(used: Promise<DataSource>): void {
    if (this.source !== used) return;
    this.source = null;
    used.then((source) => source.destroy()).catch((error: unknown) => this.log.debug('postgres-end-failed', { error }));
  }
}

function newSource(connectionString: string, log: Log): DataSource {
  return new DataSource({
    type: 'postgres',
    url: connectionString,
    schema: 'paas',
    entities: paasTables,
    applicationName: 'ekiden-paas-reads',
    poolSize: READ_CONNECTIONS,
    poolErrorHandler: (error: unknown) => log.warn('postgres-connection-broken', { connection: 'ekiden-paas-reads', error }),
    extra: CONNECTION_LIMITS,
  });
}
