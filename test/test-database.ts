/** A fresh database for one spec file, on the server that `postgres-setup.mjs` found or started. */
import { randomUUID } from 'node:crypto';
import pg from 'pg';

export interface TestDatabase {
  readonly url: string;
  /** Runs one statement from outside, as an operator would. */
  query(text: string, values?: readonly unknown[]): Promise<readonly Record<string, unknown>[]>;
  drop(): Promise<void>;
}

export async function createTestDatabase(): Promise<TestDatabase> {
  const base = process.env['EKIDEN_TEST_DATABASE_URL'];
  if (base === undefined) throw new Error('EKIDEN_TEST_DATABASE_URL is not set: run `npm run test:store`');
  const name = `ekiden_test_${randomUUID().replaceAll('-', '').slice(0, 12)}`;
  await once(base, `CREATE DATABASE ${name}`);
  const url = new URL(base);
  url.pathname = `/${name}`;
  return {
    url: url.href,
    query: (text, values) => once(url.href, text, values),
    drop: async () => void (await once(base, `DROP DATABASE ${name} WITH (FORCE)`)),
  };
}

async function once(url: string, text: string, values: readonly unknown[] = []): Promise<readonly Record<string, unknown>[]> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query<Record<string, unknown>>(text, [...values])).rows;
  } finally {
    await client.end();
  }
}
