/**
 * The Postgres of a run: the server that `ekiden up` brings, with the settings of production, and our own look into it.
 *
 * Whoever ends it, its keeper starts it again, as systemd would. We ask it one connection a question: nothing of ours
 * hangs on a connection that a fault has cut.
 */
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import pg from 'pg';
import { findBinaries } from '../../apps/cli/src/up/postgres/binaries.js';
import { ensureCluster } from '../../apps/cli/src/up/postgres/cluster.js';
import { decideRunAs } from '../../apps/cli/src/up/postgres/run-as.js';
import { startServer, type EmbeddedServer, type ServerOptions } from '../../apps/cli/src/up/postgres/server.js';
import { signal } from './processes.js';

const ASK_TIMEOUT_MS = 5_000;
const APPLICATION_NAME = 'chaos';

export class Database {
  private constructor(
    private readonly options: ServerOptions,
    private server: EmbeddedServer | null,
  ) {}

  static async start(home: string, directory: string, port: number, tell: (line: string) => void): Promise<Database> {
    const passwords = { admin: randomBytes(16).toString('hex'), role: randomBytes(16).toString('hex') };
    const runAs = decideRunAs(findBinaries(home), join(directory, 'postgres'));
    ensureCluster(runAs, passwords.admin);
    const options: ServerOptions = { runAs, passwords, port, logFile: join(directory, 'logs/postgres.log'), tell };
    return new Database(options, await startServer(options));
  }

  /** Where the parts find it, through this port: its own, or that of a wire. */
  url(port: number = this.options.port): string {
    return `postgres://ekiden:${this.options.passwords.role}@127.0.0.1:${port}/ekiden`;
  }

  get port(): number {
    return this.options.port;
  }

  /** `immediate`: as `pg_ctl stop -m immediate`, no checkpoint; `kill`: the postmaster alone. Its keeper starts it again at once. */
  crash(how: 'immediate' | 'kill'): void {
    if (this.server !== null) signal(this.server.pid, how === 'kill' ? 'SIGKILL' : 'SIGQUIT');
  }

  /** Away until `comeBack`. */
  async goAway(): Promise<void> {
    const { server } = this;
    this.server = null;
    await server?.stop('now');
  }

  async comeBack(): Promise<void> {
    this.server ??= await startServer(this.options);
  }

  async stop(): Promise<void> {
    await this.server?.stop('fast');
    this.server = null;
  }

  /** Rejects while it is away. */
  async ask<Row extends object>(text: string, values: readonly unknown[] = [], as: 'role' | 'admin' = 'role'): Promise<readonly Row[]> {
    const admin = `postgres://postgres:${this.options.passwords.admin}@127.0.0.1:${this.options.port}/ekiden`;
    const client = new pg.Client({
      connectionString: as === 'admin' ? admin : this.url(),
      application_name: APPLICATION_NAME,
      connectionTimeoutMillis: ASK_TIMEOUT_MS,
      query_timeout: ASK_TIMEOUT_MS,
    });
    client.on('error', () => undefined); // cut off while idle: the question, if any, rejects
    try {
      await client.connect();
      return (await client.query<Row>(text, [...values])).rows;
    } finally {
      await client.end().catch(() => undefined);
    }
  }

  /** The sessions of the parts, by pid of their backend. */
  async sessions(): Promise<readonly number[]> {
    const rows = await this.ask<{ pid: number }>(
      `SELECT pid FROM pg_stat_activity WHERE backend_type = 'client backend' AND application_name <> $1 ORDER BY backend_start, pid`,
      [APPLICATION_NAME],
      'admin',
    );
    return rows.map(({ pid }) => pid);
  }

  async endSessions(pids: readonly number[]): Promise<void> {
    await this.ask('SELECT pg_terminate_backend(pid) FROM unnest($1::int[]) AS pid', [pids], 'admin');
  }
}
