/**
 * `/v2/events`: every committed event to every subscriber, and nobody waits for a slow one (Marathon: 6.10, decision 21).
 *
 * An event becomes text once. A subscriber that does not read is cut off by name of a limit; it reconnects and reads the
 * state anew, as clients do after every connect: nothing is replayed.
 */
import type { ServerResponse } from 'node:http';
import { eventStreamAttached, eventStreamDetached } from '@ekiden/marathon-api';
import { EkidenError, type Clock, type Log, type Timer } from '@ekiden/model';
import { HEARTBEAT_MS, MAX_STALL_MS, MAX_SUBSCRIBERS, MAX_UNSENT_BYTES } from './bounds.js';
import type { Json } from './stored-definition.js';

interface Subscriber {
  readonly response: ServerResponse;
  readonly address: string;
  /** Null: all. */
  readonly types: ReadonlySet<string> | null;
  /** Bytes that had left this process, and when that number last grew. */
  flushed: number;
  progressAt: number;
}

const HEADERS = { 'content-type': 'text/event-stream;charset=utf-8', connection: 'close', 'cache-control': 'no-cache, no-store, must-revalidate' };
const CHECK_MS = 1_000;

export class EventStream {
  private readonly subscribers = new Set<Subscriber>();
  private beatAt: number;
  private timer: Timer | null = null;

  constructor(
    private readonly clock: Clock,
    private readonly log: Log,
  ) {
    this.beatAt = clock.now() + HEARTBEAT_MS;
  }

  get size(): number {
    return this.subscribers.size;
  }

  /** Throws `too-many-subscribers` at the limit. The response is ours from here on. */
  assertRoom(): void {
    if (this.subscribers.size < MAX_SUBSCRIBERS) return;
    throw new EkidenError('too-many-subscribers', `${MAX_SUBSCRIBERS} event streams are open already, which is the limit: close one that nobody reads`);
  }

  /** Takes over a response whose head has not been sent. `headers` come on top of the stream's own. */
  attach(response: ServerResponse, address: string, types: ReadonlySet<string> | null, headers: Readonly<Record<string, string>>): void {
    const subscriber: Subscriber = { response, address, types, flushed: 0, progressAt: this.clock.now() };
    response.useChunkedEncodingByDefault = false;
    response.writeHead(200, { ...headers, ...HEADERS });
    response.flushHeaders();
    this.subscribers.add(subscriber);
    response.on('close', () => this.detach(subscriber));
    response.on('error', () => this.detach(subscriber));
    this.send(eventStreamAttached(this.clock.now(), address));
    this.timer ??= this.clock.after(CHECK_MS, () => this.check());
  }

  send(payload: Json & { readonly eventType?: unknown }): void {
    if (this.subscribers.size === 0) return;
    const type = typeof payload.eventType === 'string' ? payload.eventType : 'message';
    const frame = Buffer.from(`event: ${type}\r\ndata: ${JSON.stringify(payload)}\r\n\r\n`);
    for (const subscriber of this.subscribers) {
      if (subscriber.types === null || subscriber.types.has(type)) this.write(subscriber, frame);
    }
  }

  /** Ends all streams: this process stops or leads no longer. */
  close(): void {
    this.timer?.cancel();
    this.timer = null;
    for (const { response } of this.subscribers) response.end();
    this.subscribers.clear();
  }

  private write(subscriber: Subscriber, frame: Buffer | string): void {
    const unsent = unsentBytes(subscriber.response);
    if (unsent > MAX_UNSENT_BYTES) return this.cut(subscriber, 'more than 1 MiB unsent');
    if (unsent === 0) subscriber.progressAt = this.clock.now();
    subscriber.response.write(frame);
  }

  private check(): void {
    const now = this.clock.now();
    for (const subscriber of this.subscribers) {
      const unsent = unsentBytes(subscriber.response);
      const flushed = (subscriber.response.socket?.bytesWritten ?? 0) - unsent;
      if (unsent === 0 || flushed > subscriber.flushed) subscriber.progressAt = now;
      subscriber.flushed = flushed;
      if (now - subscriber.progressAt >= MAX_STALL_MS) this.cut(subscriber, '10 s without progress');
    }
    if (now >= this.beatAt) {
      this.beatAt = now + HEARTBEAT_MS;
      for (const subscriber of this.subscribers) this.write(subscriber, '\r\n');
    }
    this.timer = this.subscribers.size === 0 ? null : this.clock.after(CHECK_MS, () => this.check());
  }

  private cut(subscriber: Subscriber, why: string): void {
    this.log.warn('event-subscriber-cut', { address: subscriber.address, why });
    subscriber.response.destroy();
    this.detach(subscriber);
  }

  private detach(subscriber: Subscriber): void {
    if (!this.subscribers.delete(subscriber)) return;
    this.send(eventStreamDetached(this.clock.now(), subscriber.address));
  }
}

const unsentBytes = (response: ServerResponse): number => response.writableLength;
