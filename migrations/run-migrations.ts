/**
 * Brings one part's schema up to the code, at the start of each of its processes.
 *
 * Each part owns a schema (`paas`, `master`) with a table of its own migrations, so that the parts are deployed and upgraded
 * apart (decision 6). Several processes may start at once: an advisory lock lets one at a time through. Forward only: a
 * schema that a newer version has migrated is refused, since the older code cannot know what it would break.
 */
import { CONNECTION_LIMITS } from '@ekiden/service';
import { DataSource, type MigrationInterface, type QueryRunner } from 'typeorm';

/** Its `name` is what the table of migrations remembers. */
export type MigrationClass = new () => MigrationInterface & { readonly name: string };

/** How long a start waits for another process' migrations. */
export const MIGRATION_LOCK_TIMEOUT_MS = 120_000;

/** How long one statement of a migration may take. */
export const MIGRATION_STATEMENT_TIMEOUT_MS = 600_000;

/** The key of the advisory lock; the second half is the schema's hash. */
const MIGRATION_LOCK_CLASS = 0x656b6d67;

export interface MigrateOptions {
  readonly connectionString: string;
  readonly schema: 'paas' | 'master';
  /** In order. */
  readonly migrations: readonly MigrationClass[];
}

/** Runs what is missing. Answers the names of the migrations that ran. Rejects when the schema is newer than this code. */
export async function runMigrations(options: MigrateOptions): Promise<readonly string[]> {
  const { schema, connectionString } = options;
  const source = new DataSource({
    type: 'postgres',
    url: connectionString,
    schema,
    migrations: [...options.migrations],
    migrationsTableName: 'migrations',
    applicationName: `ekiden-${schema}-migrations`,
    poolSize: 2, // the lock's session and the migrations'
    extra: { ...CONNECTION_LIMITS, statement_timeout: MIGRATION_STATEMENT_TIMEOUT_MS, query_timeout: MIGRATION_STATEMENT_TIMEOUT_MS },
  });
  await source.initialize();
  try {
    return await underLock(source, schema, async (runner) => {
      await runner.query(`CREATE SCHEMA IF NOT EXISTS ${schema}`);
      await assertNotNewer(runner, options);
      return (await source.runMigrations({ transaction: 'each' })).map((migration) => migration.name);
    });
  } finally {
    await source.destroy();
  }
}

async function underLock<T>(source: DataSource, schema: string, work: (runner: QueryRunner) => Promise<T>): Promise<T> {
  const runner = source.createQueryRunner();
  try {
    await runner.query(`SET lock_timeout = ${MIGRATION_LOCK_TIMEOUT_MS}`);
    await runner.query('SELECT pg_advisory_lock($1, hashtext($2))', [MIGRATION_LOCK_CLASS, schema]);
    try {
      return await work(runner);
    } finally {
      await runner.query('SELECT pg_advisory_unlock($1, hashtext($2))', [MIGRATION_LOCK_CLASS, schema]);
    }
  } finally {
    await runner.release();
  }
}

async function assertNotNewer(runner: QueryRunner, { schema, migrations }: MigrateOptions): Promise<void> {
  const [{ exists }]: [{ exists: boolean }] = await runner.query('SELECT to_regclass($1) IS NOT NULL AS exists', [`${schema}.migrations`]);
  if (!exists) return;
  const applied: { name: string }[] = await runner.query(`SELECT name FROM ${schema}.migrations ORDER BY id`);
  const known = new Set(migrations.map((Migration) => new Migration().name)); // not the class's name: bundlers change it
  const unknown = applied.map(({ name }) => name).filter((name) => !known.has(name));
  if (unknown.length === 0) return;
  throw new Error(
    `the schema "${schema}" was migrated by a newer Ekiden (${unknown.join(', ')}), and this version cannot read it: ` +
      'start the newer version again, or restore a backup taken before the upgrade',
  );
}
