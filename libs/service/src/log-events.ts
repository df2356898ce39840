/**
 * A log of a task as server-sent events, the same from the agent and from paas-api.
 *
 *   log           `offset` and `data`; with `base64` where the bytes are no UTF-8 text, and `data` is only near to it
 *   gap           what is between `from` and `to` is not kept any more; `to` below `from`: the task has emptied its log
 *   interrupted   the agent does not answer: `why`; it goes on when the agent is back
 *   end           the task is over and all was sent; its files stay until `keptUntil` (null: nobody knows)
 *
 * The id of an event is where the next one begins. Sent back as `Last-Event-ID`, nothing is lost and nothing comes twice.
 */
import { isUtf8 } from 'node:buffer';

export type LogEvent =
  | { readonly kind: 'log'; readonly offset: number; readonly bytes: Buffer }
  | { readonly kind: 'gap'; readonly from: number; readonly to: number }
  | { readonly kind: 'interrupted'; readonly why: string }
  | { readonly kind: 'end'; readonly offset: number; readonly keptUntil: string | null };

export const EVENT_STREAM = 'text/event-stream';
export const EVENT_STREAM_HEADERS = { 'content-type': `${EVENT_STREAM}; charset=utf-8`, 'cache-control': 'no-store', 'x-content-type-options': 'nosniff' };
/** A comment, which no client sees as an event. */
export const LOG_HEARTBEAT = ':\n\n';
/** Twice in the time for which a standby waits for the leader's next byte. */
export const LOG_HEARTBEAT_MS = 5_000;
/** How long who follows a log may take nothing before it is cut off. */
export const MAX_LOG_STALL_MS = 30_000;

export function logFrame(event: LogEvent): string {
  switch (event.kind) {
    case 'log': {
      const { offset, bytes } = event;
      const data = bytes.toString('utf8');
      return frame('log', offset + bytes.length, isUtf8(bytes) ? { offset, data } : { offset, data, base64: bytes.toString('base64') });
    }
    case 'gap':
      return frame('gap', event.to, { from: event.from, to: event.to });
    case 'interrupted':
      return frame('interrupted', null, { why: event.why });
    case 'end':
      return frame('end', event.offset, { offset: event.offset, keptUntil: event.keptUntil });
  }
}

/** JSON has no line ends of its own: one `data` line each. */
const frame = (name: string, id: number | null, data: unknown): string =>
  `event: ${name}\n${id === null ? '' : `id: ${id}\n`}data: ${JSON.stringify(data)}\n\n`;

/** How many of the bytes are whole UTF-8 characters: one that goes on behind the end is left to the next piece. Not text: all of them. */
export function wholeCharacters(bytes: Buffer): number {
  for (let back = 1; back <= Math.min(3, bytes.length); back += 1) {
    const byte = bytes[bytes.length - back] ?? 0;
    if ((byte & 0xc0) === 0x80) continue;
    const needed = byte >= 0xf5 ? 1 : byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : byte >= 0xc0 ? 2 : 1;
    return bytes.length - (needed > back ? back : 0);
  }
  return bytes.length;
}

/** Where to go on, by `Last-Event-ID`; null when there is none, or none of ours. */
export const lastEventId = (header: string | readonly string[] | undefined): number | null =>
  typeof header === 'string' && /^\d{1,15}$/.test(header) ? Number(header) : null;
