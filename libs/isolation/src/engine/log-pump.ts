/**
 * Writes the output of a container into its sandbox, as it comes: each message once, whoever is killed meanwhile.
 *
 * The engine keeps the output (bounded: container-request.ts), we follow it, and begin anew from the recorded position when the connection
 * breaks, the disk was full, or another agent takes over. At the end, what is left is read once more without following: then it is whole.
 */
import { closeSync, writeSync } from 'node:fs';
import type { Log, TaskId } from '@ekiden/model';
import { LOG_NAMES, type LogName } from '../log-ledger.js';
import { reasonOf } from '../reason-of.js';
import { createBackOff } from './back-off.js';
import { type EngineClient, EngineRefusal } from './engine-client.js';
import { createSieve, readFrames, sinceSecs, splitTime } from './log-frames.js';
import { type LogPosition, endOfLog, freshPosition, openLog, readPosition, writePosition } from './log-position.js';

export interface LogPump {
  /** The engine is back: what waits to try again does so now. */
  wake(): void;
  /** The container is over: resolves when all of its output is written, or nothing more can be had. Rejects never. */
  finish(): Promise<void>;
  /** Lets go; the next agent goes on from here. */
  close(): void;
}

export interface LogSource {
  readonly client: EngineClient;
  readonly taskId: TaskId;
  readonly container: string;
  readonly runDir: string;
  readonly sandbox: string;
  readonly log: Log;
}

/** A connection that follows ends by itself when its container has: if it does not, it is broken off. */
const DRAIN_MS = 5_000;
/** How long the engine may be away while the last of the output is still with it. */
const FINISH_MS = 60_000;
/** More than one batch ever has: somebody else has written to the log. */
const MAX_UNRECORDED_BYTES = 4 * 1024 * 1024;

export function startLogPump(source: LogSource): LogPump {
  const { log, taskId } = source;
  const backOff = createBackOff();
  const closing = new AbortController();
  let following = new AbortController();
  let isOver = false;

  const follow = async (): Promise<void> => {
    while (!isOver && !closing.signal.aborted) {
      following = new AbortController();
      try {
        await pass(source, true, AbortSignal.any([following.signal, closing.signal]), () => backOff.reset());
      } catch (error) {
        if (!isOver && !closing.signal.aborted) log.debug('log-following-broken', { taskId, why: reasonOf(error) });
      }
      if (!isOver && !closing.signal.aborted) await backOff.wait();
    }
  };
  const followed = follow();

  async function finish(): Promise<void> {
    isOver = true;
    backOff.wake();
    const drained = setTimeout(() => following.abort(), DRAIN_MS);
    await followed;
    clearTimeout(drained);
    const begun = performance.now();
    for (backOff.reset(); !closing.signal.aborted; await backOff.wait()) {
      try {
        return await pass(source, false, closing.signal, () => undefined);
      } catch (error) {
        // No such container, or one whose output was lost with its engine.
        const isHopeless = error instanceof EngineRefusal || performance.now() - begun > FINISH_MS;
        if (!isHopeless) continue;
        return log.warn('log-not-whole', { taskId, why: reasonOf(error) });
      }
    }
  }

  return {
    wake: () => backOff.wake(),
    finish,
    close() {
      closing.abort();
      backOff.wake();
    },
  };
}

/** One connection, from the recorded position to its end. */
async function pass(source: LogSource, isFollowing: boolean, stop: AbortSignal, isConnected: () => void): Promise<void> {
  const writer = openWriter(source);
  try {
    const query = `stdout=1&stderr=1&timestamps=1&follow=${isFollowing ? 1 : 0}&since=${writer.since}`;
    const answer = await source.client.stream('GET', `/containers/${source.container}/logs?${query}`, { stop });
    isConnected();
    let rest: Buffer = Buffer.alloc(0);
    for await (const chunk of answer) {
      const piece = Buffer.from(chunk as Uint8Array);
      const read = readFrames(rest.length === 0 ? piece : Buffer.concat([rest, piece]));
      rest = read.rest;
      writer.write(read.frames);
    }
  } finally {
    writer.close();
  }
}

interface Writer {
  readonly since: string;
  /** Appends what is new of them, then records it. Throws when the disk refuses. */
  write(frames: ReturnType<typeof readFrames>['frames']): void;
  close(): void;
}

function openWriter({ sandbox, runDir }: LogSource): Writer {
  const opened: number[] = [];
  const close = (): void => opened.forEach((file) => closeSync(file));
  const open = (name: LogName): number => {
    const file = openLog(sandbox, name);
    opened.push(file);
    return file;
  };
  try {
    const files = { stdout: open('stdout'), stderr: open('stderr') };
    const recorded = readPosition(runDir);
    const begin = recorded ?? freshPosition(sandbox, files);
    if (recorded === null) writePosition(runDir, begin);
    const streams = Object.fromEntries(LOG_NAMES.map((name) => [name, openStream(begin, name, files[name], endOfLog(sandbox, name, files[name]))]));
    const { stdout, stderr } = streams;
    if (stdout === undefined || stderr === undefined) throw new Error('a task has two logs');
    return {
      since: sinceSecs([begin.stdout.place, begin.stderr.place]),
      write(frames) {
        for (const { stream, payload } of frames) (stream === 'stdout' ? stdout : stderr).take(payload);
        const isWritten = [stdout.flush(), stderr.flush()].some(Boolean);
        if (isWritten) writePosition(runDir, { stdout: stdout.position(), stderr: stderr.position() });
      },
      close,
    };
  } catch (error) {
    close();
    throw error;
  }
}

interface StreamWriter {
  take(payload: Buffer): void;
  /** Whether there was anything new. */
  flush(): boolean;
  position(): LogPosition['stdout'];
}

function openStream(begin: LogPosition, name: LogName, file: number, endOfFile: number): StreamWriter {
  const sieve = createSieve(begin[name].place);
  let { end } = begin[name];
  const unrecorded = endOfFile - end;
  /** Bytes of what comes that are in the file already. */
  let there = unrecorded > 0 && unrecorded <= MAX_UNRECORDED_BYTES ? unrecorded : 0;
  // Somebody else has written, or cut it: from here on it counts as it is.
  if (there === 0) end = endOfFile;
  let batch: Buffer[] = [];
  return {
    take(payload) {
      const { nanos, text } = splitTime(payload);
      if (sieve.isNew(nanos)) batch.push(text);
    },
    flush() {
      if (batch.length === 0) return false;
      const bytes = Buffer.concat(batch);
      batch = [];
      const known = Math.min(there, bytes.length);
      there -= known;
      for (let at = known; at < bytes.length;) at += writeSync(file, bytes, at);
      end += bytes.length;
      return true;
    },
    position: () => ({ place: sieve.place, end }),
  };
}
