/** Statistics of processes from /proc, where there is no control group that counts: a sum over those that live. */
import { readProcFile } from './proc.js';
import type { TaskStatistics } from './task-statistics.js';

/** Of times in /proc, on every Linux that there is (USER_HZ). */
const TICKS_PER_SEC = 100;
const KIB = 1024;

/** Five reads a process, of files that the kernel answers from memory. */
export function statisticsOfProcesses(pids: readonly number[]): TaskStatistics {
  const each = pids.flatMap((pid) => {
    const stat = readProcFile(`/proc/${pid}/stat`);
    const status = readProcFile(`/proc/${pid}/status`);
    return stat === null || status === null ? [] : [{ ...parseTimes(stat), ...parseStatus(status), io: parseIo(readProcFile(`/proc/${pid}/io`)) }];
  });
  const sum = (value: (one: (typeof each)[number]) => number): number => each.reduce((total, one) => total + value(one), 0);
  const userSecs = sum((one) => one.user) / TICKS_PER_SEC;
  const systemSecs = sum((one) => one.system) / TICKS_PER_SEC;
  const rssBytes = sum((one) => one.anonymous);
  const cacheBytes = sum((one) => one.file);
  const io = each.flatMap((one) => (one.io === null ? [] : [one.io]));
  return {
    cpu: { totalSecs: userSecs + systemSecs, userSecs, systemSecs },
    throttling: null,
    // What several of them share is counted for each.
    memory: {
      rssBytes,
      workingSetBytes: rssBytes,
      cacheBytes,
      totalBytes: rssBytes + cacheBytes,
      swapBytes: sum((one) => one.swap),
      peakBytes: null,
      limitBytes: null,
    },
    io: io.length === 0 ? null : { readBytes: io.reduce((total, one) => total + one.read, 0), writtenBytes: io.reduce((total, one) => total + one.written, 0) },
    processes: each.length,
    threads: sum((one) => one.threads),
  };
}

/** Of /proc/PID/stat: its own time and that of children it has waited for, in ticks. */
export function parseTimes(line: string): { readonly user: number; readonly system: number } {
  const fields = line
    .slice(line.lastIndexOf(') ') + 2)
    .split(' ')
    .map(Number);
  const [user = 0, system = 0, userOfChildren = 0, systemOfChildren = 0] = fields.slice(11, 15);
  return { user: user + userOfChildren, system: system + systemOfChildren };
}

/** Of /proc/PID/status: memory in bytes, and threads. */
export function parseStatus(text: string): { readonly anonymous: number; readonly file: number; readonly swap: number; readonly threads: number } {
  const at = (key: string): number => Number(new RegExp(`^${key}:\\s+(\\d+)`, 'm').exec(text)?.[1] ?? 0);
  return { anonymous: at('RssAnon') * KIB, file: (at('RssFile') + at('RssShmem')) * KIB, swap: at('VmSwap') * KIB, threads: at('Threads') };
}

/** Null: not for us to read. */
function parseIo(text: string | null): { readonly read: number; readonly written: number } | null {
  const at = (key: string): number => Number(new RegExp(`^${key}: (\\d+)`, 'm').exec(text ?? '')?.[1] ?? 0);
  return text === null || text === '' ? null : { read: at('read_bytes'), written: at('write_bytes') };
}
