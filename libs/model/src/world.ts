/**
 * What a core may know of the world: time, timers, randomness, new ids and a log, all handed in.
 *
 * Production passes the system's (`libs/service`), the simulator virtual ones. A core never reads `Date.now()`,
 * `Math.random()` or a global timer; lint enforces it.
 */

/** Milliseconds since the epoch, an integer. */
export type Instant = number;

export interface Timer {
  /** Cancels; harmless when it has already fired. */
  cancel(): void;
}

export interface Clock {
  now(): Instant;
  /** Calls `wake` once, `delayMs` (≥ 0) from now. Never calls it synchronously. */
  after(delayMs: number, wake: () => void): Timer;
}

export interface Random {
  /** A number in [0, 1). */
  next(): number;
}

export interface Ids {
  /** A fresh UUID, lower case. */
  uuid(): string;
}

/** One line an event. `fields` carry ids: appId, instanceId, taskId, agentId, deploymentId, frameworkId. */
export interface Log {
  debug(event: string, fields?: Readonly<Record<string, unknown>>): void;
  info(event: string, fields?: Readonly<Record<string, unknown>>): void;
  warn(event: string, fields?: Readonly<Record<string, unknown>>): void;
  error(event: string, fields?: Readonly<Record<string, unknown>>): void;
}

/** The ports that every core takes. */
export interface World {
  readonly clock: Clock;
  readonly random: Random;
  readonly ids: Ids;
  readonly log: Log;
}

/** ISO 8601 UTC with milliseconds and `Z`: the one form in which time leaves Ekiden. */
export const isoTime = (instant: Instant): string => new Date(instant).toISOString();

/** Reads an ISO 8601 date-time with offset or `Z`; null when it is none. */
export function parseIsoTime(text: string): Instant | null {
  if (!/^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(:\d{2}(\.\d+)?)?(Z|[+-]\d{2}:?\d{2})$/.test(text)) return null;
  const instant = Date.parse(text);
  return Number.isNaN(instant) ? null : instant;
}
