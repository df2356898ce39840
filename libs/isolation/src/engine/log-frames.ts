/**
 * The frames in which an engine sends a container's output, and which of them are new. Pure.
 *
 * A frame has a head of eight bytes (stream, three zeros, length) and, in logs with time stamps, one message: a line, or a piece of one.
 * Messages of a stream are in order; those of the two streams among each other are nearly so. All pieces of a long line have the time of
 * the first, so a place in a stream is a time and how many messages of it have been taken.
 */
import type { LogName } from '../log-ledger.js';

export interface Frame {
  readonly stream: LogName;
  readonly payload: Buffer;
}

const HEAD_BYTES = 8;
/** A larger one is no frame: the stream is not what we think it is. */
const MAX_FRAME_BYTES = 16 * 1024 * 1024;

/** `rest`: the beginning of a frame that has not come as a whole. Throws when these are no frames. */
export function readFrames(bytes: Buffer): { readonly frames: readonly Frame[]; readonly rest: Buffer } {
  const frames: Frame[] = [];
  let at = 0;
  while (bytes.length - at >= HEAD_BYTES) {
    const kind = bytes[at];
    const length = bytes.readUInt32BE(at + 4);
    if ((kind !== 0 && kind !== 1 && kind !== 2) || length > MAX_FRAME_BYTES) throw new Error('the container engine sends output in a form that is not known');
    if (bytes.length - at - HEAD_BYTES < length) break;
    const begin = at + HEAD_BYTES;
    frames.push({ stream: kind === 2 ? 'stderr' : 'stdout', payload: bytes.subarray(begin, begin + length) });
    at = begin + length;
  }
  return { frames, rest: bytes.subarray(at) };
}

/** The time of a message in nanoseconds, and what was written. Throws when it has no time. */
export function splitTime(payload: Buffer): { readonly nanos: bigint; readonly text: Buffer } {
  const blank = payload.indexOf(0x20);
  const match = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d)$/.exec(payload.subarray(0, Math.max(0, blank)).toString('latin1'));
  if (match === null) throw new Error('the container engine sends output without its time');
  const seconds = Date.parse(`${match[1]}${match[3]}`) / 1000;
  return { nanos: BigInt(seconds) * NANOS_PER_SEC + BigInt((match[2] ?? '').padEnd(9, '0')), text: payload.subarray(blank + 1) };
}

const NANOS_PER_SEC = 1_000_000_000n;
/** Messages of one stream are this much behind those of the other at most. */
const SINCE_MARGIN_SECS = 10n;

/** How far a stream has been taken. */
export interface LogPlace {
  readonly nanos: bigint;
  /** Messages of that time. */
  readonly count: number;
}

export const FIRST_PLACE: LogPlace = { nanos: 0n, count: 0 };

/** From when on the engine has to be asked again, in seconds. */
export function sinceSecs(places: readonly LogPlace[]): string {
  const newest = places.reduce((most, { nanos }) => (nanos > most ? nanos : most), 0n) / NANOS_PER_SEC;
  return String(newest > SINCE_MARGIN_SECS ? newest - SINCE_MARGIN_SECS : 0n);
}

/**
 * Tells the messages of one stream on one connection that are new from those that were taken before. Once it has met a new one all are
 * new, whatever their time: the machine's clock may be set back.
 */
export function createSieve(from: LogPlace): { isNew(nanos: bigint): boolean; readonly place: LogPlace } {
  let place = from;
  let isCatchingUp = from.count > 0;
  let same = 0;
  return {
    isNew(nanos) {
      if (isCatchingUp) {
        if (nanos < place.nanos) return false;
        if (nanos === place.nanos) {
          same += 1;
          if (same <= place.count) return false;
        }
        isCatchingUp = false;
      }
      place = nanos === place.nanos ? { nanos, count: place.count + 1 } : { nanos, count: 1 };
      return true;
    },
    get place() {
      return place;
    },
  };
}
