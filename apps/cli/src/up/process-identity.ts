/**
 * Says which process a pid means: a pid alone may have been given to somebody else since it was written down.
 *
 * The start time of a process, with the boot it belongs to, tells two owners of one pid apart. Linux has it in /proc;
 * elsewhere `ps` prints it to the second.
 */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

export interface ProcessIdentity {
  readonly pid: number;
  /** Opaque; equal for the same process only. */
  readonly startedAt: string;
}

/** The identity of a running process, or null when there is none with this pid. */
export function identify(pid: number): ProcessIdentity | null {
  if (!Number.isSafeInteger(pid) || pid <= 0) return null;
  const startedAt = process.platform === 'linux' ? startOnLinux(pid) : startByPs(pid);
  return startedAt === null ? null : { pid, startedAt };
}

export const isSameProcess = (written: ProcessIdentity): boolean => identify(written.pid)?.startedAt === written.startedAt;

/** A zombie has ended: it holds no file, port or lock. */
function startOnLinux(pid: number): string | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    if (fields[0] === 'Z' || fields[0] === 'X') return null;
    return `${readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()}/${fields[19] ?? ''}`;
  } catch {
    return null; // gone, or never there
  }
}

function startByPs(pid: number): string | null {
  try {
    const line = execFileSync('ps', ['-o', 'lstart=', '-p', String(pid)], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim();
    return line === '' ? null : line;
  } catch {
    return null; // ps answers 1 for a pid without a process
  }
}
