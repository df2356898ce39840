/**
 * The scheduler API over HTTP: a stream of RecordIO for the subscription, one POST a call.
 *
 * Calls that use offers or kill go over one connection, one after another, so that they reach the master in the order in
 * which they were decided; the others share a few keep-alive connections. A 307 names the leader, which is then asked
 * directly; when it cannot be reached, the next of the configured masters is. Neither reconnects nor resends: the
 * scheduler client does the first and nobody does the second.
 */
import { Pool, type Dispatcher } from 'undici';
import type { Log } from '@ekiden/model';
import { EKIDEN_BATCH_ACKNOWLEDGE, RecordDecoder, type SchedulerCall } from '@ekiden/mesos';
import { parseEvent } from './parse-event.js';
import type { CallAnswer, SchedulerTransport, SubscribeCall, Subscription, SubscriptionSink } from './transport.js';

const PATH = '/api/v1/scheduler';
const MAX_REDIRECTS = 3;
const CONNECT_TIMEOUT_MS = 3_000;
/** How long a call may take, answer included. */
const CALL_TIMEOUT_MS = 10_000;
const MAX_ERROR_TEXT = 4_096;
/** Parallel connections for acknowledgements and other calls whose order means nothing. */
const UNORDERED_CONNECTIONS = 4;
/** Requests under way at once on each of them. */
const PIPELINING = 1;

export interface HttpTransportOptions {
  /** Base URLs such as `http://127.0.0.1:5050`; asked in turn until one answers. */
  readonly masters: readonly string[];
  /** Bearer token, or null. */
  readonly token: string | null;
  readonly log: Log;
}

export interface HttpTransport extends SchedulerTransport {
  /** Closes all connections. */
  close(): Promise<void>;
}

/** A transport to the first of `masters` that leads. Never rejects: what goes wrong is in the answer. */
export function httpTransport(options: HttpTransportOptions): HttpTransport {
  return new Transport(options);
}

/** The connections to one master. */
interface Channel {
  readonly origin: string;
  readonly ordered: Pool;
  readonly unordered: Pool;
  readonly streams: Pool;
}

class Transport implements HttpTransport {
  private readonly channels = new Map<string, Channel>();
  private next = 0;
  private leader: string | null = null;

  constructor(private readonly options: HttpTransportOptions) {
    if (options.masters.length === 0) throw new Error('at least one master URL is needed');
  }

  subscribe(call: SubscribeCall, sink: SubscriptionSink): Subscription {
    const abort = new AbortController();
    let isClosed = false;
    const close = (why: string): void => {
      if (isClosed) return;
      isClosed = true;
      abort.abort();
      sink.closed(why);
    };
    void this.stream(call, sink, abort.signal).then(close, (error: unknown) => close(describe(error)));
    return { close: () => close('closed by the framework') };
  }

  async call(streamId: string, call: Exclude<SchedulerCall, SubscribeCall>): Promise<CallAnswer> {
    const channel = this.channel(this.leader ?? this.currentMaster());
    const pool = isOrdered(call) ? channel.ordered : channel.unordered;
    try {
      const response = await pool.request({
        method: 'POST',
        path: PATH,
        headers: this.headers({ 'mesos-stream-id': streamId }),
        body: JSON.stringify(call),
        headersTimeout: CALL_TIMEOUT_MS,
        bodyTimeout: CALL_TIMEOUT_MS,
      });
      return { status: response.statusCode, text: (await response.body.text()).slice(0, MAX_ERROR_TEXT) };
    } catch (error) {
      return { status: 0, text: describe(error) };
    }
  }

  async close(): Promise<void> {
    const all = [...this.channels.values()].flatMap(({ ordered, unordered, streams }) => [ordered, unordered, streams]);
    this.channels.clear();
    await Promise.all(all.map((pool) => pool.destroy()));
  }

  /** Resolves with the reason when the stream ends. */
  private async stream(call: SubscribeCall, sink: SubscriptionSink, signal: AbortSignal): Promise<string> {
    const opened = await this.open(call, signal);
    if (typeof opened === 'string') return opened;
    const streamId = opened.headers['mesos-stream-id'];
    sink.opened(typeof streamId === 'string' ? streamId : '');
    const decoder = new RecordDecoder();
    for await (const chunk of opened.body) {
      if (!(chunk instanceof Uint8Array)) continue;
      for (const record of decoder.push(chunk)) {
        if (signal.aborted) return 'closed by the framework';
        const event = parseEvent(record);
        if (event !== null) sink.event(event);
      }
    }
    return 'the master ended the stream';
  }

  /** The open stream of the leader, or why there is none. */
  private async open(call: SubscribeCall, signal: AbortSignal): Promise<Dispatcher.ResponseData | string> {
    let origin = this.leader ?? this.currentMaster();
    for (let hop = 0; hop <= MAX_REDIRECTS; hop += 1) {
      let response: Dispatcher.ResponseData;
      try {
        response = await this.channel(origin).streams.request({
          method: 'POST',
          path: PATH,
          headers: this.headers({ accept: 'application/json' }),
          body: JSON.stringify(call),
          headersTimeout: CALL_TIMEOUT_MS,
          bodyTimeout: 0,
          signal,
        });
      } catch (error) {
        this.turn();
        throw error;
      }
      if (response.statusCode === 200) {
        this.leader = origin;
        return response;
      }
      const text = (await response.body.text()).slice(0, MAX_ERROR_TEXT);
      const location = response.headers.location;
      if (response.statusCode !== 307 || typeof location !== 'string') {
        this.turn();
        return `${origin} answered ${response.statusCode}: ${text}`;
      }
      origin = new URL(location, origin).origin;
    }
    this.turn();
    return `more than ${MAX_REDIRECTS} redirects`;
  }

  /** Ask the next configured master. */
  private turn(): void {
    this.leader = null;
    this.next += 1;
  }

  private currentMaster(): string {
    const { masters } = this.options;
    return new URL(masters[this.next % masters.length] ?? '').origin;
  }

  private channel(origin: string): Channel {
    let channel = this.channels.get(origin);
    if (channel === undefined) {
      const pool = (connections: number): Pool =>
        new Pool(origin, { connections, pipelining: PIPELINING, connect: { timeout: CONNECT_TIMEOUT_MS }, keepAliveTimeout: 60_000 });
      channel = { origin, ordered: pool(1), unordered: pool(UNORDERED_CONNECTIONS), streams: pool(2) };
      this.channels.set(origin, channel);
    }
    return channel;
  }

  private headers(more: Readonly<Record<string, string>>): Record<string, string> {
    const { token } = this.options;
    return { 'content-type': 'application/json', ...(token === null ? {} : { authorization: `Bearer ${token}` }), ...more };
  }
}

/** Calls whose order decides what happens. */
function isOrdered(call: SchedulerCall): boolean {
  return call.type !== 'ACKNOWLEDGE' && call.type !== EKIDEN_BATCH_ACKNOWLEDGE && call.type !== 'RECONCILE' && call.type !== 'MESSAGE';
}

const describe = (error: unknown): string => (error instanceof Error ? error.message || error.name : String(error));
