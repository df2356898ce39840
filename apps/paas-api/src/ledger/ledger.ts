/**
 * The one place where state changes: decisions in, one commit a batch, then memory, answers and news.
 *
 *   change() ─► queue ─► draft ◄─ decisions, one after another ─► plan what they touched ─► store.commit ─► state ─► answers, events
 *
 * A decision is synchronous and sees what the ones before it have written. While a commit is under way further decisions
 * wait and share the next one. What was not committed was never there: readers, events and calls come after.
 * A `stale-leader` ends the lead. After a commit whose outcome is unknown everything is loaded again, with patience; the
 * decisions of that batch are refused, later ones wait.
 */
import { EkidenError, type AppId, type Clock, type Instant, type Log } from '@ekiden/model';
import type { AppPlan } from '@ekiden/planner';
import type { EventRow, PaasStore } from '../store/paas-store.js';
import { Draft } from './draft.js';
import { PaasState } from './paas-state.js';

/** Decisions that share one commit. */
export const MAX_DECISIONS_PER_COMMIT = 200;
/** Decisions that may wait; further ones are refused with `limit-exceeded`. */
export const MAX_QUEUED_DECISIONS = 20_000;
const FIRST_RELOAD_PAUSE_MS = 50;
const MAX_RELOAD_PAUSE_MS = 2_000;
/** Commits that fail within so long of one another are one trouble: a longer pause follows each. */
const TROUBLE_MS = 10_000;
/** Events fetched at once when they were committed without our knowing. */
const MISSED_EVENTS_PAGE = 1_000;

export interface Committed {
  /** Apps whose rows changed. */
  readonly changed: ReadonlySet<AppId>;
  /** Those, and the ones that were only looked at again. */
  readonly looked: ReadonlySet<AppId>;
  readonly events: readonly EventRow[];
  /** Everything was read anew after so many ms without a commit: whatever was derived from state is void. Null: it was not. */
  readonly reloadedAfterMs: number | null;
}

export interface LedgerPorts {
  readonly clock: Clock;
  readonly log: Log;
  readonly store: PaasStore;
  /** Ends every batch: records what follows from its decisions (plans, deployment steps). */
  readonly follow: (draft: Draft) => void;
  /** Somebody else leads. */
  readonly lost: (why: string) => void;
}

interface Decision {
  /** It was refused once because decisions of its own batch stood in its way. */
  hasWaited: boolean;
  readonly decide: (draft: Draft) => void;
  readonly settle: () => void;
  readonly reject: (error: unknown) => void;
}

export class Ledger {
  state = new PaasState();
  /** The newest committed plan of each app. */
  readonly plans = new Map<AppId, AppPlan>();
  private epoch = 0;
  private isOpen = false;
  private isClosed = false;
  private isBusy = false;
  private queue: Decision[] = [];
  private trouble = { at: Number.NEGATIVE_INFINITY, pauseMs: 0 };
  private readonly listeners: ((committed: Committed) => void)[] = [];

  constructor(private readonly ports: LedgerPorts) {}

  /** Called after each commit, before its decisions are answered. Listeners must not throw. */
  onCommitted(listener: (committed: Committed) => void): void {
    this.listeners.push(listener);
  }

  /**
   * Loads everything, as the leader of `epoch`, however long the store is away: whoever leads is the one to wait. Decisions are
   * taken from then on. Answers whether it came to that: it is given up by `close`. Rejects with what waiting does not mend.
   */
  async open(epoch: number): Promise<boolean> {
    for (let pauseMs = FIRST_RELOAD_PAUSE_MS; !this.isClosed; pauseMs = Math.min(MAX_RELOAD_PAUSE_MS, pauseMs * 2)) {
      try {
        const snapshot = await this.ports.store.load();
        if (this.isClosed) break;
        this.state = new PaasState(snapshot);
        this.epoch = epoch;
        this.isOpen = true;
        return true;
      } catch (error) {
        if (!(error instanceof EkidenError) || error.code !== 'store-unavailable') throw error;
        this.ports.log.warn('the store is away', { error: String(error), againInMs: pauseMs });
        await this.pause(pauseMs);
      }
    }
    return false;
  }

  /** Refuses what waits and what comes, for good. */
  close(): void {
    this.isClosed = true;
    this.isOpen = false;
    this.refuse(this.queue.splice(0), notLeading());
  }

  /**
   * Resolves with what `decide` answers once its writes are committed; rejects with what it throws, with `stale-leader`,
   * `store-unavailable` (nobody knows whether it was written) or `limit-exceeded`.
   */
  change<T>(decide: (draft: Draft) => T): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      if (!this.isOpen) return reject(notLeading());
      if (this.queue.length >= MAX_QUEUED_DECISIONS) {
        return reject(new EkidenError('limit-exceeded', `${MAX_QUEUED_DECISIONS} changes wait already: try again later`, { limit: MAX_QUEUED_DECISIONS }));
      }
      let answer: { readonly value: T } | null = null;
      this.queue.push({
        hasWaited: false,
        decide: (draft) => {
          answer = { value: decide(draft) };
        },
        settle: () => (answer === null ? reject(new EkidenError('store-unavailable', 'the change was not decided')) : resolve(answer.value)),
        reject,
      });
      this.pump();
    });
  }

  /** Nothing waits and nothing is being committed: `state` is all that was decided. */
  get isAtRest(): boolean {
    return this.isOpen && !this.isBusy;
  }

  sizes(): { readonly decisions: number; readonly plans: number } {
    return { decisions: this.queue.length, plans: this.plans.size };
  }

  private pump(): void {
    if (this.isBusy) return;
    this.isBusy = true;
    // One turn later: what arrives together is decided together.
    void Promise.resolve().then(() => this.run());
  }

  private async run(): Promise<void> {
    while (this.isOpen && this.queue.length > 0) await this.batch(this.queue.splice(0, MAX_DECISIONS_PER_COMMIT));
    this.isBusy = false;
  }

  private async batch(decisions: readonly Decision[]): Promise<void> {
    const { state } = this;
    const begunAt = this.ports.clock.now();
    const draft = new Draft(state, begunAt);
    const again: Decision[] = [];
    const taken = decisions.filter((decision) => this.decide(draft, decision, again));
    this.queue.unshift(...again);
    this.ports.follow(draft);
    const writes = draft.writes(state.lastEventSeq + 1);
    if (writes.length > 0) {
      try {
        await this.ports.store.commit(this.epoch, writes);
      } catch (error) {
        return this.commitFailed(taken, error, begunAt);
      }
      state.apply(writes);
      state.lastVersion = Math.max(state.lastVersion, draft.lastVersion);
    }
    for (const [id, plan] of draft.plans) this.plans.set(id, plan);
    // Also where nothing was changed: an app may be looked at once more after it has gone.
    for (const id of [...draft.changed, ...draft.plans.keys()]) if (state.app(id) === null) this.plans.delete(id);
    const events = writes.flatMap((write) => (write.kind === 'add-event' ? [write.row] : []));
    this.tell({ changed: draft.changed, looked: draft.touched, events, reloadedAfterMs: null });
    for (const decision of taken) decision.settle();
  }

  private decide(draft: Draft, decision: Decision, again: Decision[]): boolean {
    const mark = draft.mark();
    try {
      decision.decide(draft);
      return true;
    } catch (error) {
      draft.undo(mark);
      // Deployments opened in this batch may end with it: what they leave no room for is decided in the next one.
      const isCrowded = error instanceof EkidenError && error.code === 'too-many-deployments' && mark.undo > 0;
      if (!isCrowded || decision.hasWaited) decision.reject(error);
      else {
        decision.hasWaited = true;
        again.push(decision);
      }
      return false;
    }
  }

  private tell(committed: Committed): void {
    for (const listener of this.listeners) listener(committed);
  }

  private async commitFailed(taken: readonly Decision[], error: unknown, begunAt: Instant): Promise<void> {
    if (isStale(error)) {
      this.refuse(taken, error);
      return this.lose(error.message);
    }
    const unavailable =
      error instanceof EkidenError && error.code === 'store-unavailable'
        ? error
        : new EkidenError('store-unavailable', `the store did not take a change: ${String(error)}`);
    this.ports.log.error('commit failed, its outcome is unknown: loading everything again', { error: String(error) });
    this.refuse(taken, unavailable);
    await this.calmDown();
    await this.reload(begunAt);
  }

  /** A store that can be read and not written (a full disk) would be read, and the master asked, in a circle without a pause. */
  private async calmDown(): Promise<void> {
    const now = this.ports.clock.now();
    const isFirst = now - this.trouble.at > TROUBLE_MS;
    const pauseMs = isFirst ? 0 : Math.min(MAX_RELOAD_PAUSE_MS, Math.max(FIRST_RELOAD_PAUSE_MS, this.trouble.pauseMs * 2));
    this.trouble = { at: now, pauseMs };
    if (pauseMs > 0) await this.pause(pauseMs);
  }

  private pause(ms: number): Promise<void> {
    return new Promise((resolve) => this.ports.clock.after(ms, resolve));
  }

  private async reload(awaySince: Instant): Promise<void> {
    const seenSeq = this.state.lastEventSeq;
    // Also those that went with the commit that we know nothing of: something may be remembered of them.
    const former = appsOf(this.state);
    for (let pauseMs = FIRST_RELOAD_PAUSE_MS; this.isOpen; pauseMs = Math.min(MAX_RELOAD_PAUSE_MS, pauseMs * 2)) {
      try {
        // Somebody may have taken over meanwhile: two that take the subscription from one another help nobody.
        await this.ports.store.confirm(this.epoch);
        const snapshot = await this.ports.store.load();
        const events = await this.missedEvents(seenSeq, snapshot.lastEventSeq);
        const lastVersion = this.state.lastVersion;
        this.state = new PaasState(snapshot);
        this.state.lastVersion = Math.max(this.state.lastVersion, lastVersion);
        this.plans.clear();
        const all = new Set([...appsOf(this.state), ...former]);
        this.ports.log.info('loaded again', { apps: all.size, events: events.length });
        return this.tell({ changed: all, looked: all, events, reloadedAfterMs: Math.max(0, this.ports.clock.now() - awaySince) });
      } catch (error) {
        if (isStale(error)) return this.lose(error.message);
        this.ports.log.warn('the store is away', { error: String(error), againInMs: pauseMs });
        // A short trouble is waited out; in a long one clients hear of it, instead of nothing.
        if (pauseMs === MAX_RELOAD_PAUSE_MS) this.refuse(this.queue.splice(0), storeAway());
        await this.pause(pauseMs);
      }
    }
  }

  private lose(why: string): void {
    this.close();
    this.ports.lost(why);
  }

  /** Committed by the batch whose outcome we did not learn, so nobody was told. */
  private async missedEvents(after: number, last: number): Promise<readonly EventRow[]> {
    const missed: EventRow[] = [];
    for (let seq = after; seq < last;) {
      const page = await this.ports.store.eventsAfter(seq, MISSED_EVENTS_PAGE);
      const newest = page[page.length - 1];
      if (newest === undefined) break;
      missed.push(...page);
      seq = newest.seq;
    }
    return missed;
  }

  private refuse(decisions: readonly Decision[], error: EkidenError): void {
    for (const decision of decisions) decision.reject(error);
  }
}

const appsOf = (state: PaasState): readonly AppId[] => [...state.appIds(), ...state.appsWithInstances()];

const isStale = (error: unknown): error is EkidenError => error instanceof EkidenError && error.code === 'stale-leader';

const storeAway = (): EkidenError => new EkidenError('store-unavailable', 'the store is away: nothing was changed, try again');

/** 503 to a client: a 404 would say that what it asked for does not exist. */
const notLeading = (): EkidenError => new EkidenError('stale-leader', 'this process does not lead: ask the leader, /v2/leader names it');
