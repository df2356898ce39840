/**
 * A client of `/v2/events` as a balancer or a dashboard has one: it reads what comes, and connects again when it is cut off.
 *
 * Nothing is replayed by the stream: who needs the state reads it after each connect (`onConnect`).
 */
import { get, type ClientRequest } from 'node:http';
import type { AnyJson } from './ekiden.js';

const RECONNECT_MS = 100;

export interface FollowerHandlers {
  onEvent?(event: AnyJson): void;
  onConnect?(): void;
}

export class EventFollower {
  readonly events: AnyJson[] = [];
  private request: ClientRequest | null = null;
  private timer: NodeJS.Timeout | null = null;
  private isClosed = false;

  private constructor(
    private readonly api: string,
    private readonly handlers: FollowerHandlers,
  ) {}

  /** Resolves when the first connection stands: later events are seen. */
  static async open(api: string, handlers: FollowerHandlers = {}): Promise<EventFollower> {
    const follower = new EventFollower(api, handlers);
    await new Promise<void>((resolve) => follower.connect(resolve));
    return follower;
  }

  /** The same without waiting: whoever is asked may not lead yet. */
  static follow(api: string, handlers: FollowerHandlers): EventFollower {
    const follower = new EventFollower(api, handlers);
    follower.connect(() => undefined);
    return follower;
  }

  ofType(type: string): AnyJson[] {
    return this.events.filter((event) => event.eventType === type);
  }

  close(): void {
    this.isClosed = true;
    if (this.timer !== null) clearTimeout(this.timer);
    this.request?.destroy();
  }

  private connect(onFirst: () => void): void {
    if (this.isClosed) return;
    const again = (): void => {
      if (this.timer !== null) clearTimeout(this.timer);
      this.timer = setTimeout(() => this.connect(onFirst), RECONNECT_MS);
    };
    const request = get(`${this.api}/v2/events`, { headers: { accept: 'text/event-stream' }, agent: false }, (response) => {
      if (response.statusCode !== 200) {
        response.resume();
        return again();
      }
      this.handlers.onConnect?.();
      onFirst();
      let rest = '';
      response.setEncoding('utf8');
      response.on('data', (text: string) => {
        const frames = (rest + text).split('\r\n\r\n');
        rest = frames.pop() ?? '';
        for (const frame of frames) this.take(frame);
      });
      response.on('close', again);
    });
    request.on('error', again);
    this.request = request;
  }

  private take(frame: string): void {
    const line = frame.split('\r\n').find((one) => one.startsWith('data: '));
    if (line === undefined) return; // a heartbeat
    const event: AnyJson = JSON.parse(line.slice('data: '.length));
    this.events.push(event);
    this.handlers.onEvent?.(event);
  }
}
