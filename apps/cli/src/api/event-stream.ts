/** Reads server-sent events one by one, bounded in size: of `/v2/events`, and of logs. */
import { createParser } from 'eventsource-parser';
import { CliError } from '../cli-error.js';

/** No event of the API is longer. */
const MAX_EVENT_BYTES = 1024 * 1024;

export interface StreamedEvent {
  readonly type: string;
  /** Null: it has none. */
  readonly id: string | null;
  readonly data: Readonly<Record<string, unknown>>;
}

/** Ends when the stream ends; rejects when it breaks. */
export async function* readEvents(stream: ReadableStream<Uint8Array>): AsyncGenerator<StreamedEvent> {
  const queue: StreamedEvent[] = [];
  let unparsed = 0;
  const parser = createParser({
    onEvent: (event) => {
      unparsed = 0;
      const data: unknown = JSON.parse(event.data);
      if (typeof data === 'object' && data !== null)
        queue.push({ type: event.event ?? 'message', id: event.id ?? null, data: Object.fromEntries(Object.entries(data)) });
    },
    onComment: () => (unparsed = 0),
  });
  const decoder = new TextDecoder();
  for await (const chunk of stream) {
    unparsed += chunk.length;
    if (unparsed > MAX_EVENT_BYTES) throw new CliError('the event stream sent an event above 1 MiB', 'is this address an Ekiden?');
    parser.feed(decoder.decode(chunk, { stream: true }));
    yield* queue.splice(0);
  }
}
