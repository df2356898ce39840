/**
 * Follows a log on its agent, and goes on where it was when the agent comes back: who reads is told, and misses nothing.
 *
 * One stream from the agent for each follower; nothing is read ahead of who reads here.
 */
import { EkidenError } from '@ekiden/model';
import type { LogEvent } from '@ekiden/service';
import { createParser, type EventSourceMessage } from 'eventsource-parser';
import { z } from 'zod';
import { MAX_LOG_EVENT_BYTES, MAX_LOG_RESUMES } from './bounds.js';

/** Server-sent events of a log from an offset on. An `EkidenError` other than `agent-unavailable` says that there is no more to come. */
export type OpenLog = (offset: number, gone: AbortSignal) => Promise<AsyncIterable<Uint8Array>>;

export interface Followed {
  readonly open: OpenLog;
  /** Already open: what is wrong from the start was told in another way. */
  readonly first: AsyncIterable<Uint8Array>;
  readonly offset: number;
  /** Before the agent is asked again. */
  readonly pause: (gone: AbortSignal) => Promise<void>;
}

/** Ends with the task's `end`, or when nobody reads. Throws when the agent does not come back, or has no such log any more. */
export async function* followAgentLog({ open, first, offset, pause }: Followed, gone: AbortSignal): AsyncGenerator<LogEvent> {
  let at = offset;
  let failures = 0;
  let chunks: AsyncIterable<Uint8Array> | null = first;
  for (;;) {
    try {
      for await (const { event, next } of readLogEvents(chunks ?? (await open(at, gone)))) {
        failures = 0;
        at = next;
        yield event;
        if (event.kind === 'end') return;
      }
      throw new Error('the agent has ended the stream');
    } catch (error) {
      if (gone.aborted) return;
      if (failures >= MAX_LOG_RESUMES || (error instanceof EkidenError && error.code !== 'agent-unavailable')) throw error;
      if (failures === 0) yield { kind: 'interrupted', why: error instanceof Error ? error.message : String(error) };
      failures += 1;
    }
    chunks = null;
    await pause(gone);
    if (gone.aborted) return;
  }
}

const logData = z.looseObject({ offset: z.number(), data: z.string(), base64: z.string().optional() });
const gapData = z.looseObject({ from: z.number(), to: z.number() });
const endData = z.looseObject({ offset: z.number(), keptUntil: z.string().nullable() });

interface Placed {
  readonly event: LogEvent;
  /** Where the next event begins. */
  readonly next: number;
}

async function* readLogEvents(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Placed> {
  const queue: EventSourceMessage[] = [];
  let unparsed = 0;
  const parser = createParser({
    onEvent: (message) => {
      unparsed = 0;
      queue.push(message);
    },
    onComment: () => (unparsed = 0),
  });
  const decoder = new TextDecoder();
  for await (const chunk of chunks) {
    unparsed += chunk.length;
    if (unparsed > MAX_LOG_EVENT_BYTES) throw new Error(`the agent sent an event above ${MAX_LOG_EVENT_BYTES} bytes`);
    parser.feed(decoder.decode(chunk, { stream: true }));
    for (const message of queue.splice(0)) {
      const placed = parse(message);
      if (placed !== null) yield placed;
    }
  }
}

/** Null: of a kind that this version does not know. */
function parse({ event, data }: EventSourceMessage): Placed | null {
  const value: unknown = JSON.parse(data);
  if (event === 'log') {
    const { offset, data: text, base64 } = logData.parse(value);
    const bytes = base64 === undefined ? Buffer.from(text, 'utf8') : Buffer.from(base64, 'base64');
    return { event: { kind: 'log', offset, bytes }, next: offset + bytes.length };
  }
  if (event === 'gap') {
    const { from, to } = gapData.parse(value);
    return { event: { kind: 'gap', from, to }, next: to };
  }
  if (event === 'end') {
    const { offset, keptUntil } = endData.parse(value);
    return { event: { kind: 'end', offset, keptUntil }, next: offset };
  }
  return null;
}
