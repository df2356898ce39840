/**
 * What /proc says about processes: who they are, whether they live, and which of them belong to a task.
 *
 * A pid alone names nobody: it is reused. A process is its pid and its start time, and one that is a zombie is dead
 * (`kill(pid, 0)` would still succeed).
 */
import { closeSync, openSync, readSync, readdirSync, readlinkSync } from 'node:fs';
import { hasCode } from './cgroup-driver.js';

export interface ProcessRef {
  readonly pid: number;
  /** Clock ticks since boot: field 22 of /proc/PID/stat. */
  readonly startTime: number;
}

export interface ProcessStat extends ProcessRef {
  readonly state: string;
  readonly pgrp: number;
  readonly session: number;
}

/** Reads a line of /proc/PID/stat; null when it is none. The name in it may hold blanks and parentheses. */
export function parseStat(line: string): ProcessStat | null {
  const afterName = line.lastIndexOf(') ');
  const pid = Number.parseInt(line, 10);
  if (afterName < 0 || !(pid > 0)) return null;
  const fields = line.slice(afterName + 2).split(' ');
  const [state, , pgrp, session] = fields;
  const startTime = Number(fields[19]);
  if (state === undefined || !Number.isSafeInteger(startTime)) return null;
  return { pid, startTime, state, pgrp: Number(pgrp), session: Number(session) };
}

/** Null when there is no such process; 0 for one whose parent is outside of our view. A zombie's list of children is no longer kept. */
export function readParent(pid: number): number | null {
  const line = readProcFile(`/proc/${pid}/stat`) ?? '';
  const [state = 'X', parent] = line.slice(line.lastIndexOf(') ') + 2).split(' ');
  return isDeadState(state) || parent === undefined ? null : Number(parent);
}

/** Null when there is no such process. */
export function readStat(pid: number): ProcessStat | null {
  const line = readProcFile(`/proc/${pid}/stat`);
  return line === null ? null : parseStat(line);
}

const isDeadState = (state: string): boolean => state === 'Z' || state === 'X';

export function isAlive(ref: ProcessRef): boolean {
  const stat = readStat(ref.pid);
  return stat !== null && stat.startTime === ref.startTime && !isDeadState(stat.state);
}

/** Its network is not ours. Of a process that is gone, or that we may not look at, that is not known: false. */
export function hasOwnNetwork(pid: number): boolean {
  try {
    return readlinkSync(`/proc/${pid}/ns/net`) !== readlinkSync('/proc/self/ns/net');
  } catch (error) {
    if (hasCode(error, 'ENOENT') || hasCode(error, 'ESRCH') || hasCode(error, 'EACCES') || hasCode(error, 'EPERM')) return false;
    throw error;
  }
}

/** Every living process of the machine, but kernel threads. */
export function listProcesses(): ProcessStat[] {
  const found: ProcessStat[] = [];
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    const stat = readStat(Number(name));
    if (stat !== null && !isDeadState(stat.state) && stat.session !== 0) found.push(stat);
  }
  return found;
}

/** The environment that a process was started with; empty when it is gone or not ours to read. */
export function readEnviron(pid: number): readonly string[] {
  return (readProcFile(`/proc/${pid}/environ`) ?? '').split('\0');
}

/**
 * Sends a signal; a negative pid names a group. Answers whether it was delivered: a process that is gone is no error, nor is
 * one that has become another user's (a task may start a setuid program), which we may not signal without being root.
 */
export function signalProcess(pid: number, signal: NodeJS.Signals | number): boolean {
  // 0, 1 and -1 would be our own group, init, and everybody.
  if (!Number.isSafeInteger(pid) || Math.abs(pid) <= 1 || Math.abs(pid) === process.pid) return false;
  try {
    process.kill(pid, signal);
    return true;
  } catch (error) {
    if (hasCode(error, 'ESRCH') || hasCode(error, 'EPERM')) return false;
    throw error;
  }
}

/** Large enough for nearly every environment; a longer one takes a second read. */
const CHUNK_BYTES = 32 * 1024;
const chunk = Buffer.allocUnsafe(CHUNK_BYTES);

/** Null when there is no such file, or not for us. By hand, since a look at the machine reads hundreds of these: three system calls each where `readFileSync` makes five. */
export function readProcFile(path: string): string | null {
  let file: number | null = null;
  try {
    file = openSync(path, 'r');
    let text = '';
    for (;;) {
      const bytes = readSync(file, chunk, 0, CHUNK_BYTES, null);
      text += chunk.toString('latin1', 0, bytes);
      if (bytes < CHUNK_BYTES) return text;
    }
  } catch (error) {
    // ESRCH: it ended between open and read. EACCES: another user's.
    if (['ENOENT', 'ESRCH', 'EACCES', 'EPERM'].some((code) => hasCode(error, code))) return null;
    throw error;
  } finally {
    if (file !== null) closeSync(file);
  }
}
