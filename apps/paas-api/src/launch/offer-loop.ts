/**
 * Offers in, launches out.
 *
 * A round begins as soon as there are offers and instances that want one. What it does not use is kept at hand for a moment, since
 * where one instance was wanted the next one mostly is soon, and asking for it anew would cost a look at every agent of the cluster.
 * What was in vain is not tried again before something has changed: a new offer is, or an app that waits. After that moment it is
 * declined, with a filter. While nothing is wanted, offers are given back and suppressed; a new want revives them at once, filters
 * included, so that a crashed instance does not wait for an old refusal to run out. The master is asked while the want is
 * being committed: an offer decides nothing, and is at hand when it may be used. Should the commit fail, it goes back.
 *
 * What an ACCEPT's answer proves (decision 2): refused, nothing was launched; taken, the master decides and tells; never
 * answered, nobody knows, so the stream is given up, since calls over an old one have no effect, and the next one asks.
 */
import type { Connection, SchedulerClient } from '@ekiden/framework-sdk';
import { EKIDEN_TASK_DATA, type WireOffer } from '@ekiden/mesos';
import type { AgentId, Instant, OfferId, TaskId, Timer } from '@ekiden/model';
import type { OfferView } from '@ekiden/planner';
import type { Draft } from '../ledger/draft.js';
import { findInstance } from '../desired/kill-tasks.js';
import type { Committed, Ledger } from '../ledger/ledger.js';
import { stepAndRecord } from '../ledger/record-step.js';
import type { PaasPorts } from '../paas-api.js';
import { paidGrowths, type Growth } from './growths.js';
import { launchRuleOf } from './launch-rule.js';
import { isLaunching, isRefusal, isTakenAnswer, unsentLaunches } from './open-launches.js';
import { readOffer } from './read-offer.js';
import { decideRound, type AcceptOrder, type Round } from './record-launch.js';
import { ReviveThrottle } from './revive-throttle.js';
import { Wants } from './wants.js';

/** Nothing wanted for so long: offers are given back and suppressed. Shorter gaps, as in a roll-out, are not worth the calls. */
const SUPPRESS_AFTER_MS = 1_000;
/** However soon one want follows another, others have a right to what is not used: after so long it is given back. */
const MAX_HELD_MS = 5_000;
/**
 * Something is wanted, and no offer has come for so long: the master is asked again. Calls may overtake one another, so a
 * SUPPRESS or a filter may have arrived after the REVIVE that was meant to undo it.
 */
const ASK_AGAIN_MS = 15_000;
/** Asked in vain, it waits twice as long, up to this: what fits nowhere waits for new resources, and those are offered unasked. */
const MAX_ASK_AGAIN_MS = 240_000;
/** Launches could not be recorded: the same offers may come again after this. */
const RETRY_OFFERS_MS = 1_000;
/** Offers that were asked for ahead of a commit are held for so long at most: the store may be away for hours. */
const FORESIGHT_MS = 1_000;

export class OfferLoop {
  readonly wants = new Wants(() => launchRuleOf(this.client().connection));
  private readonly held = new Map<OfferId, OfferView>();
  /** Recorded launches of the present stream, by whether their ACCEPT has been answered. */
  private readonly launches = new Map<TaskId, 'sent' | 'taken'>();
  /** Of those held, which no round has seen yet. */
  private readonly unseen = new Set<OfferId>();
  /** An app that waits has changed since the last round: what was in vain may not be any more. */
  private hasNews = false;
  private isMatching = false;
  /** No offers are wanted, as far as the master was told. */
  isSuppressed = true;
  /** An offer was refused with a filter since the last revive. */
  private hasFilters = false;
  /** Offers were asked for on behalf of a commit under way: they are held until it is done. */
  private foresight: Timer | null = null;
  private suppressTimer: Timer | null = null;
  private askAgainTimer: Timer | null = null;
  private askAgainMs = ASK_AGAIN_MS;
  private offeredAt: Instant = 0;
  /** Since when there have been offers at hand. */
  private heldSince: Instant = 0;
  private returnTimer: Timer | null = null;
  private readonly revive: ReviveThrottle;
  /** Gets offers of one agent that hold what the growth needs, and spends them. */
  grow: (growth: Growth, offers: readonly OfferView[]) => void = () => undefined;

  constructor(
    private readonly ports: PaasPorts,
    private readonly ledger: Ledger,
    private readonly client: () => SchedulerClient,
  ) {
    this.revive = new ReviveThrottle(ports.clock, () => this.sendRevive());
  }

  connected(): void {
    this.forgetStream();
    if (!this.wants.isEmpty) this.revive.ask();
  }

  disconnected(): void {
    this.forgetStream();
  }

  stop(): void {
    this.suppressTimer?.cancel();
    this.askAgainTimer?.cancel();
    this.foresight?.cancel();
    this.returnTimer?.cancel();
    this.revive.stop();
    this.held.clear();
  }

  sizes(): { readonly offersHeld: number; readonly launchesOpen: number; readonly appsWaiting: number } {
    return { offersHeld: this.held.size, launchesOpen: this.launches.size, appsWaiting: this.wants.size };
  }

  offers(offers: readonly WireOffer[]): void {
    const now = this.ports.clock.now();
    this.offeredAt = now;
    if (this.held.size === 0) this.heldSince = now;
    for (const wire of offers) {
      const offer = readOffer(wire, this.ports.config.role, now);
      this.held.set(offer.id, offer);
      this.unseen.add(offer.id);
    }
    this.match();
  }

  rescind(id: OfferId): void {
    this.release(id);
  }

  /** Before a commit: who will want an offer after it? */
  foresee(draft: Draft): void {
    if (!(this.isSuppressed || this.hasFilters) || this.foresight !== null || this.client().connection === null) return;
    if (![...draft.touched].some((id) => this.wants.foresees(draft, id, draft.now))) return;
    this.foresight = this.ports.clock.after(FORESIGHT_MS, () => {
      this.foresight = null;
      if (this.wants.isEmpty) this.armSuppress();
      else this.match();
    });
    this.revive.ask();
  }

  /** After a commit, also one that failed: who wants an offer now? */
  committed({ looked, reloadedAfterMs }: Committed): void {
    const isReloaded = reloadedAfterMs !== null;
    const now = this.ports.clock.now();
    this.foresight?.cancel();
    this.foresight = null;
    if (isReloaded) this.wants.forget();
    let fresh = 0;
    for (const id of looked) {
      fresh += this.wants.refresh(this.ledger.state, id, now);
      if (this.wants.has(id)) this.hasNews = true;
    }
    if (isReloaded) this.settleAll();
    this.wanted(fresh);
  }

  /** A task wants to grow: told after a commit, before `committed`, and when its growth was not to be had. */
  growthWanted(growth: Growth): void {
    this.wants.grow(growth);
    this.ports.clock.after(0, () => this.client().connection !== null && this.wanted(0));
  }

  /** `fresh`: how many want something that was not wanted before. */
  private wanted(freshLaunches: number): void {
    const fresh = freshLaunches + this.wants.takeFreshGrowths();
    if (fresh > 0 || this.wants.isEmpty) this.askSoon();
    if (this.wants.isEmpty) return this.armSuppress();
    this.suppressTimer?.cancel();
    this.suppressTimer = null;
    this.armAskAgain();
    if (fresh > 0 && (this.isSuppressed || this.hasFilters)) this.revive.ask();
    this.match();
  }

  /**
   * True when a master that does not know this task now proves that it was never launched: the launch was recorded for an
   * older stream, over which nothing can come any more.
   */
  isProof(task: { readonly streamId: string }, connection: Connection): boolean {
    return task.streamId !== connection.streamId;
  }

  /** The ACCEPT of this task has been taken by the master of the present stream. */
  isTaken(taskId: TaskId): boolean {
    return this.launches.get(taskId) === 'taken';
  }

  /** A status of the task was recorded. Its launch is as open as before where that proved nothing. */
  heard(taskId: TaskId): void {
    if (!isLaunching(this.ledger.state, taskId)) this.launches.delete(taskId);
  }

  private forgetStream(): void {
    this.held.clear();
    this.unseen.clear();
    this.launches.clear();
    this.isSuppressed = true; // As the subscription asked for.
    this.hasFilters = false;
  }

  private match(): void {
    const { connection } = this.client();
    if (this.isMatching || connection === null || this.held.size === 0) return;
    if (this.wants.isEmpty) return this.keep();
    this.feedGrowths();
    const ids = this.hasNews ? this.held.keys() : this.unseen;
    const offers = this.wants.hasLaunches ? [...ids].flatMap((id) => this.held.get(id) ?? []) : [];
    if (offers.length === 0) return this.keep();
    this.isMatching = true;
    this.hasNews = false;
    this.unseen.clear();
    void this.round(connection, offers).finally(() => {
      this.isMatching = false;
      this.match();
    });
  }

  /** Before launches, which may go elsewhere. */
  private feedGrowths(): void {
    for (const { growth, offers } of paidGrowths(this.wants.growths.values(), this.held.values())) {
      for (const { id } of offers) this.release(id);
      this.grow(growth, offers);
    }
  }

  /** Offers for which there is no use now. */
  private keep(): void {
    if (this.foresight !== null) return;
    const leftMs = this.heldSince + MAX_HELD_MS - this.ports.clock.now();
    if (this.isSuppressed || leftMs <= 0) this.decline([...this.held.keys()]);
    if (this.wants.isEmpty) this.armSuppress();
    else if (this.held.size > 0) this.armReturn(leftMs);
  }

  /** Somebody waits, and has no use for what is at hand. */
  private armReturn(leftMs: number): void {
    this.returnTimer ??= this.ports.clock.after(leftMs, () => {
      this.returnTimer = null;
      this.match();
    });
  }

  private async round(connection: Connection, offers: readonly OfferView[]): Promise<void> {
    const input = {
      offers,
      wants: this.wants,
      random: () => this.ports.random.next(),
      maxPerOffer: this.ports.config.maxLaunchesPerAccept,
      streamId: connection.streamId,
      extended: connection.capabilities.has(EKIDEN_TASK_DATA),
    };
    let round: Round | null;
    try {
      // The framework's id is recorded before its first launch (decision 4).
      round = await this.ledger.change((draft) => (draft.frameworkId === connection.frameworkId ? decideRound(draft, input) : null));
    } catch (error) {
      this.ports.log.warn('launches were not recorded', { error: String(error) });
      round = null;
    }
    if (round === null)
      return this.decline(
        offers.map((offer) => offer.id),
        RETRY_OFFERS_MS,
      );
    this.note(offers, round);
    for (const order of round.accepts) {
      this.release(order.offerId);
      void this.accept(connection, order);
    }
    if (this.wants.isEmpty) return;
    this.decline(round.useless);
    this.mend();
  }

  /** Several parts of one agent, each too small: given back, they come again as one. */
  private mend(): void {
    const parts = new Map<AgentId, number>();
    for (const { agentId } of this.held.values()) parts.set(agentId, (parts.get(agentId) ?? 0) + 1);
    if (parts.size === this.held.size) return;
    this.decline(
      [...this.held.values()].filter(({ agentId }) => (parts.get(agentId) ?? 0) > 1).map(({ id }) => id),
      0,
    );
  }

  private note(offers: readonly OfferView[], { refusals, used }: Round): void {
    const now = this.ports.clock.now();
    for (const id of new Set([...refusals.keys(), ...used.keys()])) {
      this.wants.note(id, { processed: offers.length, used: used.get(id) ?? 0, refusals: refusals.get(id) ?? [] }, now);
    }
  }

  private async accept(connection: Connection, order: AcceptOrder): Promise<void> {
    const client = this.client();
    const taskIds = order.tasks.map((task) => task.taskId);
    if (client.connection !== connection) return this.neverLaunched(taskIds, 'the stream was replaced before the ACCEPT was sent');
    for (const id of taskIds) this.launches.set(id, 'sent');
    const answer = await client.call({
      type: 'ACCEPT',
      accept: {
        offer_ids: [{ value: order.offerId }],
        operations: [{ type: 'LAUNCH', launch: { task_infos: order.tasks.map((task) => task.info) } }],
        filters: { refuse_seconds: 0 }, // What is left of it comes back: to be at hand like the others.
      },
    });
    if (isTakenAnswer(answer.status)) {
      if (client.connection === connection) for (const id of taskIds) if (this.launches.has(id)) this.launches.set(id, 'taken');
      return;
    }
    this.ports.log.warn('an ACCEPT failed', {
      status: answer.status,
      text: answer.text,
      offerId: order.offerId,
      agentId: order.agentId,
      tasks: taskIds.length,
    });
    if (isRefusal(answer.status)) {
      // The offer, if it still stands, is still ours: give it back, or it would be nobody's until it times out.
      this.sendDecline([order.offerId], 0);
      return this.neverLaunched(taskIds, `the master refused the launch: ${answer.status} ${answer.text}`);
    }
    if (client.connection === connection) client.reconnect('nobody knows whether an ACCEPT was taken');
  }

  private neverLaunched(taskIds: readonly TaskId[], why: string): Promise<void> {
    for (const id of taskIds) this.launches.delete(id);
    return this.ledger
      .change((draft) => {
        for (const taskId of taskIds) {
          const instance = findInstance(draft, taskId);
          if (instance !== null) stepAndRecord(draft, instance, { kind: 'never-launched', taskId, why });
        }
      })
      .catch((error: unknown) => this.ports.log.warn('a refused launch was not recorded; the next stream asks about it', { error: String(error) }));
  }

  /**
   * A commit whose outcome was unknown turned out written. Of launches: their ACCEPTs have never left, nor will they. Of a status:
   * nothing about that launch is open any more, and what the master said by itself is not said again.
   */
  private settleAll(): void {
    for (const id of this.launches.keys()) if (!isLaunching(this.ledger.state, id)) this.launches.delete(id);
    const unsent = unsentLaunches(this.ledger.state, this.client().connection?.streamId, this.launches);
    if (unsent.length > 0) void this.neverLaunched(unsent, 'its ACCEPT was never sent');
  }

  private decline(ids: readonly OfferId[], refuseMs = this.ports.config.declineMs): void {
    const open = ids.filter((id) => this.release(id));
    if (open.length === 0) return;
    if (refuseMs > RETRY_OFFERS_MS) this.hasFilters = true;
    this.sendDecline(open, refuseMs);
  }

  /** True: it was at hand. */
  private release(id: OfferId): boolean {
    this.unseen.delete(id);
    return this.held.delete(id);
  }

  private sendDecline(ids: readonly OfferId[], refuseMs: number): void {
    const filters = { refuse_seconds: refuseMs / 1000 };
    void this.client().call({ type: 'DECLINE', decline: { offer_ids: ids.map((value) => ({ value })), filters } });
  }

  private sendRevive(): void {
    const { connection } = this.client();
    if (connection === null || (this.wants.isEmpty && this.foresight === null)) return;
    this.isSuppressed = false;
    this.hasFilters = false;
    void this.client()
      .call({ type: 'REVIVE' })
      .then((answer) => {
        // Not taken: offers would never come. The next subscription begins anew.
        if (!isTakenAnswer(answer.status) && this.client().connection === connection) this.client().reconnect(`REVIVE failed: ${answer.status} ${answer.text}`);
      });
  }

  private armAskAgain(silentMs = 0): void {
    this.askAgainTimer ??= this.ports.clock.after(this.askAgainMs - silentMs, () => {
      this.askAgainTimer = null;
      if (this.wants.isEmpty) return;
      const silentMs = this.ports.clock.now() - this.offeredAt;
      if (silentMs < this.askAgainMs) return this.armAskAgain(silentMs);
      this.askAgainMs = Math.min(MAX_ASK_AGAIN_MS, this.askAgainMs * 2);
      this.revive.ask();
      this.armAskAgain();
    });
  }

  /** What is wanted has changed: the next question comes as soon as after the first. */
  private askSoon(): void {
    if (this.askAgainMs === ASK_AGAIN_MS) return;
    this.askAgainMs = ASK_AGAIN_MS;
    this.askAgainTimer?.cancel();
    this.askAgainTimer = null;
  }

  private armSuppress(): void {
    if (this.isSuppressed || this.suppressTimer !== null) return;
    this.suppressTimer = this.ports.clock.after(SUPPRESS_AFTER_MS, () => {
      this.suppressTimer = null;
      if (!this.wants.isEmpty || this.foresight !== null || this.isSuppressed || this.client().connection === null) return;
      this.decline([...this.held.keys()]);
      this.isSuppressed = true;
      void this.client().call({ type: 'SUPPRESS' });
    });
  }
}
