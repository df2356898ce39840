/**
 * How far a container's output has been written into its sandbox, in a small file of the run directory that is written over after each batch.
 *
 * A batch is appended first, then its place recorded. What the log has beyond the recorded end was written by an agent that was killed
 * between the two: that many bytes of what the engine sends next are there already. Offsets are those of the log's whole life (log-ledger.ts),
 * so a rotation in between changes nothing.
 */
import { closeSync, constants, fstatSync, openSync, readFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { hasCode } from '../cgroup-driver.js';
import { LOG_NAMES, type LogName, readExtent } from '../log-ledger.js';
import { fieldIn, numberIn, textIn } from './engine-client.js';
import { FIRST_PLACE, type LogPlace } from './log-frames.js';

export interface StreamPosition {
  readonly place: LogPlace;
  /** Offset behind the last byte that was recorded. */
  readonly end: number;
}

export type LogPosition = Readonly<Record<LogName, StreamPosition>>;

export const POSITION_FILE = 'engine-logs';
/** Of fixed length, so that a shorter text leaves nothing of a longer one. */
const POSITION_BYTES = 256;
const OPEN_APPEND = constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT | constants.O_NOFOLLOW | constants.O_NONBLOCK;

/** Null: none was recorded, or it is torn. */
export function readPosition(runDir: string): LogPosition | null {
  try {
    const read: unknown = JSON.parse(readFileSync(join(runDir, POSITION_FILE), 'utf8'));
    const of = (name: LogName): StreamPosition => {
      const stream = fieldIn(read, name);
      return { place: { nanos: BigInt(textIn(stream, 'nanos')), count: numberIn(stream, 'count') }, end: numberIn(stream, 'end') };
    };
    return { stdout: of('stdout'), stderr: of('stderr') };
  } catch (error) {
    if (error instanceof SyntaxError || hasCode(error, 'ENOENT')) return null;
    throw error;
  }
}

export function writePosition(runDir: string, { stdout, stderr }: LogPosition): void {
  const plain = ({ place, end }: StreamPosition): unknown => ({ nanos: String(place.nanos), count: place.count, end });
  const text = JSON.stringify({ stdout: plain(stdout), stderr: plain(stderr) }).padEnd(POSITION_BYTES);
  const file = openSync(join(runDir, POSITION_FILE), constants.O_WRONLY | constants.O_CREAT, 0o600);
  try {
    writeSync(file, text, 0);
  } finally {
    closeSync(file);
  }
}

/** A log to append to. Throws when something else lies in its place: a task can put links into its sandbox. */
export function openLog(sandbox: string, name: LogName): number {
  const file = openSync(join(sandbox, name), OPEN_APPEND, 0o644);
  const found = fstatSync(file);
  if (found.isFile() && found.nlink <= 1) return file;
  closeSync(file);
  throw new Error(`"${name}" in its sandbox has to be a plain file: leave that name to the task's output`);
}

/** Offset behind the last byte of a log. */
export const endOfLog = (sandbox: string, name: LogName, file: number): number => readExtent(sandbox, name).begin + fstatSync(file).size;

/** Where a sandbox stands of which nothing was recorded. */
export function freshPosition(sandbox: string, files: Readonly<Record<LogName, number>>): LogPosition {
  const [stdout, stderr] = LOG_NAMES.map((name) => ({ place: FIRST_PLACE, end: endOfLog(sandbox, name, files[name]) }));
  if (stdout === undefined || stderr === undefined) throw new Error('a task has two logs');
  return { stdout, stderr };
}
