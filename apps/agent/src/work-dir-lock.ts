/**
 * One agent a work directory: two would report the same tasks twice and sweep each other's.
 *
 * It names pid and start time, so that a lock left over by a killed agent is told apart from a running one, also when the pid
 * has been used again. They are what a symbolic link points to: made at once or not at all, and without a byte of room, since
 * an agent that dies on a full disk has to come back there. (Until 0.1 it was a file with the same text.)
 */
import { readFileSync, readdirSync, readlinkSync, renameSync, rmSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { OptionError } from '@ekiden/service';
import { errorCode } from './error-code.js';

/** Attempts when others take and leave the lock at the same moment. */
const MAX_ATTEMPTS = 5;
/** What an agent makes in its directory, the first of it before anything else is done there. */
const OWN_FILES: readonly string[] = ['agent.lock', 'meta', 'tasks'];

export interface WorkDirLock {
  release(): void;
}

/** The directory is closed to others: `/tmp` or a home must not become one by mistake. Throws `OptionError`. */
export function assertOwnWorkDir(workDir: string): void {
  const names = readdirSync(workDir);
  if (names.length === 0 || names.some((name) => OWN_FILES.includes(name))) return;
  throw new OptionError(`--work-dir ${workDir} holds other files, and an agent would close it to everybody else: give a new or empty directory`);
}

/** Throws `OptionError` when a living agent has it. */
export function lockWorkDir(workDir: string): WorkDirLock {
  const path = join(workDir, 'agent.lock');
  const mine = `${process.pid} ${startOf(process.pid) ?? ''}`;
  for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
    if (tryTake(path, mine)) return { release: () => rmSync(path, { force: true }) };
    const holder = holderOf(path) ?? '';
    const pid = Number(holder.split(' ')[0]);
    const isAlive = pid > 0 && pid !== process.pid && startOf(pid) !== null && `${pid} ${startOf(pid) ?? ''}` === holder;
    if (isAlive) throw new OptionError(`--work-dir ${workDir} belongs to the agent with pid ${pid}: stop that one, or give another directory`);
    takeAway(path, holder, `${path}.${process.pid}.stale`);
  }
  throw new OptionError(`--work-dir ${workDir} cannot be locked: others take it at the same moment`);
}

/** Removes the lock of a dead holder. Should another agent have replaced it meanwhile, it is put back. */
function takeAway(path: string, holder: string, aside: string): void {
  try {
    renameSync(path, aside);
  } catch {
    return; // gone meanwhile: the next attempt finds the place free
  }
  const taken = holderOf(aside);
  if (taken !== null && taken !== holder) tryTake(path, taken);
  rmSync(aside, { force: true });
}

/** False: somebody has it. */
function tryTake(path: string, holder: string): boolean {
  try {
    symlinkSync(holder, path);
    return true;
  } catch (error) {
    if (errorCode(error) === 'EEXIST') return false;
    throw error;
  }
}

function holderOf(path: string): string | null {
  try {
    return readlinkSync(path);
  } catch {
    return readOrNull(path); // a file of an agent before, or nothing
  }
}

/** Field 22 of /proc/PID/stat. Null: no such process, or a zombie, which holds nothing. Where there is no /proc: whether it lives at all. */
function startOf(pid: number): string | null {
  const stat = readOrNull(`/proc/${pid}/stat`);
  const fields = stat?.slice(stat.lastIndexOf(')') + 2).split(' ') ?? [];
  if (fields[0] === 'Z' || fields[0] === 'X') return null;
  if (stat !== null) return fields[19] ?? null;
  if (process.platform === 'linux') return null;
  try {
    process.kill(pid, 0);
    return 'alive';
  } catch {
    return null; // no such process, or not ours
  }
}

function readOrNull(path: string): string | null {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return null; // gone meanwhile
  }
}
