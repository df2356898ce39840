/** Follows `/v2/events` of an Ekiden: what the benchmark waits for arrives, and is never polled for. */
import { get, type IncomingMessage } from 'node:http';
import { createParser } from 'eventsource-parser';

export interface ApiEvent {
  readonly type: string;
  readonly data: Readonly<Record<string, unknown>>;
}

const TYPES = ['status_update_event', 'deployment_success', 'deployment_failed'];
/** All that a timeline shows; more than what is awaited elsewhere. */
export const TIMELINE_TYPES: readonly string[] = [...TYPES, 'instance_changed_event'];
const BOUND_MS = 120_000;

export class EventWatch {
  private readonly listeners = new Set<(event: ApiEvent) => void>();
  /** Deployments that ended well: the event may be faster than the answer that names the deployment. */
  private readonly succeeded = new Set<string>();

  private constructor(private readonly response: IncomingMessage) {
    const parser = createParser({ onEvent: ({ event, data }) => this.tell({ type: event ?? 'message', data: JSON.parse(data) }) });
    response.setEncoding('utf8');
    response.on('data', (text: string) => parser.feed(text));
    response.on('error', () => undefined); // Ekiden has ended; whoever still waits says what for.
  }

  static open(api: string, types: readonly string[] = TYPES): Promise<EventWatch> {
    const query = types.map((type) => `event_type=${type}`).join('&');
    return new Promise((resolve, reject) => {
      const request = get(`${api}/v2/events?${query}`, { headers: { accept: 'text/event-stream' } }, (response) => {
        if (response.statusCode === 200) resolve(new EventWatch(response));
        else reject(new Error(`/v2/events answered ${response.statusCode}`));
      });
      request.on('error', reject);
    });
  }

  private tell(event: ApiEvent): void {
    if (event.type === 'deployment_success') this.succeeded.add(String(event.data['id']));
    for (const listener of this.listeners) listener(event);
  }

  /** Calls back for each event until the answered function is called. */
  listen(listener: (event: ApiEvent) => void): () => void {
    this.listeners.add(listener);
    return () => void this.listeners.delete(listener);
  }

  /** Until `isEnough` says so of an event; what is shown first is what comes from now on. */
  until(what: string, isEnough: (event: ApiEvent) => boolean): Promise<void> {
    return new Promise((resolve, reject) => {
      const done = (error?: Error): void => {
        this.listeners.delete(listener);
        clearTimeout(timer);
        if (error === undefined) resolve();
        else reject(error);
      };
      const listener = (event: ApiEvent): void => {
        if (isEnough(event)) done();
      };
      const timer = setTimeout(() => done(new Error(`no event within ${BOUND_MS} ms: ${what}`)), BOUND_MS);
      this.listeners.add(listener);
    });
  }

  async deploymentSucceeded(id: string): Promise<void> {
    if (this.succeeded.has(id)) return;
    await this.until(`deployment ${id} succeeds`, ({ type, data }) => {
      if (type === 'deployment_failed' && data['id'] === id) throw new Error(`deployment ${id} failed`);
      return type === 'deployment_success' && data['id'] === id;
    });
  }

  end(): void {
    this.response.destroy();
  }
}
