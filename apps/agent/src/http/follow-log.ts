/**
 * A log as it grows: what is there from an offset on, then what is added, until the task is over and all of it was told.
 *
 * It looks at the log and not at what woke it, and reads on only when the last piece was taken: one piece of memory a follower.
 */
import type { LogChunk } from '@ekiden/isolation';
import { wholeCharacters, type LogEvent } from '@ekiden/service';

/** The largest part of a log in one event. */
export const LOG_PIECE_BYTES = 32 * 1024;

export interface FollowedLog {
  read(offset: number, length: number): Promise<LogChunk>;
  /** Nothing is written any more. */
  isOver(): boolean;
  keptUntil(): Promise<string | null>;
  /** Resolves when it may be worth to look again, at once when the signal is given. */
  changed(gone: AbortSignal): Promise<void>;
}

/** From `offset` on; a negative one counts from the end. */
export async function* followLog(log: FollowedLog, offset: number, gone: AbortSignal): AsyncGenerator<LogEvent> {
  let at = offset;
  for (;;) {
    // Asked before the read, which then sees all that was written before the end.
    const isOver = log.isOver();
    const chunk = await log.read(at, LOG_PIECE_BYTES);
    if (gone.aborted) return;
    if (at < 0) at = chunk.offset;
    if (!chunk.isMissing && chunk.offset !== at) {
      yield { kind: 'gap', from: at, to: chunk.offset };
      at = chunk.offset;
    }
    const bytes = isOver ? chunk.data : chunk.data.subarray(0, toSend(chunk));
    if (bytes.length > 0) {
      yield { kind: 'log', offset: at, bytes };
      at += bytes.length;
      continue;
    }
    if (isOver) return yield { kind: 'end', offset: at, keptUntil: await log.keptUntil() };
    await log.changed(gone);
    if (gone.aborted) return;
  }
}

/** A character whose rest comes with the next piece waits for it; where no next byte will follow this one, nothing waits. */
function toSend({ offset, data, end }: LogChunk): number {
  const goesOn = data.length === LOG_PIECE_BYTES || offset + data.length === end;
  return goesOn ? wholeCharacters(data) : data.length;
}
