/**
 * The port for work that may happen later, or again: retention, callbacks, scheduled jobs.
 *
 * A queue is nobody's only memory (decision 9): work is named, jobs carry a key and never a state, and whoever asked for
 * something important finds it in a row and asks again after a restart. Wiping the queue delays work and loses none.
 */
import type { Instant } from '@ekiden/model';

export interface Later {
  /** Runs `work` about every `everyMs` (≥ 1000), in one process at a time. The next round is the retry. Asked for again when the queue was wiped. */
  every(name: string, everyMs: number, work: () => Promise<void>): Promise<void>;
  /** Says what is done for the keys of `at`. Work looks up by its key what is to be done, and may run twice or late. */
  on(name: string, work: (key: string) => Promise<void>): void;
  /** Runs the work of `name` for `key` at `when` or soon after it. Asking the same again changes nothing. */
  at(name: string, key: string, when: Instant): Promise<void>;
  /** Waits for work under way, ends all connections. */
  close(): Promise<void>;
}
