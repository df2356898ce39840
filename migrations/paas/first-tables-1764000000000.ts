/**
 * The first tables of paas-api.
 *
 * Locks: only tables that it makes itself; nothing waits for it. Takes milliseconds.
 * Bodies that people read again (definitions, events) are `json`, which keeps their order of keys; those that we query are
 * `jsonb`. Each body carries the version of its form as `v` (decision 10).
 */
import type { MigrationInterface, QueryRunner } from 'typeorm';

export class FirstPaasTables1764000000000 implements MigrationInterface {
  readonly name = 'FirstPaasTables1764000000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE paas.leader (
        singleton boolean PRIMARY KEY CHECK (singleton),
        epoch bigint NOT NULL,
        holder text,
        address text NOT NULL,
        renewed_at timestamptz NOT NULL
      )`);
    await runner.query(`CREATE TABLE paas.cluster (singleton boolean PRIMARY KEY CHECK (singleton), framework_id text)`);
    await runner.query(`
      CREATE TABLE paas.app (
        id text PRIMARY KEY,
        generation bigint NOT NULL,
        desired_version bigint,
        active_version bigint
      )`);
    await runner.query(`
      CREATE TABLE paas.app_version (
        app_id text NOT NULL,
        version bigint NOT NULL,
        body json NOT NULL,
        PRIMARY KEY (app_id, version)
      )`);
    await runner.query(`
      CREATE TABLE paas.deployment (
        id text PRIMARY KEY,
        state text NOT NULL,
        started_at bigint NOT NULL,
        ended_at bigint,
        app_ids text[] NOT NULL,
        body jsonb NOT NULL
      )`);
    await runner.query(`CREATE INDEX deployment_by_start ON paas.deployment (started_at DESC, id DESC)`);
    await runner.query(`CREATE INDEX deployment_running ON paas.deployment (id) WHERE state = 'running'`);
    // Each relaunch rewrites an instance's row several times: room in the page keeps the updates from touching the indexes.
    await runner.query(`
      CREATE TABLE paas.instance (
        id text PRIMARY KEY,
        app_id text NOT NULL,
        version bigint NOT NULL,
        goal text NOT NULL,
        condition text NOT NULL,
        task_id text,
        agent_id text,
        not_before bigint,
        updated_at timestamptz NOT NULL,
        body jsonb NOT NULL
      ) WITH (fillfactor = 70)`);
    await runner.query(`CREATE INDEX instance_by_app ON paas.instance (app_id)`);
    await runner.query(`CREATE TABLE paas.task_failure (app_id text PRIMARY KEY, body jsonb NOT NULL)`);
    await runner.query(`
      CREATE TABLE paas.event (
        seq bigint PRIMARY KEY,
        type text NOT NULL,
        at bigint NOT NULL,
        payload json NOT NULL
      )`);
  }

  down(): Promise<void> {
    return Promise.reject(new Error('migrations go forward only: restore a backup instead'));
  }
}
