/**
 * `Later` on BullMQ: names the work, gives each job a bounded number of attempts, and asks for repeating work again when
 * somebody has wiped the queue.
 */
import type { Log } from '@ekiden/model';
import type { Secret } from '@ekiden/service';
import { openBackend, type JobToDo, type QueueBackend } from './backend.js';
import type { Later } from './later.js';

/** How often repeating work is looked for in the queue, and asked for again if it is gone. */
export const SCHEDULE_CHECK_MS = 60_000;
/** A job of `at` that failed so often is given up; its row is still there for the next start. */
export const MAX_ATTEMPTS = 5;
/** Before the second attempt; doubles with each. */
export const RETRY_MS = 1_000;
/** Failed jobs kept to be looked at. */
const KEPT_FAILURES = 100;

const MIN_EVERY_MS = 1_000;

export interface LaterOptions {
  readonly databaseUrl: Secret;
  /** Null: the queue lives in Postgres. */
  readonly redisUrl: Secret | null;
  readonly log: Log;
  /** For tests. */
  readonly scheduleCheckMs?: number;
}

/** Opens queue and worker; open it where the work can be done (paas-api: when leading). Rejects when its store is away. */
export async function openLater(options: LaterOptions): Promise<Later> {
  const works = new Map<string, (key: string) => Promise<void>>();
  const schedules = new Map<string, number>();
  const run = async (job: JobToDo): Promise<void> => {
    const work = works.get(job.name);
    if (!work) throw new Error(`nobody here does "${job.name}": it is tried again, ${MAX_ATTEMPTS} times at most`);
    await work(job.data.key);
  };
  const backend = await openBackend({ ...options, work: run });
  const check = setInterval(() => void restoreSchedules(backend, schedules, options.log), options.scheduleCheckMs ?? SCHEDULE_CHECK_MS);
  check.unref();

  return {
    async every(name, everyMs, work) {
      if (everyMs < MIN_EVERY_MS) throw new RangeError(`"${name}" every ${everyMs} ms: at least ${MIN_EVERY_MS}`);
      works.set(name, work);
      schedules.set(name, everyMs);
      await schedule(backend, name, everyMs);
    },
    on(name, work) {
      works.set(name, work);
    },
    at: (name, key, when) =>
      backend.add(name, key, {
        // BullMQ allows no ":" in an id. The time is part of it: asking for another time is another job.
        jobId: `${name}-${Buffer.from(key).toString('base64url')}-${when}`,
        delay: Math.max(0, when - Date.now()),
        attempts: MAX_ATTEMPTS,
        backoff: { type: 'exponential', delay: RETRY_MS },
        removeOnComplete: true,
        removeOnFail: { count: KEPT_FAILURES },
      }),
    async close() {
      clearInterval(check);
      await backend.close();
    },
  };
}

const schedule = (backend: QueueBackend, name: string, everyMs: number): Promise<void> =>
  backend.schedule(name, { every: everyMs }, { removeOnComplete: true, removeOnFail: { count: KEPT_FAILURES } });

/** Only what is missing: asking again for a schedule that is there would begin its period anew. */
async function restoreSchedules(backend: QueueBackend, schedules: ReadonlyMap<string, number>, log: Log): Promise<void> {
  try {
    for (const [name, everyMs] of schedules) {
      if (await backend.hasSchedule(name)) continue;
      log.warn('later-schedule-restored', { name, everyMs });
      await schedule(backend, name, everyMs);
    }
  } catch (error) {
    log.warn('later-schedule-check-failed', { error });
  }
}
