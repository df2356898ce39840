/** Reaches the embedded server over SQL: is it ours, is it up, and does it hold the role and database that the parts use? */
import pg from 'pg';
import { messageOf, systemErrorCode } from '../../cli-error.js';

export const ROLE = 'ekiden';
export const DATABASE = 'ekiden';
const CONNECT_TIMEOUT_MS = 3_000;

export interface Passwords {
  /** Of the superuser, used here alone. */
  readonly admin: string;
  /** Of the role which owns the database, for the parts. */
  readonly role: string;
}

export const databaseUrl = (port: number, passwords: Passwords): string =>
  `postgres://${ROLE}:${encodeURIComponent(passwords.role)}@127.0.0.1:${port}/${DATABASE}`;

export type Answer = { readonly kind: 'ours' } | { readonly kind: 'starting' } | { readonly kind: 'no'; readonly why: string };

/** Connects with the expected password and compares the data directory: a live pid and an open port prove nothing. */
export async function askServer(port: number, directory: string, passwords: Passwords): Promise<Answer> {
  try {
    return await withClient(port, passwords, async (client) => {
      const { rows } = await client.query<{ data_directory: string }>('SHOW data_directory');
      const there = rows[0]?.data_directory ?? '';
      return there === directory ? { kind: 'ours' } : { kind: 'no', why: `port ${port} serves ${there}` };
    });
  } catch (error) {
    const code = systemErrorCode(error);
    return code === '57P03' || code === 'ECONNREFUSED' ? { kind: 'starting' } : { kind: 'no', why: messageOf(error) };
  }
}

/** The role and its database, made when missing. The role is no superuser: the server may read more than people should. */
export async function ensureDatabase(port: number, passwords: Passwords): Promise<void> {
  await withClient(port, passwords, async (client) => {
    const role = await client.query('SELECT 1 FROM pg_roles WHERE rolname = $1', [ROLE]);
    await client.query(`${role.rowCount === 0 ? 'CREATE' : 'ALTER'} ROLE ${ROLE} LOGIN PASSWORD ${client.escapeLiteral(passwords.role)}`);
    const database = await client.query('SELECT 1 FROM pg_database WHERE datname = $1', [DATABASE]);
    if (database.rowCount === 0) await client.query(`CREATE DATABASE ${DATABASE} OWNER ${ROLE}`);
  });
}

async function withClient<T>(port: number, passwords: Passwords, work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({
    host: '127.0.0.1',
    port,
    user: 'postgres',
    password: passwords.admin,
    database: 'postgres',
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    query_timeout: CONNECT_TIMEOUT_MS * 5,
  });
  client.on('error', () => undefined); // a server that ends meanwhile: the query in flight rejects with the reason
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}
