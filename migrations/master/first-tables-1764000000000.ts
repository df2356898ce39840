/**
 * The first tables of the master: only what agents and frameworks cannot tell again.
 *
 * Locks: only tables that it makes itself; nothing waits for it. Takes milliseconds.
 */
import type { MigrationInterface, QueryRunner } from 'typeorm';

export class FirstMasterTables1764000000000 implements MigrationInterface {
  readonly name = 'FirstMasterTables1764000000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE master.leader (
        singleton boolean PRIMARY KEY CHECK (singleton),
        epoch bigint NOT NULL,
        holder text,
        address text NOT NULL,
        renewed_at timestamptz NOT NULL
      )`);
    // The id by which agents and frameworks know this cluster; made once, by the first leader's database.
    await runner.query(`CREATE TABLE master.cluster (singleton boolean PRIMARY KEY CHECK (singleton), master_id text NOT NULL, weights jsonb NOT NULL)`);
    await runner.query(`INSERT INTO master.cluster VALUES (true, gen_random_uuid()::text, '{}')`);
    await runner.query(`CREATE TABLE master.agent (id text PRIMARY KEY, state text NOT NULL, since bigint, body json NOT NULL)`);
    await runner.query(`CREATE TABLE master.removed_framework (id text PRIMARY KEY, removed_at timestamptz NOT NULL DEFAULT now())`);
  }

  down(): Promise<void> {
    return Promise.reject(new Error('migrations go forward only: restore a backup instead'));
  }
}
