/**
 * Keeps the logs of a task bounded.
 *
 * The writer keeps its file open for ever, so the file is copied and its head cut off (cut-head.ts) rather than renamed. It needs
 * writers that append (O_APPEND), as ours do: others would leave a hole. Where the file system cannot cut, the file is emptied:
 * copy until a read returns nothing, and truncate in the same breath. What is written between the two is lost then.
 * A piece may end within a line, whose rest opens the next one: put together they are what was written.
 */
import { closeSync, constants, fchmodSync, fchownSync, ftruncateSync, openSync, readSync, renameSync, rmSync, writeSync } from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { hasCode } from './cgroup-driver.js';
import { cutHead, cuttable } from './cut-head.js';
import { LOG_NAMES, inTurn, type LogName, type LogPiece, readExtent, writeExtent } from './log-ledger.js';
import { openPlain } from './plain-file.js';

export interface RotationPolicy {
  /** A log that is larger is rotated, in bytes. */
  readonly maxBytes: number;
  /** How many older pieces are kept: `stdout.1` is the newest. At least 1. */
  readonly keep: number;
}

const COPY_BYTES = 256 * 1024;
/**
 * A piece has at most this many times `maxBytes`, the newest; and the chase after a writer that is faster than we are ends after as
 * much again. What is beyond is dropped, by whole lines: a bounded disk goes before a whole log.
 */
const MAX_PIECE_FACTOR = 4;

/** Rotates what is too large; answers the names of the logs that were. A log that is missing is not too large. */
export async function rotateLogs(sandbox: string, policy: RotationPolicy): Promise<readonly string[]> {
  if (policy.keep < 1 || policy.maxBytes < 1) throw new RangeError('log rotation needs maxBytes and keep of at least 1');
  const rotated: string[] = [];
  for (const name of LOG_NAMES) {
    const log = await openPlain(join(sandbox, name), constants.O_RDWR);
    if (log === null) continue;
    try {
      if ((await log.stat()).size <= policy.maxBytes) continue;
      await inTurn(sandbox, () => rotate(sandbox, name, log, policy));
      rotated.push(name);
    } finally {
      await log.close();
    }
  }
  return rotated;
}

async function rotate(sandbox: string, name: LogName, log: FileHandle, { maxBytes, keep }: RotationPolicy): Promise<void> {
  const { begin, pieces } = readExtent(sandbox, name);
  const path = join(sandbox, name);
  shiftPieces(path, keep);
  const isContinued = pieces[0]?.end === begin && begin > 0;
  const { end, skipped, bytes } = await moveHead(log, `${path}.1`, maxBytes * MAX_PIECE_FACTOR, isContinued);
  const piece: LogPiece = { begin: begin + skipped, end: begin + end, bytes };
  writeExtent(sandbox, name, { begin: piece.end, pieces: [piece, ...pieces].slice(0, keep) });
}

/**
 * Bounds the logs of a task that is over, which may have written much since the last rotation: a log far above the limit keeps its
 * newest `maxBytes`, in its place, since there people look for the reason of the end.
 */
export async function trimLogs(sandbox: string, { maxBytes }: RotationPolicy): Promise<void> {
  for (const name of LOG_NAMES) {
    const log = await openPlain(join(sandbox, name), constants.O_RDWR);
    if (log === null) continue;
    try {
      const { size } = await log.stat();
      if (size <= maxBytes * MAX_PIECE_FACTOR) continue;
      await inTurn(sandbox, async () => {
        await keepEnd(log, size - maxBytes, maxBytes);
        const { begin, pieces } = readExtent(sandbox, name);
        writeExtent(sandbox, name, { begin: begin + size - maxBytes, pieces });
      });
    } finally {
      await log.close();
    }
  }
}

async function keepEnd(log: FileHandle, from: number, length: number): Promise<void> {
  const buffer = Buffer.allocUnsafe(COPY_BYTES);
  for (let moved = 0; moved < length;) {
    const { bytesRead } = await log.read(buffer, 0, Math.min(COPY_BYTES, length - moved), from + moved);
    if (bytesRead === 0) break;
    await log.write(buffer, 0, bytesRead, moved);
    moved += bytesRead;
  }
  await log.truncate(length);
}

function shiftPieces(path: string, keep: number): void {
  rmSync(`${path}.${keep}`, { force: true });
  for (let piece = keep - 1; piece >= 1; piece -= 1) {
    try {
      renameSync(`${path}.${piece}`, `${path}.${piece + 1}`);
    } catch (error) {
      if (!hasCode(error, 'ENOENT')) throw error; // Fewer pieces so far.
    }
  }
}

/** What of the file is now in the piece, counted from the file's former start. */
interface Moved {
  readonly end: number;
  /** Up to here nothing was kept but the rest of a line that the piece before has begun. */
  readonly skipped: number;
  readonly bytes: number;
}

/** `isContinued`: the file may open with the rest of a line. */
async function moveHead(source: FileHandle, to: string, maxBytes: number, isContinued: boolean): Promise<Moved> {
  const target = openSync(to, 'wx', 0o644);
  try {
    const { mode, uid, gid, size } = await source.stat();
    const cut = await cuttable(source, size);
    const isSmall = cut === 0 || cut < size / 2;
    const first = Math.max(0, (isSmall ? size : cut) - maxBytes);
    const head = first > 0 ? await dropHead(source, target, first, isContinued) : { skipped: 0, bytes: 0 };
    const copied = await copyRange(source, target, head.skipped, isSmall ? size : cut);
    const end = !isSmall && (await cutHead(source, cut)) ? copied : chaseAndTruncate(source.fd, target, copied, maxBytes);
    if (process.geteuid?.() === 0) {
      fchownSync(target, uid, gid);
      fchmodSync(target, mode & 0o777);
    }
    return { end, skipped: head.skipped, bytes: head.bytes + end - head.skipped };
  } finally {
    closeSync(target);
  }
}

/**
 * Of a head that is dropped, what ends the line that the piece before has begun is kept. Answers where the first whole line behind
 * `from` begins; `from` itself when there is none near; 0 when all of the head is a part of that first line.
 */
async function dropHead(source: FileHandle, target: number, from: number, isContinued: boolean): Promise<{ readonly skipped: number; readonly bytes: number }> {
  const buffer = Buffer.allocUnsafe(COPY_BYTES);
  const { bytesRead: behind } = await source.read(buffer, 0, COPY_BYTES, from);
  const skipped = from + firstWholeLine(buffer.subarray(0, behind));
  if (!isContinued) return { skipped, bytes: 0 };
  const { bytesRead: ahead } = await source.read(buffer, 0, Math.min(COPY_BYTES, from), 0);
  const bytes = firstWholeLine(buffer.subarray(0, ahead));
  if (bytes === 0 && ahead === from) return { skipped: 0, bytes: 0 };
  writeSync(target, buffer, 0, bytes);
  return { skipped, bytes };
}

async function copyRange(source: FileHandle, target: number, from: number, to: number): Promise<number> {
  const buffer = Buffer.allocUnsafe(COPY_BYTES);
  let position = from;
  while (position < to) {
    const { bytesRead } = await source.read(buffer, 0, Math.min(COPY_BYTES, to - position), position);
    if (bytesRead === 0) break; // the task has emptied it itself
    writeSync(target, buffer, 0, bytesRead);
    position += bytesRead;
  }
  return position;
}

/** Where the first line begins that is there from its start; 0 when a line is longer than all of it. */
const firstWholeLine = (text: Buffer): number => text.indexOf('\n') + 1;
/** How much of it is whole lines; all of it when there is no end of a line. */
const wholeLines = (text: Buffer): number => text.lastIndexOf('\n') + 1 || text.length;

/** Answers where it ended. */
function chaseAndTruncate(source: number, target: number, from: number, maxBytes: number): number {
  const buffer = Buffer.allocUnsafe(COPY_BYTES);
  let position = from;
  for (;;) {
    const bytesRead = readSync(source, buffer, 0, COPY_BYTES, position);
    const isLast = position - from > maxBytes;
    const kept = isLast ? wholeLines(buffer.subarray(0, bytesRead)) : bytesRead;
    writeSync(target, buffer, 0, kept);
    position += kept;
    if (bytesRead === 0 || isLast) break;
  }
  ftruncateSync(source, 0);
  return position;
}
