/**
 * One `ekiden up` a data directory: the file `lock` in it names the process that holds it.
 *
 * The file appears complete (written aside, then linked), so a reader never sees half of it. A lock whose process is gone
 * is left over and taken over; one whose process lives is "already running". The identity of the process is checked, since
 * its pid may have been given to another one after a reboot.
 */
import { linkSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { CliError, systemErrorCode } from '../cli-error.js';
import { identify, isSameProcess, type ProcessIdentity } from './process-identity.js';

/** Rounds of "gone in between, try again" before giving up. */
const TAKE_ROUNDS = 5;

export interface DirectoryLock {
  /** True when a dead process had left its lock here: its tasks and Postgres may still run. */
  readonly tookOver: boolean;
  release(): void;
}

/** Takes the lock of a data directory or throws a `CliError` that names the process which holds it. */
export function takeLock(dataDir: string): DirectoryLock {
  const file = join(dataDir, 'lock');
  const own = identify(process.pid);
  if (own === null) throw new CliError('cannot read the start time of this process', 'mount /proc, or install ps');
  const text = `${JSON.stringify(own)}\n`;
  let tookOver = false;
  for (let round = 0; round < TAKE_ROUNDS; round++) {
    if (create(file, text)) return { tookOver, release: () => releaseIfOwn(file, text) };
    const found = read(file);
    if (found === null) continue;
    const holder = parseHolder(found);
    if (holder !== null && isSameProcess(holder))
      throw new CliError(`already running: process ${holder.pid} uses ${dataDir}`, `stop it with \`kill ${holder.pid}\`, or start another with --data-dir`);
    tookOver = removeStale(file, found) || tookOver;
  }
  throw new CliError(`cannot take the lock ${file}: others keep taking it`, 'start only one Ekiden for this data directory');
}

function create(file: string, text: string): boolean {
  const aside = `${file}.${process.pid}`;
  writeFileSync(aside, text, { mode: 0o600 });
  try {
    linkSync(aside, file);
    return true;
  } catch (error) {
    if (systemErrorCode(error) === 'EEXIST') return false;
    throw error;
  } finally {
    rmSync(aside, { force: true });
  }
}

function read(file: string): string | null {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    if (systemErrorCode(error) === 'ENOENT') return null;
    throw error;
  }
}

/** Null for a file that is no lock of ours: nobody holds it. */
export function parseHolder(text: string): ProcessIdentity | null {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value !== 'object' || value === null || !('pid' in value) || !('startedAt' in value)) return null;
    return typeof value.pid === 'number' && typeof value.startedAt === 'string' ? { pid: value.pid, startedAt: value.startedAt } : null;
  } catch {
    return null;
  }
}

/** Moves the stale lock away; if somebody was faster and this is their fresh one, puts it back. */
function removeStale(file: string, expected: string): boolean {
  const aside = `${file}.stale.${process.pid}`;
  try {
    renameSync(file, aside);
  } catch (error) {
    if (systemErrorCode(error) === 'ENOENT') return false;
    throw error;
  }
  try {
    if (readFileSync(aside, 'utf8') === expected) return true;
    linkSync(aside, file);
    return false;
  } finally {
    rmSync(aside, { force: true });
  }
}

function releaseIfOwn(file: string, text: string): void {
  if (read(file) === text) rmSync(file, { force: true });
}
