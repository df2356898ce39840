/**
 * A day of one task: by the minute for the last hour, by five minutes for the day. At most 11 KiB a task.
 *
 * Counters are kept as what was added in each stretch, so a restart of whatever counts leaves no dent but a gap.
 */
import type { TaskStatistics } from '@ekiden/isolation';
import type { Instant } from '@ekiden/model';
import { SlotRing, type Measured, type StoredRing } from './slot-ring.js';

export const MINUTE_MS = 60_000;
const FINE_SLOTS = 60;
export const MINUTES_PER_COARSE = 5;
const COARSE_SLOTS = 288;
/** What is older is forgotten, with the task if it has ended. */
export const DAY_MS = COARSE_SLOTS * MINUTES_PER_COARSE * MINUTE_MS;

/** What a task had used at a moment, since its start: two of them make a stretch. All numbers, since it is written to disk as it is. */
export interface Reading {
  readonly at: Instant;
  readonly cpuSecs: number;
  readonly periods: number;
  readonly throttledPeriods: number;
  readonly throttledSecs: number;
  readonly readBytes: number;
  readonly writtenBytes: number;
  /** Held at that moment. */
  readonly memoryBytes: number;
}

export const readingOf = (at: Instant, { cpu, throttling, io, memory }: TaskStatistics): Reading => ({
  at,
  cpuSecs: cpu.totalSecs,
  periods: throttling?.periods ?? 0,
  throttledPeriods: throttling?.throttledPeriods ?? 0,
  throttledSecs: throttling?.throttledSecs ?? 0,
  readBytes: io?.readBytes ?? 0,
  writtenBytes: io?.writtenBytes ?? 0,
  memoryBytes: memory.workingSetBytes,
});

/** Before its first moment. */
export const nothingUsed = (at: Instant): Reading => ({
  at,
  cpuSecs: 0,
  periods: 0,
  throttledPeriods: 0,
  throttledSecs: 0,
  readBytes: 0,
  writtenBytes: 0,
  memoryBytes: 0,
});

/** A stretch of the history as columns of equal length; null where nothing is known. */
export interface Series {
  readonly resolutionSecs: number;
  /** When the first of them begins. */
  readonly from: Instant;
  /** Used on average. */
  readonly cpus: readonly (number | null)[];
  /** Of the periods in which it wanted to run; null without a hard limit. */
  readonly throttledShare: readonly (number | null)[];
  readonly throttledSecs: readonly (number | null)[];
  /** The highest working set that was seen. */
  readonly memoryBytes: readonly (number | null)[];
  readonly readBytesPerSec: readonly (number | null)[];
  readonly writtenBytesPerSec: readonly (number | null)[];
}

export interface StoredHistory {
  readonly fine: StoredRing | null;
  readonly coarse: StoredRing | null;
}

export class TaskHistory {
  private constructor(
    private readonly fine: SlotRing,
    private readonly coarse: SlotRing,
  ) {}

  static empty(): TaskHistory {
    return new TaskHistory(new SlotRing(FINE_SLOTS), new SlotRing(COARSE_SLOTS));
  }

  /** Null when it is damaged. */
  static restore({ fine, coarse }: StoredHistory): TaskHistory | null {
    const rings = [
      fine === null ? new SlotRing(FINE_SLOTS) : SlotRing.restore(FINE_SLOTS, fine),
      coarse === null ? null : SlotRing.restore(COARSE_SLOTS, coarse),
    ];
    const [minutes, day] = rings;
    return minutes == null || day == null ? null : new TaskHistory(minutes, day);
  }

  /** What was measured in the minute that ended at `at`. */
  add(at: Instant, measured: Measured): void {
    const slot = Math.round(at / MINUTE_MS) - 1;
    this.fine.add(slot, measured);
    this.coarse.add(Math.floor(slot / MINUTES_PER_COARSE), measured);
  }

  /** When the newest of it ends. */
  get until(): Instant {
    return ((this.coarse.span?.newest ?? 0) + 1) * MINUTES_PER_COARSE * MINUTE_MS;
  }

  /** The last hour, then the last day; what there is none of is left out. */
  series(): readonly Series[] {
    return [seriesOf(this.fine, MINUTE_MS), seriesOf(this.coarse, MINUTES_PER_COARSE * MINUTE_MS)].filter((series) => series !== null);
  }

  store(): StoredHistory {
    return { fine: this.fine.store(), coarse: this.coarse.store() };
  }
}

/** What was used between two readings; null when no time has passed, or the clock went back. */
export function measuredBetween(before: Reading, now: Reading): Measured | null {
  const secs = (now.at - before.at) / 1_000;
  if (secs <= 0) return null;
  // Where processes are added up, one that ends unnoticed takes its share with it.
  const grown = (name: Exclude<keyof Reading, 'at'>): number => Math.max(0, now[name] - before[name]);
  return {
    secs,
    cpuSecs: grown('cpuSecs'),
    periods: grown('periods'),
    throttledPeriods: grown('throttledPeriods'),
    throttledSecs: grown('throttledSecs'),
    memoryBytes: now.memoryBytes,
    readBytes: grown('readBytes'),
    writtenBytes: grown('writtenBytes'),
  };
}

function seriesOf(ring: SlotRing, slotMs: number): Series | null {
  const { span } = ring;
  if (span === null) return null;
  const slots = Array.from({ length: span.newest - span.oldest + 1 }, (_, index) => ring.read(span.oldest + index));
  const column = (value: (measured: Measured) => number | null): (number | null)[] => slots.map((slot) => (slot === null ? null : value(slot)));
  return {
    resolutionSecs: slotMs / 1_000,
    from: span.oldest * slotMs,
    cpus: column(({ cpuSecs, secs }) => rounded(cpuSecs / secs, 4)),
    throttledShare: column(({ periods, throttledPeriods }) => (periods === 0 ? null : rounded(throttledPeriods / periods, 4))),
    throttledSecs: column(({ throttledSecs }) => rounded(throttledSecs, 3)),
    memoryBytes: column(({ memoryBytes }) => memoryBytes),
    readBytesPerSec: column(({ readBytes, secs }) => rounded(readBytes / secs, 0)),
    writtenBytesPerSec: column(({ writtenBytes, secs }) => rounded(writtenBytes / secs, 0)),
  };
}

export const rounded = (value: number, digits: number): number => Math.round(value * 10 ** digits) / 10 ** digits;
