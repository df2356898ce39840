/**
 * A balancer in front of the served apps, and the clients behind it: it follows `/v2/events`, reads `/v2/tasks`, and sends
 * requests all the time.
 *
 * A backend is a task that runs, is not being stopped and passes its checks; where none is known to be (its agent is given
 * up), whoever last was, as balancers do. A request that fails is tried again on another backend, once. It is
 *   served        somebody answered it
 *   lost to us    it met a task that this run has killed itself (its requests in flight, or before its end was known)
 *   lost          otherwise: an app that never has less than two healthy instances had nobody to answer it
 */
import { get } from 'node:http';
import { EventFollower } from '../e2e/event-follower.js';
import type { AnyJson } from '../e2e/ekiden.js';
import { ask } from './api-client.js';

const CLIENTS = 4;
const PAUSE_MS = 50;
const TRIES = 2;
const REQUEST_TIMEOUT_MS = 15_000;
/** The state is read again after each event, and as often even if none comes. */
const REFRESH_MS = 1_000;
const READ_TIMEOUT_MS = 3_000;
/** A backend that refused is not asked first for so long. */
const ASIDE_MS = 2_000;
const FOLLOWED: ReadonlySet<string> = new Set([
  'instance_changed_event',
  'status_update_event',
  'health_status_changed_event',
  'instance_health_changed_event',
  'unhealthy_instance_kill_event',
]);
const MAX_STORIES = 50;

interface Backend {
  readonly taskId: string;
  readonly url: string;
}

export class Balancer {
  readonly counts = { served: 0, retried: 0, lostToUs: 0, lost: 0, events: 0, looks: 0, blindLooks: 0 };
  readonly stories: string[] = [];
  /** App → fewest backends that were ever seen. */
  readonly fewest = new Map<string, number>();
  private readonly backends = new Map<string, readonly Backend[]>();
  private readonly aside = new Map<string, number>();
  private followers: EventFollower[] = [];
  private isStale = false;
  private isReading = false;
  private isOver = false;
  private timer: NodeJS.Timeout | null = null;
  private clients: Promise<void>[] = [];
  private turn = 0;

  constructor(
    private readonly apis: readonly string[],
    private readonly apps: readonly string[],
    /** Whether this run has killed the task itself. */
    private readonly isKilledByUs: (taskId: string) => boolean,
  ) {}

  async start(): Promise<void> {
    const onEvent = (event: AnyJson): void => {
      this.counts.events += 1;
      if (FOLLOWED.has(event.eventType)) void this.look();
    };
    // A standby sends its followers to the leader; each asks again until it is at one that leads.
    this.followers = this.apis.map((api) => EventFollower.follow(api, { onEvent, onConnect: () => void this.look() }));
    this.timer = setInterval(() => void this.look(), REFRESH_MS);
    await this.look();
    this.clients = Array.from({ length: CLIENTS }, () => this.client());
  }

  async stop(): Promise<void> {
    this.isOver = true;
    if (this.timer !== null) clearInterval(this.timer);
    for (const follower of this.followers) follower.close();
    await Promise.all(this.clients);
  }

  /** Reads the tasks; what changes meanwhile makes it read once more. */
  private async look(): Promise<void> {
    this.isStale = true;
    if (this.isReading) return;
    this.isReading = true;
    while (this.isStale && !this.isOver) {
      this.isStale = false;
      let isSeen = false;
      this.counts.looks += 1;
      for (const api of this.apis) {
        const outcome = await ask(api, 'GET', '/v2/tasks', undefined, READ_TIMEOUT_MS);
        if (outcome.kind !== 'answer' || outcome.status !== 200) continue; // the next one; nobody: whoever was a backend stays one
        this.take((outcome.body as { tasks: AnyJson[] }).tasks);
        isSeen = true;
        break;
      }
      if (!isSeen) this.counts.blindLooks += 1;
    }
    this.isReading = false;
  }

  private take(tasks: readonly AnyJson[]): void {
    for (const app of this.apps) {
      const usable = tasks.filter(
        (task) =>
          task.appId === app &&
          task.state === 'TASK_RUNNING' &&
          task.healthCheckResults.length > 0 &&
          task.healthCheckResults.every(({ alive }: AnyJson) => alive === true),
      );
      this.fewest.set(app, Math.min(this.fewest.get(app) ?? Number.POSITIVE_INFINITY, usable.length));
      if (usable.length > 0)
        this.backends.set(
          app,
          usable.map((task) => ({ taskId: String(task.id), url: `http://${task.host}:${task.ports[0]}/` })),
        );
    }
  }

  private async client(): Promise<void> {
    while (!this.isOver) {
      const app = this.apps[(this.turn += 1) % this.apps.length] ?? '';
      await this.request(app);
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
    }
  }

  private async request(app: string): Promise<void> {
    const failures: { readonly backend: Backend; readonly why: string; readonly isOurs: boolean }[] = [];
    // A try that was spent on a task of which we alone know that it is dead is not the balancer's.
    for (let tries = 0; tries < TRIES + failures.filter(({ isOurs }) => isOurs).length; tries += 1) {
      const backend = this.choose(
        app,
        failures.map((one) => one.backend.taskId),
      );
      if (backend === null) break;
      try {
        await answer(backend);
        this.counts.served += 1;
        if (failures.length > 0) this.counts.retried += 1;
        return;
      } catch (error) {
        this.aside.set(backend.taskId, Date.now() + ASIDE_MS);
        failures.push({ backend, why: error instanceof Error ? error.message : String(error), isOurs: this.isKilledByUs(backend.taskId) });
      }
    }
    const isOurs = failures.some((one) => one.isOurs);
    if (isOurs) this.counts.lostToUs += 1;
    else this.counts.lost += 1;
    if (this.stories.length < MAX_STORIES) {
      const known = this.backends.get(app)?.map(({ taskId }) => taskId) ?? [];
      const tried = failures.map(({ backend, why }) => `${backend.taskId}: ${why}`).join('; ');
      this.stories.push(`${new Date().toISOString()} ${isOurs ? 'lost to our kills' : 'LOST'} at ${app}: ${tried} (known: ${known.join(' ')})`);
    }
  }

  /** In turn; those that have just refused come last. */
  private choose(app: string, tried: readonly string[]): Backend | null {
    const all = (this.backends.get(app) ?? []).filter(({ taskId }) => !tried.includes(taskId));
    const now = Date.now();
    const fresh = all.filter(({ taskId }) => (this.aside.get(taskId) ?? 0) < now);
    const from = fresh.length > 0 ? fresh : all;
    return from[this.turn % Math.max(1, from.length)] ?? null;
  }
}

function answer({ taskId, url }: Backend): Promise<void> {
  return new Promise((resolve, reject) => {
    const request = get(url, { agent: false, timeout: REQUEST_TIMEOUT_MS }, (response) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (chunk: string) => (text += chunk));
      response.on('error', reject);
      response.on('end', () => {
        if (response.statusCode === 200 && text === taskId) resolve();
        else reject(new Error(response.statusCode === 200 ? `${text} answered` : `answered ${response.statusCode}`));
      });
    });
    request.on('timeout', () => request.destroy(new Error(`no answer within ${REQUEST_TIMEOUT_MS} ms`)));
    request.on('error', reject);
  });
}
