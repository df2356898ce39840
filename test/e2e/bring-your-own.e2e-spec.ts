/**
 * Ekiden on a Postgres and a Redis that somebody else runs: DATABASE_URL and REDIS_URL of the surroundings, a database of
 * its own for each run. Without both there is nothing to test, and this says so.
 */
import { randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import pg from 'pg';
import { Ekiden, eventually, killIfAlive } from './ekiden.js';

const TIMEOUT_MS = 180_000;
const { DATABASE_URL, REDIS_URL } = process.env;
const name = `ekiden_e2e_${randomUUID().slice(0, 8)}`;

async function query(url: string, text: string): Promise<readonly Record<string, unknown>[]> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query<Record<string, unknown>>(text)).rows;
  } finally {
    await client.end();
  }
}

function ownDatabase(): string {
  const url = new URL(DATABASE_URL ?? '');
  url.pathname = `/${name}`;
  return url.href;
}

const isGiven = DATABASE_URL !== undefined && REDIS_URL !== undefined;
if (!isGiven) console.warn('bring-your-own is skipped: set DATABASE_URL (with the right to CREATE DATABASE) and REDIS_URL to run it');

(isGiven ? describe : describe.skip)('on a Postgres and a Redis of our own', () => {
  let ekiden: Ekiden;
  let redis: Redis;

  beforeAll(async () => {
    redis = new Redis(REDIS_URL ?? '');
    await query(DATABASE_URL ?? '', `CREATE DATABASE ${name}`);
    ekiden = await Ekiden.start({ env: { DATABASE_URL: ownDatabase(), REDIS_URL } });
  }, TIMEOUT_MS);

  afterAll(async () => {
    try {
      await ekiden?.end();
    } finally {
      await query(DATABASE_URL ?? '', `DROP DATABASE IF EXISTS ${name} WITH (FORCE)`);
      await redis?.quit();
    }
  }, TIMEOUT_MS);

  const app = (fields: Record<string, unknown> = {}) => ({
    id: '/own',
    cmd: 'exec sleep 1000',
    cpus: 0.05,
    mem: 16,
    instances: 2,
    backoffSeconds: 0,
    ...fields,
  });

  it(
    'starts no Postgres beside it, and keeps everything in that database',
    async () => {
      expect(existsSync(join(ekiden.dataDir, 'postgres'))).toBe(false);
      await ekiden.deploy(app());
      const schemas = (await query(ownDatabase(), `SELECT schema_name AS name FROM information_schema.schemata`)).map((row) => row['name']);
      expect(schemas).toEqual(expect.arrayContaining(['paas', 'master']));
      expect(await query(ownDatabase(), 'SELECT id FROM paas.app')).toEqual([{ id: '/own' }]);
    },
    TIMEOUT_MS,
  );

  it(
    'puts the queue on Redis',
    async () => {
      await eventually('the schedule is there', async () => (await redis.keys('*ekiden*')).length > 0);
    },
    TIMEOUT_MS,
  );

  it(
    'scales, survives a crash, rolls out and rolls back',
    async () => {
      await ekiden.deploy(app({ instances: 3 }));
      const [victim] = ekiden.taskProcesses();
      killIfAlive(victim?.pid ?? 0, 'SIGKILL');
      await eventually('a new process is there', () => ekiden.taskProcesses().length === 3 && ekiden.taskProcesses().every(({ pid }) => pid !== victim?.pid));
      await ekiden.settled('/own');
      const first = (await ekiden.get('/v2/apps//own')).body.app.version;
      await ekiden.deploy(app({ instances: 3, env: { VERSION: 'two' } }));
      await ekiden.deploy({ id: '/own', version: first });
      expect((await ekiden.get('/v2/apps//own')).body.app.env ?? {}).toEqual({});
    },
    TIMEOUT_MS,
  );

  it(
    'is right again after a kill of everything of Ekiden, and after a restart',
    async () => {
      const before = ekiden.taskProcesses();
      await Promise.all([ekiden.kill('api'), ekiden.kill('master'), ekiden.kill('agent')]);
      await ekiden.killUp();
      await ekiden.startUp();
      await ekiden.settled('/own');
      expect(ekiden.taskProcesses()).toEqual(before);

      await query(DATABASE_URL ?? '', `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '${name}'`);
      await eventually('changes are taken again', async () => (await ekiden.send('PUT', '/v2/apps//own?force=true', app({ instances: 4 }))).status === 200);
      await ekiden.settled('/own');

      expect(await ekiden.interrupt()).toBe(0);
      expect(ekiden.ownProcesses()).toEqual([]);
      await ekiden.startUp();
      await eventually('the app is back', () => ekiden.taskProcesses().length === 4);
    },
    TIMEOUT_MS,
  );
});
