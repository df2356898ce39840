import { Redis } from 'ioredis';
import { Secret, silentLog } from '@ekiden/service';
import { createTestDatabase, type TestDatabase } from '../../../test/test-database.js';
import type { Later } from './later.js';
import { openLater } from './open-later.js';

const redisUrl = process.env['REDIS_URL'];
if (redisUrl === undefined) process.stderr.write('the queue on Redis is not tested: REDIS_URL is not set\n');

describe.each(redisUrl === undefined ? ['postgres'] : ['postgres', 'redis'])('later, on %s', (kind) => {
  let database: TestDatabase;
  const opened: Later[] = [];

  const open = async (scheduleCheckMs = 60_000): Promise<Later> => {
    const later = await openLater({
      databaseUrl: new Secret(database.url),
      redisUrl: kind === 'redis' && redisUrl !== undefined ? new Secret(redisUrl) : null,
      log: silentLog,
      scheduleCheckMs,
    });
    opened.push(later);
    return later;
  };
  const wipe = async (): Promise<void> => {
    if (kind === 'redis' && redisUrl !== undefined) {
      const redis = new Redis(redisUrl);
      const keys = await redis.keys('bull:ekiden-later:*');
      if (keys.length > 0) await redis.del(keys);
      await redis.quit();
      return;
    }
    const tables = await database.query(`SELECT tablename FROM pg_tables WHERE schemaname = 'bullmq' AND tablename NOT LIKE '%migration%'`);
    for (const { tablename } of tables) await database.query(`DELETE FROM bullmq."${String(tablename)}"`);
  };

  beforeEach(async () => {
    database = await createTestDatabase();
    if (kind === 'redis') await wipe();
  });
  afterEach(async () => {
    for (const later of opened.splice(0)) await later.close();
    await database.drop();
  });

  it('runs work again and again', async () => {
    const later = await open();
    await new Promise<void>((resolve, reject) => {
      let rounds = 0;
      later.every('retention', 1000, async () => void (++rounds === 2 && resolve())).catch(reject);
    });
  });

  it('runs work for a key when its time has come, once although asked twice, and again when it failed', async () => {
    const later = await open();
    const keys: string[] = [];
    const done = new Promise<void>((resolve) => {
      later.on('callback', async (key) => {
        keys.push(key);
        if (keys.length === 1) throw new Error('not yet');
        if (key === 'last') resolve();
      });
    });
    const when = Date.now() + 50;
    await later.at('callback', 'first:/a b', when);
    await later.at('callback', 'first:/a b', when);
    await later.at('callback', 'last', when + 1500);
    await done;
    expect(keys).toEqual(['first:/a b', 'first:/a b', 'last']);
  });

  it('loses no repeating work when the queue is wiped between two starts', async () => {
    const first = await open();
    await first.every('retention', 60_000, async () => undefined);
    await opened.pop()?.close();
    await wipe();
    const second = await open();
    await new Promise<void>((resolve, reject) => void second.every('retention', 1000, async () => resolve()).catch(reject));
  });

  it('loses no repeating work when the queue is wiped under it', async () => {
    const later = await open(200);
    let isWiped = false;
    await new Promise<void>((resolve, reject) => {
      later
        .every('retention', 1000, async () => void (isWiped && resolve()))
        .then(wipe)
        .then(() => void (isWiped = true), reject);
    });
  });
});
