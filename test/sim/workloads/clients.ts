/**
 * All users of the cluster: what they ask for, and what they were told.
 *
 * A client keeps in mind what a 2xx promised it (promise 1). One change of an app is under way at a time; while it is, or
 * after one whose answer never came, nothing can be said about what should be there.
 */
import { EkidenError, type AppId, type Instant } from '@ekiden/model';
import type { PaasApi } from '../../../apps/paas-api/src/paas-api.js';
import type { Traits } from '../traits.js';
import type { Chance } from '../world/chance.js';
import { AnswerLost } from '../world/virtual-network.js';
import { CALLER, type World } from '../world/world.js';
import { aMendedApp, aNewApp, isWhole, mustGo, needsMending, type Body } from './app-shapes.js';

const CLIENT_TIMEOUT_MS = 20_000;
const REPEAT_MS = 1_000;
/** Refusals that a correct client may get; another one is a breach of promise 8. */
const KNOWN_REFUSALS: ReadonlySet<string> = new Set(['app-locked', 'app-not-found', 'version-not-found', 'deployment-not-found', 'queue-item-not-found']);
/** Answers after which nobody knows whether it was done. */
const UNKNOWN_OUTCOMES: ReadonlySet<string> = new Set(['no-leader', 'stale-leader', 'store-unavailable']);

/** What a client believes of an app. `unsure`: a change is under way or its answer was lost. */
export type Belief =
  { readonly kind: 'unsure' } | { readonly kind: 'version'; readonly version: Instant; readonly definition: string } | { readonly kind: 'gone' };

export interface Answer {
  readonly version: Instant;
}

/** What a call resolves with; a function: what a read says, asked by whoever has heard the answer, and at that moment. */
type Told = Answer | null | void | (() => Answer | null);
type Call = (api: PaasApi) => Promise<Told>;

export interface Asking {
  /** What a 2xx means; absent: the version in the answer is there. */
  readonly outcome?: Belief;
  /** It rests on what the app was when the user looked: by now it may be another, with which the change is not possible. */
  readonly mayBeOutdated?: true;
  /** How often it is asked for once more when there is no answer. */
  readonly repeats?: number;
  /** The process that is asked; absent: whichever leads at each attempt. */
  readonly via?: PaasApi;
  /** The call crosses the network by itself: one request about several apps is lost, late or answered for all of them. */
  readonly isCarried?: boolean;
}

interface Pending {
  readonly id: AppId;
  readonly what: string;
  readonly call: Call;
  readonly asking: Asking;
  /** What was believed before. */
  readonly before: Belief;
}

/** One thing that a user does to one app. */
export type Act = (clients: Clients, id: AppId, chance: Chance) => void;

export class Clients {
  readonly beliefs = new Map<AppId, Belief>();
  readonly breaches: string[] = [];
  readonly refusals = new Map<string, number>();
  private readonly busy = new Set<AppId>();
  private readonly eager: { left: number; readonly act: (id: AppId) => void }[] = [];
  acknowledged = 0;
  /** False: no user does anything more by themselves. */
  isOpen = true;
  /** App → when somebody last asked for a change of it. */
  readonly touchedAt = new Map<AppId, number>();

  constructor(
    readonly world: World,
    readonly traits: Traits,
  ) {}

  /** Something of this app was just committed: a hasty user steps in at the worst moment. */
  glimpse(id: AppId): void {
    for (const one of this.eager) one.left -= 1;
    while ((this.eager[0]?.left ?? 0) < 0) this.eager.shift()?.act(id);
  }

  /** Does it at the commit that comes after so many others. Those that wait are served in the order in which they came. */
  atCommit(after: number, act: (id: AppId) => void): void {
    this.eager.push({ left: after, act });
  }

  /** Somebody does this to the app now, if it is there and nobody else is at it; to one that is not there: it is created. */
  act(id: AppId, chance: Chance, act: Act): void {
    if (!this.isOpen || !this.world.hasApi || this.busy.has(id)) return;
    const desired = this.world.api.view.app(id)?.desiredVersion ?? null;
    if (desired === null) this.change(id, aNewApp(chance, this.traits), isForced(chance));
    else act(this, id, chance);
  }

  isBusy(id: AppId): boolean {
    return this.busy.has(id);
  }

  /** What it should be is asked anew. */
  doubt(id: AppId): void {
    this.beliefs.set(id, { kind: 'unsure' });
  }

  /** Ends what is bad or too big for the cluster by forced changes, and settles every doubt. True: nothing was left to do. */
  mend(chance: Chance): boolean {
    if (!this.world.hasApi || !this.world.api.isLeading) return false;
    const { view } = this.world.api;
    let isMended = this.busy.size === 0;
    for (const id of this.traits.apps) {
      const version = view.app(id)?.desiredVersion ?? null;
      const spec = version === null ? null : (view.version(id, version)?.spec ?? null);
      const isBig = spec !== null && mustGo(spec);
      const isUnsure = this.beliefs.get(id)?.kind === 'unsure';
      if (!isBig && !isUnsure && (spec === null || !needsMending(spec))) continue;
      isMended = false;
      if (this.busy.has(id)) continue;
      // Where everything is full, nothing small finds room beside what is to go.
      if (isBig) this.send(id, 'delete', (api) => api.deleteApp(id, { force: true }), { outcome: { kind: 'gone' } });
      else this.change(id, aMendedApp(chance, this.traits, spec), true, { mayBeOutdated: true });
    }
    return isMended;
  }

  change(id: AppId, body: Body, force: boolean, asking: Asking = {}): void {
    const since = this.world.clock.now();
    const change = {
      id,
      body,
      partial: !isWhole(body),
      // Only a whole definition can bring back an app that is gone meanwhile.
      expect: isWhole(body) ? ('any' as const) : ('present' as const),
    };
    this.send(
      id,
      `PUT ${JSON.stringify(body)}${force ? ' force' : ''}`,
      async (api) => {
        await api.changeApps([change], { force, caller: CALLER });
        return () => {
          this.madeOnce(api, id, body, since);
          return this.shown(api, id, body);
        };
      },
      asking,
    );
  }

  /** The same request once more, after its answer was lost, makes no second version. */
  private madeOnce(api: PaasApi, id: AppId, asked: Body, since: Instant): void {
    const made = api.view.versions(id).filter(({ version, definition }) => version >= since && definition['cmd'] === asked['cmd']);
    if (asked['cmd'] !== undefined && made.length > 1)
      this.breaches.push(`1. ${id}: one change, asked for until it was answered, made ${made.length} versions: ${made.map((one) => one.version).join(', ')}`);
  }

  /** The version that a read shows now, which has to say what was asked for. Nothing had to change: it is the one before. */
  shown(api: PaasApi, id: AppId, asked: Body): Answer | null {
    const version = api.view.app(id)?.desiredVersion ?? null;
    const definition = version === null ? null : (api.view.version(id, version)?.definition ?? null);
    for (const field of ['cmd', 'instances', 'cpus'])
      if (field in asked && asked[field] !== definition?.[field])
        this.breaches.push(`1. ${id}: asked for ${field} ${JSON.stringify(asked[field])}, told 2xx, and a read shows ${JSON.stringify(definition?.[field])}`);
    return version === null ? null : { version };
  }

  /** One request about one app, asked for once or until there is an answer. */
  send(id: AppId, what: string, call: Call, asking: Asking = {}): void {
    const before = this.beliefs.get(id) ?? { kind: 'unsure' };
    this.busy.add(id);
    this.touchedAt.set(id, this.world.clock.now());
    this.beliefs.set(id, { kind: 'unsure' });
    this.say(`${id}: ${what}`);
    this.attempt({ id, what, call, asking, before }, asking.repeats ?? 0);
  }

  private attempt(request: Pending, repeatsLeft: number): void {
    const { id, what, call, asking, before } = request;
    const { clock } = this.world;
    const api = asking.via ?? this.world.api;
    let isOpen = true;
    const close = (belief: Belief): void => {
      isOpen = false;
      this.busy.delete(id);
      this.beliefs.set(id, belief);
    };
    const unanswered = (why: string): void => {
      isOpen = false;
      this.say(`${id}: ${why} to ${what}`);
      // It may have been done: a refusal of the next attempt says nothing about it.
      const doubtful: Pending = { ...request, before: { kind: 'unsure' } };
      if (repeatsLeft > 0) clock.after(REPEAT_MS, () => this.repeat(doubtful, repeatsLeft - 1));
      else close({ kind: 'unsure' });
    };
    clock.after(CLIENT_TIMEOUT_MS, () => isOpen && unanswered('no answer'));
    const answered = asking.isCarried === true ? call(api) : this.world.network.request(() => call(api));
    answered.then(
      (told) => {
        // Of one that comes later nobody knows what has been asked for since.
        if (!isOpen) return;
        const answer = typeof told === 'function' ? told() : told;
        this.acknowledged += 1;
        this.say(`${id}: 2xx for ${what}`);
        close(asking.outcome ?? this.believe(api, id, answer ?? null, before));
      },
      (error: unknown) => {
        if (error instanceof AnswerLost) return isOpen ? unanswered('a lost answer') : undefined;
        const code = error instanceof EkidenError ? error.code : 'not an EkidenError';
        this.refusals.set(code, (this.refusals.get(code) ?? 0) + 1);
        if (!isOpen) return;
        if (UNKNOWN_OUTCOMES.has(code)) return unanswered(`only ${code}`);
        // One who led before, and does not know that it is over, may refuse by what was: only a 2xx is a promise.
        close(code === 'app-not-found' && asking.via === undefined ? { kind: 'gone' } : before);
        this.say(`${id}: refused ${what}: ${code} ${String(error)}`);
        if (!KNOWN_REFUSALS.has(code) && !(asking.mayBeOutdated === true && code === 'invalid-object'))
          this.breaches.push(`8. ${what} was refused with ${code}: ${error instanceof Error ? (error.stack ?? '') : String(error)}`);
      },
    );
  }

  private repeat(request: Pending, repeatsLeft: number): void {
    if (this.world.hasApi) return this.attempt(request, repeatsLeft);
    if (repeatsLeft > 0) return void this.world.clock.after(REPEAT_MS, () => this.repeat(request, repeatsLeft - 1));
    this.busy.delete(request.id);
  }

  /** Read your writes: what was answered is there now; later checks hold the database to it. */
  private believe(api: PaasApi, id: AppId, answer: Answer | null, before: Belief): Belief {
    if (answer === null) return before;
    const desired = api.view.app(id)?.desiredVersion ?? null;
    if (desired !== answer.version) this.breaches.push(`1. ${id}: told version ${answer.version}, and a read shows ${desired}`);
    const row = api.view.version(id, answer.version);
    return { kind: 'version', version: answer.version, definition: JSON.stringify(row?.definition) };
  }

  private say(text: string): void {
    this.world.log.push({ at: this.world.clock.now(), from: 'client', level: 'info', event: text, fields: {} });
  }
}

/** Two in five users insist. */
export const isForced = (chance: Chance): boolean => chance.hit(0.4);
