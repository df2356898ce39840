/**
 * What users do all the time: deploy small HTTP services, roll them (well and badly), scale, restart and kill them, delete
 * them and begin anew; and what they were told.
 *
 * Some apps are served: their users never ask for less than two healthy instances, so a balancer in front of them must
 * always find somebody. The others come and go. One user an app: its requests follow one another, so what a 2xx has
 * promised is known exactly, unless an answer was lost; then each of the versions asked for may be the one.
 */
import type { AnyJson } from '../e2e/ekiden.js';
import type { Chance } from '../sim/world/chance.js';
import { ask, type Outcome } from './api-client.js';
import { CHURNED, environment, SERVED, wholeApp, type Body } from './apps.js';
import type { Cluster } from './cluster.js';

const PAUSE_MEAN_MS = 6_000;
const MAX_PAUSE_MS = 30_000;
/** Statuses that a correct client gets when others are faster, an app is gone, or a part is away. */
const KNOWN_REFUSALS: ReadonlySet<number> = new Set([404, 409, 502, 503, 504]);
/** A request may lie in the socket of a stopped API, and be taken when it goes on. */
const LATE_MS = 90_000;
const MAX_SENDS = 60;
const SEND_AGAIN_MS = 1_000;

/** The revision that must be stored; null: the app must be gone. */
interface Belief {
  acknowledged: number | null;
  /** Asked for, and nobody knows what came of it, or whether it comes yet: possible until the first acknowledgement after this time. */
  readonly perhaps: Map<number | null, number>;
  isBusy: boolean;
  /** Grows with each request. */
  sent: number;
}

export class Users {
  readonly breaches: string[] = [];
  readonly counts = { asked: 0, acknowledged: 0, refused: 0, unknown: 0 };
  private readonly beliefs = new Map<string, Belief>();
  private readonly chances = new Map<string, Chance>();
  private revision = 0;
  private isOpen = true;
  private loops: Promise<void>[] = [];

  constructor(
    private readonly cluster: Cluster,
    chanceOf: (name: string) => Chance,
    private readonly pause: (ms: number) => Promise<void>,
    private readonly tell: (line: string) => void,
  ) {
    for (const id of [...SERVED, ...CHURNED]) {
      this.beliefs.set(id, { acknowledged: null, perhaps: new Map(), isBusy: false, sent: 0 });
      this.chances.set(id, chanceOf(`user of ${id}`));
    }
  }

  /** The served apps are there and healthy when it resolves. */
  async begin(): Promise<void> {
    for (const id of SERVED) await this.mend(id);
  }

  start(): void {
    this.loops = [...SERVED, ...CHURNED].map((id) => this.live(id));
  }

  /** Nobody asks for anything any more when it resolves. */
  async leave(): Promise<void> {
    this.isOpen = false;
    await Promise.all(this.loops);
  }

  /** The last that anybody asks for: every app as somebody wants it, good, and within what the cluster has. */
  async settle(): Promise<void> {
    await this.leave();
    await Promise.all([...SERVED, ...CHURNED].map((id) => this.mend(id)));
  }

  async deleteAll(): Promise<void> {
    await Promise.all([...SERVED, ...CHURNED].map((id) => this.insist(id, 'DELETE', `/v2/apps${id}?force=true`, undefined, null)));
  }

  /** 1. What was acknowledged is what Postgres has. */
  async checkAcknowledged(): Promise<void> {
    const before = new Map([...this.beliefs].filter(([, belief]) => !belief.isBusy).map(([id, belief]) => [id, belief.sent]));
    const rows = await this.cluster.database.ask<{ id: string; revision: string | null }>(
      `SELECT a.id, v.body->'definition'->'labels'->>'revision' AS revision
       FROM paas.app a JOIN paas.app_version v ON v.app_id = a.id AND v.version = a.desired_version`,
    );
    const stored = new Map(rows.map(({ id, revision }) => [id, Number(revision)]));
    for (const [id, belief] of this.beliefs) {
      // A request that was under way meanwhile may or may not be in what was read.
      if (belief.isBusy || before.get(id) !== belief.sent) continue;
      const is = stored.get(id) ?? null;
      if (is !== belief.acknowledged && !belief.perhaps.has(is))
        this.breaches.push(
          `1. ${id}: revision ${String(belief.acknowledged)} was acknowledged (perhaps: ${[...belief.perhaps.keys()].join(' ')}), ${String(is)} is stored`,
        );
    }
  }

  private async live(id: string): Promise<void> {
    const chance = this.chance(id);
    while (this.isOpen) {
      await this.pause(Math.min(MAX_PAUSE_MS, chance.around(PAUSE_MEAN_MS)));
      if (!this.isOpen) return;
      try {
        await (SERVED.includes(id) ? this.actOnServed(id, chance) : this.actOnChurned(id, chance));
      } catch (error) {
        this.tell(`the user of ${id}: ${error instanceof Error ? error.message : String(error)}`);
      }
    }
  }

  private actOnServed(id: string, chance: Chance): Promise<unknown> {
    const force = chance.hit(0.3) ? '?force=true' : '';
    const act = chance.weighted<() => Promise<unknown>>([
      [5, () => this.change(id, this.whole(id, chance), force)],
      [3, () => this.change(id, { instances: chance.int(3, 5) }, force)],
      [2, () => this.change(id, { env: this.env({ BROKEN: 'yes' }) }, force)],
      [2, () => this.change(id, { env: this.env() }, '?force=true')],
      [1, () => this.restart(id, force)],
      [1, () => this.killOne(id, chance)],
      [1, () => this.cancel(id)],
    ]);
    return act();
  }

  private actOnChurned(id: string, chance: Chance): Promise<unknown> {
    const crash = { CRASH_MS: String(chance.int(50, 4_000)) };
    const act = chance.weighted<() => Promise<unknown>>([
      [4, () => this.change(id, this.whole(id, chance), '?force=true')],
      [3, () => this.change(id, { ...this.whole(id, chance), instances: chance.int(0, 4) }, '?force=true')],
      [2, () => this.change(id, { ...this.whole(id, chance), env: this.env(crash) }, '?force=true')],
      [2, () => this.change(id, { ...this.whole(id, chance), env: this.env({ DEAF: 'yes' }) }, '?force=true')],
      [2, () => this.send(id, 'DELETE', `/v2/apps${id}?force=true`, undefined, null)],
      [1, () => this.killOne(id, chance)],
      [1, () => this.send(id, 'DELETE', `/v2/apps${id}/tasks?force=true`, undefined, 'same')],
    ]);
    return act();
  }

  private change(id: string, body: Body, force: string): Promise<Outcome> {
    const revision = (this.revision += 1);
    return this.send(id, 'PUT', `/v2/apps${id}${force}`, { ...body, labels: { revision: String(revision) } }, revision);
  }

  private restart(id: string, force: string): Promise<Outcome> {
    return this.send(id, 'POST', `/v2/apps${id}/restart${force}`, undefined, 'same');
  }

  private async killOne(id: string, chance: Chance): Promise<void> {
    const { tasks } = await this.cluster.json<{ tasks: AnyJson[] }>(`/v2/apps${id}/tasks`);
    if (tasks.length === 0) return;
    await this.send(id, 'DELETE', `/v2/apps${id}/tasks/${String(chance.pick(tasks).id)}?force=true`, undefined, 'same');
  }

  /** Rolls back: what is wanted afterwards is a version from before. */
  private async cancel(id: string): Promise<void> {
    const deployments = await this.cluster.json<AnyJson[]>('/v2/deployments');
    const own = deployments.find(({ affectedApps }) => affectedApps.includes(id));
    if (own === undefined) return;
    const belief = this.belief(id);
    for (let revision = this.revision; revision > 0; revision -= 1) belief.perhaps.set(revision, Math.max(belief.perhaps.get(revision) ?? 0, Date.now()));
    await this.send(id, 'DELETE', `/v2/deployments/${String(own.id)}`, undefined, 'same');
  }

  /** A whole good definition, sent until somebody takes it. */
  private async mend(id: string): Promise<void> {
    const revision = (this.revision += 1);
    const body = { ...this.whole(id, this.chance(id)), labels: { revision: String(revision) } };
    await this.insist(id, 'PUT', `/v2/apps${id}?force=true`, body, revision);
  }

  private async insist(id: string, method: string, path: string, body: Body | undefined, revision: number | null): Promise<void> {
    for (let sends = 0; sends < MAX_SENDS; sends += 1) {
      const outcome = await this.send(id, method, path, body, revision);
      if (outcome.kind === 'answer' && (outcome.status < 300 || (method === 'DELETE' && outcome.status === 404))) return;
      await new Promise((resolve) => setTimeout(resolve, SEND_AGAIN_MS));
    }
    throw new Error(`${method} ${path} was not taken in ${MAX_SENDS} tries`);
  }

  private async send(id: string, method: string, path: string, body: Body | undefined, revision: number | null | 'same'): Promise<Outcome> {
    const belief = this.belief(id);
    belief.isBusy = true;
    belief.sent += 1;
    this.counts.asked += 1;
    const outcome = await this.askSomebody(this.chance(id), method, path, body);
    if (revision !== 'same') this.learn(belief, revision, outcome);
    belief.isBusy = false;
    this.tell(
      `user: ${method} ${path} ${JSON.stringify(body ?? '').slice(0, 120)} → ${outcome.kind === 'answer' ? outcome.status : `${outcome.kind}: ${outcome.why}`}`,
    );
    this.judge(`${method} ${path}`, outcome, body !== undefined && 'cmd' in body);
    return outcome;
  }

  /** Where nobody listens nothing was done: the other API is asked. */
  private async askSomebody(chance: Chance, method: string, path: string, body: Body | undefined): Promise<Outcome> {
    const first = chance.pick(this.cluster.apis);
    const outcome = await ask(first, method, path, body);
    const other = this.cluster.apis.find((api) => api !== first);
    return outcome.kind === 'absent' && other !== undefined ? ask(other, method, path, body) : outcome;
  }

  private learn(belief: Belief, revision: number | null, outcome: Outcome): void {
    if (outcome.kind === 'absent') return;
    if (outcome.kind === 'answer' && outcome.status < 300) {
      belief.acknowledged = revision;
      for (const [other, until] of belief.perhaps) if (until < Date.now()) belief.perhaps.delete(other);
    }
    // A refusal by the whole API says that nothing was done; one on the way (502 to 504) does not.
    else if (outcome.kind === 'unknown' || outcome.status >= 500) belief.perhaps.set(revision, Date.now() + LATE_MS);
    else if (revision === null && outcome.status === 404) belief.acknowledged = null;
  }

  /** 8. Every refusal explains itself. */
  private judge(what: string, outcome: Outcome, isWhole: boolean): void {
    if (outcome.kind !== 'answer') return void (this.counts.unknown += 1);
    if (outcome.status < 300) return void (this.counts.acknowledged += 1);
    this.counts.refused += 1;
    const message: unknown = typeof outcome.body === 'object' && outcome.body !== null && 'message' in outcome.body ? outcome.body.message : null;
    // A whole definition can be put where nothing is: it is never not found.
    const isKnown = KNOWN_REFUSALS.has(outcome.status) && !(isWhole && outcome.status === 404);
    if (!isKnown || typeof message !== 'string' || message === '')
      this.breaches.push(`8. ${what} was refused with ${outcome.status} ${outcome.text.slice(0, 300)}`);
  }

  private chance(id: string): Chance {
    const chance = this.chances.get(id);
    if (chance === undefined) throw new Error(`${id} is nobody's app`);
    return chance;
  }

  private belief(id: string): Belief {
    const belief = this.beliefs.get(id);
    if (belief === undefined) throw new Error(`${id} is nobody's app`);
    return belief;
  }

  private env(more: Readonly<Record<string, string>> = {}): Record<string, string> {
    return environment(this.cluster.directory, this.revision + 1, more);
  }

  private whole(id: string, chance: Chance): Body {
    return wholeApp(id, this.cluster.home, this.env(), chance);
  }
}
