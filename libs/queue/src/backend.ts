/**
 * BullMQ on Postgres or on Redis: the one switch between them.
 *
 * Postgres is the default, so that Ekiden needs no second store; where REDIS_URL is set the queue lives there. Each gives a
 * queue and a worker with bounded connections; everything else is the same.
 */
import { createPostgresBackend, createRedisBackend, runMigrations, withBackend, type JobsOptions, type RepeatOptions } from 'bullmq';
import { Redis } from 'ioredis';
import type { Log } from '@ekiden/model';
import { connectPostgres, type Secret } from '@ekiden/service';

/** The one queue of Ekiden; jobs are told apart by name. */
const QUEUE_NAME = 'ekiden-later';
/** Schema of the queue's own tables in Postgres (decision 6). */
const SCHEMA = 'bullmq';
/** Jobs that one process works on at a time. */
export const CONCURRENCY = 4;
/** Connections of the queue, and of the worker, which holds one more to be woken: together at most 5. */
export const POOL_SIZE = 2;

export interface JobToDo {
  readonly name: string;
  readonly data: { readonly key: string };
}

/** What we use of BullMQ, in the form common to both backends. */
export interface QueueBackend {
  add(name: string, key: string, options: JobsOptions): Promise<void>;
  hasSchedule(name: string): Promise<boolean>;
  schedule(name: string, repeat: Pick<RepeatOptions, 'every'>, options: JobsOptions): Promise<void>;
  close(): Promise<void>;
}

export interface BackendOptions {
  readonly databaseUrl: Secret;
  /** Null: Postgres. */
  readonly redisUrl: Secret | null;
  readonly log: Log;
  readonly work: (job: JobToDo) => Promise<void>;
}

export async function openBackend(options: BackendOptions): Promise<QueueBackend> {
  return options.redisUrl === null ? openOnPostgres(options) : openOnRedis(options, options.redisUrl);
}

async function openOnPostgres(options: BackendOptions): Promise<QueueBackend> {
  const connectionString = options.databaseUrl.reveal();
  const client = await connectPostgres({ connectionString, applicationName: 'ekiden-queue-migrations', log: options.log });
  try {
    await runMigrations(client, SCHEMA); // takes a lock of its own
  } finally {
    await client.end();
  }
  const { Queue, Worker } = withBackend(createPostgresBackend);
  const connection = { connectionString, max: POOL_SIZE, schema: SCHEMA, application_name: 'ekiden-queue' };
  const queue = new Queue<JobToDo['data']>(QUEUE_NAME, { connection });
  const worker = new Worker<JobToDo['data']>(QUEUE_NAME, options.work, { connection, concurrency: CONCURRENCY });
  return asBackend(queue, worker, options.log, async () => undefined);
}

async function openOnRedis(options: BackendOptions, redisUrl: Secret): Promise<QueueBackend> {
  const { Queue, Worker } = withBackend(createRedisBackend);
  const connection = new Redis(redisUrl.reveal(), { maxRetriesPerRequest: null, connectionName: 'ekiden-queue' });
  connection.on('error', (error) => options.log.warn('redis-connection-broken', { error }));
  const queue = new Queue<JobToDo['data']>(QUEUE_NAME, { connection });
  const worker = new Worker<JobToDo['data']>(QUEUE_NAME, options.work, { connection, concurrency: CONCURRENCY });
  return asBackend(queue, worker, options.log, async () => void (await connection.quit()));
}

/** The queue, structurally: its generic type differs with the backend. */
interface AnyQueue {
  add(name: string, data: JobToDo['data'], options: JobsOptions): Promise<unknown>;
  getJobScheduler(id: string): Promise<unknown>;
  upsertJobScheduler(id: string, repeat: Pick<RepeatOptions, 'every'>, template: { name: string; data: JobToDo['data']; opts: JobsOptions }): Promise<unknown>;
  close(): Promise<void>;
  on(event: 'error', listener: (error: Error) => void): unknown;
}

interface AnyWorker {
  close(): Promise<void>;
  on(event: 'error', listener: (error: Error) => void): unknown;
  on(event: 'failed', listener: (job: { name: string; attemptsMade: number } | undefined, error: Error) => void): unknown;
}

function asBackend(queue: AnyQueue, worker: AnyWorker, log: Log, disconnect: () => Promise<void>): QueueBackend {
  queue.on('error', (error) => log.warn('queue-connection-broken', { error }));
  worker.on('error', (error) => log.warn('queue-connection-broken', { error }));
  worker.on('failed', (job, error) => log.warn('later-failed', { name: job?.name, attempt: job?.attemptsMade, error }));
  return {
    add: async (name, key, options) => void (await queue.add(name, { key }, options)),
    hasSchedule: async (name) => Boolean(await queue.getJobScheduler(name)),
    schedule: async (name, repeat, opts) => void (await queue.upsertJobScheduler(name, repeat, { name, data: { key: '' }, opts })),
    async close() {
      await worker.close();
      await queue.close();
      await disconnect();
    },
  };
}
