/** What a task has used so far, as far as the runtime can tell. Numbers grow from the start of the task unless they say "now". */
export interface TaskStatistics {
  readonly cpu: {
    /** Seconds of one cpu, of all of its processes, ended ones too (`process` runtime: only those that their parents have waited for). */
    readonly totalSecs: number;
    /** To a hundredth of a second. */
    readonly userSecs: number;
    readonly systemSecs: number;
  };
  /** How often it wanted more than its hard limit; null without one. Shown as throttledPeriods / periods. */
  readonly throttling: { readonly periods: number; readonly throttledPeriods: number; readonly throttledSecs: number } | null;
  readonly memory: {
    /** Now: anonymous memory. */
    readonly rssBytes: number;
    /** Now: what cannot be given back without swapping; it approaches the limit before the task is killed. */
    readonly workingSetBytes: number;
    /** Now: files that were read or written; the kernel takes it back when it needs to. */
    readonly cacheBytes: number;
    /** Now: all of it together. */
    readonly totalBytes: number;
    readonly swapBytes: number;
    /** Null: not known. */
    readonly peakBytes: number | null;
    readonly limitBytes: number | null;
  };
  /** From and to block devices. Null: not known. */
  readonly io: { readonly readBytes: number; readonly writtenBytes: number } | null;
  /** Now. */
  readonly processes: number;
  /** Now. */
  readonly threads: number;
}
