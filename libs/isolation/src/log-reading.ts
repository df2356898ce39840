/**
 * Reads the log of a task by offset, over its rotations: what was rotated away is read from the pieces that are still kept.
 */
import { constants } from 'node:fs';
import { join } from 'node:path';
import { inTurn, type LogName, readExtent } from './log-ledger.js';
import { openPlain } from './plain-file.js';

export interface LogChunk {
  /** Where `data` begins. Differs from what was asked when that is not kept any more, or when the task has emptied its file. */
  readonly offset: number;
  readonly data: Buffer;
  /** The oldest byte that is kept, and the end of the log. Both count from the first byte that the task ever wrote. */
  readonly begin: number;
  readonly end: number;
  /** There is no such log, or something else lies in its place: the task has not started yet, or it has taken its log away. */
  readonly isMissing: boolean;
}

/** The largest part of a log that one read answers. */
export const MAX_LOG_READ_BYTES = 1024 * 1024;

interface Place {
  readonly file: string;
  readonly begin: number;
  readonly end: number;
  /** Bytes of the file in front of `begin`. */
  readonly ahead: number;
}

/**
 * Up to `length` bytes (at most 1 MiB) from `offset` on; a negative offset counts from the end. A log that is missing reads as
 * empty. An answer is shorter than asked only at the end of the log, or where what follows is not kept.
 */
export function readLog(sandbox: string, name: LogName, offset: number, length: number): Promise<LogChunk> {
  return inTurn(sandbox, async () => {
    const places = await placesOf(sandbox, name);
    const begin = places[0]?.begin ?? 0;
    const end = places.at(-1)?.end ?? 0;
    const found = { begin, end, isMissing: places.length === 0 };
    const wanted = offset < 0 ? Math.max(begin, end + offset) : offset;
    // Behind the end: the task has emptied its file, which goes on at the start of what there is.
    const at = wanted > end ? (places.at(-1)?.begin ?? 0) : wanted;
    const place = places.find((one) => one.end > at);
    if (place === undefined) return { offset: end, data: Buffer.alloc(0), ...found };
    const from = Math.max(at, place.begin);
    return { offset: from, data: await readPlaces(places.slice(places.indexOf(place)), from, Math.min(length, MAX_LOG_READ_BYTES)), ...found };
  });
}

/** Goes on from one piece to the next, as long as nothing is left out between them. */
async function readPlaces(places: readonly Place[], from: number, length: number): Promise<Buffer> {
  const parts: Buffer[] = [];
  let at = from;
  for (const place of places) {
    if (at - from >= length || place.begin > at) break;
    const part = await readPlace(place, at, length - (at - from));
    parts.push(part);
    at += part.length;
    if (at < place.end) break;
  }
  return parts.length === 1 && parts[0] !== undefined ? parts[0] : Buffer.concat(parts);
}

/** Oldest first; the last one is the file that the task writes to. Empty when that is not there. */
async function placesOf(sandbox: string, name: LogName): Promise<readonly Place[]> {
  const { begin, pieces } = readExtent(sandbox, name);
  const size = await sizeOf(join(sandbox, name));
  if (size === null) return [];
  const places: Place[] = [{ file: join(sandbox, name), begin, end: begin + size, ahead: 0 }];
  for (const [index, piece] of pieces.entries()) {
    const file = join(sandbox, `${name}.${index + 1}`);
    if ((await sizeOf(file)) !== piece.bytes) break;
    places.unshift({ file, begin: piece.begin, end: piece.end, ahead: piece.bytes - (piece.end - piece.begin) });
  }
  return places;
}

async function sizeOf(path: string): Promise<number | null> {
  const file = await openPlain(path, constants.O_RDONLY);
  if (file === null) return null;
  try {
    return (await file.stat()).size;
  } finally {
    await file.close();
  }
}

async function readPlace(place: Place, from: number, length: number): Promise<Buffer> {
  const file = await openPlain(place.file, constants.O_RDONLY);
  if (file === null) return Buffer.alloc(0);
  try {
    const buffer = Buffer.alloc(Math.max(0, Math.min(length, place.end - from)));
    const { bytesRead } = await file.read(buffer, 0, buffer.length, place.ahead + from - place.begin);
    return buffer.subarray(0, bytesRead);
  } finally {
    await file.close();
  }
}
