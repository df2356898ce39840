/** Reads what a running server writes down about itself, and which processes of a server still hold its directory. */
import { readFileSync, readdirSync, readlinkSync, realpathSync, rmSync } from 'node:fs';
import { uptime } from 'node:os';
import { join } from 'node:path';

export interface Postmaster {
  readonly pid: number;
  readonly port: number;
  /** Seconds of Unix time. */
  readonly startedAt: number;
}

/** Clocks are set after a boot, too. */
const BOOT_MARGIN_S = 60;

/** Line 1 is the pid, line 3 the start, line 4 the port; null when there is no file or it is not complete yet. */
export function readPostmaster(directory: string): Postmaster | null {
  let text: string;
  try {
    text = readFileSync(join(directory, 'postmaster.pid'), 'utf8');
  } catch {
    return null; // no server, or one that is just stopping
  }
  return parsePostmaster(text);
}

export function parsePostmaster(text: string): Postmaster | null {
  const lines = text.split('\n');
  const pid = Number(lines[0]);
  const startedAt = Number(lines[2]);
  const port = Number(lines[3]);
  const isWhole = [pid, startedAt, port].every((number) => Number.isInteger(number) && number > 0);
  return isWhole ? { pid, port, startedAt } : null;
}

/**
 * Removes the file of a server that ran before the machine was started. PostgreSQL itself looks at the pid alone: one that is
 * somebody else's by now would keep it from starting for ever.
 */
export function forgetFormerBoot(directory: string): void {
  const found = readPostmaster(directory);
  if (found !== null && found.startedAt < Date.now() / 1000 - uptime() - BOOT_MARGIN_S) rmSync(join(directory, 'postmaster.pid'), { force: true });
}

/**
 * Pids of the server's processes: each of them has the data directory as its working directory. After a SIGKILL of the
 * postmaster the others need a moment to notice, and a new server must not start before. Empty where /proc is missing.
 */
export function processesIn(directory: string): readonly number[] {
  let names: readonly string[];
  let real: string;
  try {
    names = readdirSync('/proc');
    real = realpathSync(directory); // the kernel names it without links
  } catch {
    return []; // not Linux: the server's own check of its shared memory has to do; or there is no such directory
  }
  return names.filter((name) => /^\d+$/.test(name) && workingDirectory(name) === real).map(Number);
}

function workingDirectory(pid: string): string | null {
  try {
    return readlinkSync(`/proc/${pid}/cwd`);
  } catch {
    return null; // gone, or somebody else's
  }
}
