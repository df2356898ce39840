/** An event before its commit: it has no sequence number yet. */
import type { Instant } from '@ekiden/model';

export interface DraftEvent {
  readonly type: string;
  readonly at: Instant;
  /** The whole JSON object, `eventType` and `timestamp` included. */
  readonly payload: Readonly<Record<string, unknown>>;
}
