/**
 * Starts what needs Postgres, however long Postgres is away.
 *
 * Parts are started and killed in any order: one that comes first waits, says so in one line a try, and is there at once when
 * Postgres is. What does not pass by itself (a wrong password, a missing database) is not waited for.
 */
import type { Log } from '@ekiden/model';
import { isPostgresUnavailable } from './postgres-connection.js';

/** Pauses between tries grow from the first to the last. */
export const AWAIT_POSTGRES_MS = { first: 250, last: 5_000 };

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/**
 * Repeats `work` until Postgres answers; has no other end, since the process has nothing else to do. Rejects with whatever
 * waiting does not mend. `work` cleans up after itself when it fails. `pause` is for tests.
 */
export async function awaitPostgres<T>(log: Log, work: () => Promise<T>, pause: (ms: number) => Promise<void> = sleep): Promise<T> {
  let wasAway = false;
  for (let pauseMs = AWAIT_POSTGRES_MS.first; ; pauseMs = Math.min(pauseMs * 2, AWAIT_POSTGRES_MS.last)) {
    try {
      const result = await work();
      if (wasAway) log.info('postgres-is-back');
      return result;
    } catch (error) {
      if (!isPostgresUnavailable(error)) throw error;
      wasAway = true;
      log.warn('postgres-awaited', { why: whyOf(error), nextTryInMs: pauseMs, hint: 'is it running, and is DATABASE_URL its address?' });
    }
    await pause(pauseMs);
  }
}

/** One line, also for an error about several addresses, which has no message of its own. */
function whyOf(error: unknown): string {
  if (error instanceof AggregateError) return error.errors.map(whyOf).join('; ');
  return error instanceof Error ? (error.message.split('\n', 1)[0] ?? '') : String(error);
}
