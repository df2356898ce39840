/** Statistics of a control group: which files say what, in either version. One sample is a few small reads. */
import { join } from 'node:path';
import { counter, readGroupFile } from './cgroup-driver.js';
import { statisticsOfProcesses } from './process-statistics.js';
import type { TaskStatistics } from './task-statistics.js';

/** Directories of one group; null where a controller is missing. */
export interface V1Directories {
  readonly cpu: string;
  readonly memory: string;
  readonly cpuacct: string | null;
  readonly blkio: string | null;
  readonly pids: string | null;
}

const TICKS_PER_SEC = 100;
const NANOS = 1e9;
const MICROS = 1e6;
/** Version 1 says "no limit" as the largest number of pages. */
const NO_LIMIT_BYTES = 2 ** 60;

/** Null when the group is gone. */
export function statisticsV1(dirs: V1Directories): TaskStatistics | null {
  const read = (dir: string | null, file: string): string | null => (dir === null ? null : readGroupFile(join(dir, file)));
  const memory = read(dirs.memory, 'memory.stat');
  const procs = read(dirs.memory, 'cgroup.procs');
  if (memory === null || procs === null) return null;
  const pids = pidsIn(procs);
  const cpu = read(dirs.cpu, 'cpu.stat');
  const usage = numberOf(read(dirs.cpuacct, 'cpuacct.usage'));
  const ticks = read(dirs.cpuacct, 'cpuacct.stat');
  const total = numberOf(read(dirs.memory, 'memory.usage_in_bytes')) ?? 0;
  const limit = numberOf(read(dirs.memory, 'memory.limit_in_bytes'));
  const io = read(dirs.blkio, 'blkio.throttle.io_service_bytes_recursive');
  return {
    // A task of an agent that did not count cpu time has no such group.
    cpu:
      usage === null
        ? statisticsOfProcesses(pids).cpu
        : { totalSecs: usage / NANOS, userSecs: counter(ticks, 'user') / TICKS_PER_SEC, systemSecs: counter(ticks, 'system') / TICKS_PER_SEC },
    throttling: throttlingIn(cpu, 'throttled_time', NANOS),
    memory: {
      rssBytes: counter(memory, 'total_rss'),
      workingSetBytes: Math.max(0, total - counter(memory, 'total_inactive_file')),
      cacheBytes: counter(memory, 'total_cache'),
      totalBytes: total,
      swapBytes: counter(memory, 'total_swap'),
      peakBytes: numberOf(read(dirs.memory, 'memory.max_usage_in_bytes')),
      limitBytes: limit === null || limit >= NO_LIMIT_BYTES ? null : limit,
    },
    io: io === null ? null : { readBytes: sumOf(io, /^\d+:\d+ Read (\d+)$/gm), writtenBytes: sumOf(io, /^\d+:\d+ Write (\d+)$/gm) },
    processes: pids.length,
    threads: numberOf(read(dirs.pids, 'pids.current')) ?? pids.length,
  };
}

/** `dir`: the group. Null when it is gone. */
export function statisticsV2(dir: string): TaskStatistics | null {
  const read = (file: string): string | null => readGroupFile(join(dir, file));
  const cpu = read('cpu.stat');
  const memory = read('memory.stat');
  const procs = read('cgroup.procs');
  if (cpu === null || memory === null || procs === null) return null;
  const total = numberOf(read('memory.current')) ?? 0;
  const io = read('io.stat');
  const pids = pidsIn(procs);
  return {
    cpu: { totalSecs: counter(cpu, 'usage_usec') / MICROS, userSecs: counter(cpu, 'user_usec') / MICROS, systemSecs: counter(cpu, 'system_usec') / MICROS },
    throttling: throttlingIn(cpu, 'throttled_usec', MICROS),
    memory: {
      rssBytes: counter(memory, 'anon'),
      workingSetBytes: Math.max(0, total - counter(memory, 'inactive_file')),
      cacheBytes: counter(memory, 'file'),
      totalBytes: total,
      swapBytes: numberOf(read('memory.swap.current')) ?? 0,
      peakBytes: numberOf(read('memory.peak')),
      limitBytes: numberOf(read('memory.max')),
    },
    io: io === null ? null : { readBytes: sumOf(io, /\brbytes=(\d+)/g), writtenBytes: sumOf(io, /\bwbytes=(\d+)/g) },
    processes: pids.length,
    threads: numberOf(read('pids.current')) ?? pids.length,
  };
}

/** No period was counted: there is no hard limit, or it never ran. */
function throttlingIn(text: string | null, timeKey: string, perSec: number): TaskStatistics['throttling'] {
  const periods = counter(text, 'nr_periods');
  if (periods === 0) return null;
  return { periods, throttledPeriods: counter(text, 'nr_throttled'), throttledSecs: counter(text, timeKey) / perSec };
}

const pidsIn = (text: string): readonly number[] =>
  text
    .split('\n')
    .filter((line) => line !== '')
    .map(Number);

/** Null for `max`, and for a file that is not there. */
function numberOf(text: string | null): number | null {
  const value = text === null || text.trim() === '' ? Number.NaN : Number(text);
  return Number.isFinite(value) ? value : null;
}

const sumOf = (text: string, pattern: RegExp): number => [...text.matchAll(pattern)].reduce((sum, match) => sum + Number(match[1]), 0);
