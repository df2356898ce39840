/**
 * A small balancer, as a test of roll-outs needs one: it knows nothing but `/v2/events` and `/v2/apps/{id}/tasks`, and sends
 * requests without a pause to whoever may get some.
 *
 * A backend is a task that runs, is not being stopped, and passes all its checks. Each request opens a connection of its own,
 * so that a closed idle connection is never taken for a failed request.
 */
import { get } from 'node:http';
import { eventually, type AnyJson, type Ekiden } from './ekiden.js';
import { EventFollower } from './event-follower.js';

const CLIENTS = 3;
const REQUEST_TIMEOUT_MS = 20_000;
const FOLLOWED = new Set(['instance_changed_event', 'status_update_event', 'health_status_changed_event', 'instance_health_changed_event']);

export interface Look {
  readonly tasks: number;
  readonly backends: number;
}

export class Balancer {
  readonly failures: string[] = [];
  /** Every state of the app that was seen, one answer of the API each. */
  readonly looks: Look[] = [];
  /** Answers by what the backend said. */
  readonly answers = new Map<string, number>();
  private backends: readonly string[] = [];
  private follower: EventFollower | null = null;
  private looking: Promise<void> | null = null;
  private isStale = false;
  private isOver = false;
  private clients: Promise<void>[] = [];

  constructor(
    private readonly ekiden: Ekiden,
    private readonly appId: string,
  ) {}

  async start(): Promise<void> {
    this.follower = await EventFollower.open(this.ekiden.api, {
      onEvent: (event) => FOLLOWED.has(event.eventType) && this.look(),
      onConnect: () => this.look(),
    });
    await eventually('the balancer has backends', () => this.backends.length > 0);
    this.clients = Array.from({ length: CLIENTS }, (_, first) => this.ask(first));
  }

  async stop(): Promise<void> {
    this.isOver = true;
    this.follower?.close();
    await Promise.all(this.clients);
  }

  /** How many requests were answered with this text. */
  answered(text: string): number {
    return this.answers.get(text) ?? 0;
  }

  /** Reads the tasks anew; what changes while it reads makes it read once more. */
  private look(): void {
    this.isStale = true;
    this.looking ??= (async () => {
      while (this.isStale && !this.isOver) {
        this.isStale = false;
        try {
          this.take(await this.ekiden.tasks(this.appId));
        } catch {
          // The API is away: whoever was a backend stays one.
        }
      }
      this.looking = null;
    })();
  }

  private take(tasks: readonly AnyJson[]): void {
    const may = tasks.filter(
      ({ state, healthCheckResults }) =>
        state === 'TASK_RUNNING' && healthCheckResults.length > 0 && healthCheckResults.every(({ alive }: AnyJson) => alive === true),
    );
    this.backends = may.map(({ host, ports }) => `http://${host}:${ports[0]}/`);
    this.looks.push({ tasks: tasks.length, backends: may.length });
  }

  private async ask(first: number): Promise<void> {
    for (let turn = first; !this.isOver; turn += 1) {
      const backend = this.backends[turn % this.backends.length];
      if (backend === undefined) {
        this.failures.push('no backend');
        await new Promise((resolve) => setTimeout(resolve, 100));
        continue;
      }
      try {
        const text = await fetchText(backend);
        this.answers.set(text, (this.answers.get(text) ?? 0) + 1);
      } catch (error) {
        this.failures.push(`${backend}: ${error instanceof Error ? error.message : 'failed'}`);
      }
    }
  }
}

function fetchText(url: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const request = get(url, { agent: false, timeout: REQUEST_TIMEOUT_MS }, (response) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (chunk: string) => (text += chunk));
      response.on('error', reject);
      response.on('end', () => (response.statusCode === 200 ? resolve(text) : reject(new Error(`answered ${response.statusCode}`))));
    });
    request.on('timeout', () => request.destroy(new Error(`no answer within ${REQUEST_TIMEOUT_MS} ms`)));
    request.on('error', reject);
  });
}
