/** What the HTTP layer is handed, and its bounds. One value, injected under `RIM`. */
import type { Log } from '@ekiden/model';
import type { RequestPolicy } from '@ekiden/service';
import type { Master, MasterConfig } from '../master-ports.js';

export const RIM = Symbol('Rim');

export interface Rim {
  readonly master: Master;
  readonly config: MasterConfig;
  /** `host:port` of whoever leads now; null when nobody is known to. */
  leader(): Promise<string | null>;
  readonly log: Log;
  readonly policy: RequestPolicy;
  readonly startedAtMs: number;
  now(): number;
}

/** The longest call accepted, in bytes: an ACCEPT of a hundred tasks with large environments fits. */
export const MAX_CALL_BYTES = 32 * 1024 * 1024;
/** Unsent bytes after which a scheduler's stream, or an agent's link, is cut: the other end does not read. */
export const MAX_UNSENT_BYTES = 64 * 1024 * 1024;
/** Agents that may be connected at once. */
export const MAX_AGENT_LINKS = 10_000;
/** Scheduler streams that may be open at once. */
export const MAX_STREAMS = 1_000;
