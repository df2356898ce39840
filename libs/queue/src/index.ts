/** Work that may happen later or again, on BullMQ over Postgres or Redis. */
export type { Later } from './later.js';
export { MAX_ATTEMPTS, openLater, RETRY_MS, SCHEDULE_CHECK_MS, type LaterOptions } from './open-later.js';
