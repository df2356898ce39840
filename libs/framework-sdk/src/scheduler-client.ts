/**
 * Keeps one subscription to a master alive, and sends calls over it.
 *
 * Pure on a `World` and a `SchedulerTransport`. It subscribes, notices a stream that is dead (five heartbeats missed),
 * subscribes again (at once, then with growing, jittered pauses) and keeps the framework's id. Each subscription has a
 * stream id; a call is sent with the id of the newest, and the caller is told over which stream an event came: what an
 * answer proves depends on it. Absent on purpose: resending calls. A caller looks at its state and calls again.
 * Borrowed: Mesos, docs/scheduler-http-api (disconnections, heartbeats).
 */
import type { Acknowledgement, FrameworkInfo, MasterInfo, SchedulerEvent } from '@ekiden/mesos';
import { frameworkId as checkedFrameworkId, type FrameworkId, type Instant, type Timer, type World } from '@ekiden/model';
import { acknowledgeCalls } from './acknowledge-calls.js';
import type { CallAnswer, FrameworkCall, SchedulerTransport, SubscribeCall, Subscription } from './transport.js';

/** Heartbeats that may be missed before a stream counts as dead. */
const MAX_MISSED_HEARTBEATS = 5;
const DEFAULT_HEARTBEAT_MS = 15_000;
/** How long the first event of a subscription may take. */
const SUBSCRIBE_TIMEOUT_MS = 10_000;
const FIRST_PAUSE_MS = 100;
const MAX_PAUSE_MS = 5_000;
/**
 * A subscription that lasted this long proves the master and the way to it well: the next one is asked for at once again. Each costs
 * the master an answer about every task, so one that breaks under those answers must not be followed by the next without a pause.
 */
const STABLE_STREAM_MS = 5_000;
/** A subscription that somebody else has taken from us is followed by a pause as after so many attempts. */
const FOUGHT_OVER_ATTEMPT = 4;
/** A wait for the first subscription is told of after so many attempts (some 3 s), and then about once a minute. */
const TELL_AFTER_ATTEMPTS = 6;
const TELL_EACH_ATTEMPTS = 15;

export interface Connection {
  readonly frameworkId: FrameworkId;
  readonly streamId: string;
  readonly master: MasterInfo | null;
  /** Types that the master announced, `EKIDEN_…` among them. */
  readonly capabilities: ReadonlySet<string>;
}

export interface SchedulerHandlers {
  /** Read anew for each subscription. */
  frameworkInfo(): { readonly info: FrameworkInfo; readonly suppressedRoles: readonly string[] };
  connected(connection: Connection): void;
  disconnected(why: string): void;
  /** Every event but SUBSCRIBED, HEARTBEAT and ERROR. */
  event(event: SchedulerEvent, connection: Connection): void;
  /** The master has removed this framework for good: its id is forgotten here, the next subscription asks for a new one. */
  removed(): void;
}

export interface SchedulerClient {
  /** `frameworkId`: as stored by a former process, or null for a new framework. */
  start(frameworkId: FrameworkId | null): void;
  stop(): void;
  /** Gives the present stream up and subscribes again: its unanswered calls can then have no further effect. */
  reconnect(why: string): void;
  /** The newest subscription, from SUBSCRIBED until its end. */
  readonly connection: Connection | null;
  /** Status 0 when there is no subscription, or nobody knows whether the call was taken. Never rejects. */
  call(call: FrameworkCall): Promise<CallAnswer>;
  /**
   * Acknowledges a status over the present subscription; without one, nothing happens, and the status comes again. What is
   * acknowledged in one turn goes out together, in as few calls as this master takes.
   */
  acknowledge(acknowledgement: Acknowledgement): void;
}

/** See the header. Calls handlers only from the transport's callbacks and its own timers, never synchronously from `start`. */
export function createSchedulerClient(world: World, transport: SchedulerTransport, handlers: SchedulerHandlers): SchedulerClient {
  return new Client(world, transport, handlers);
}

class Client implements SchedulerClient {
  connection: Connection | null = null;
  private frameworkId: FrameworkId | null = null;
  private isRunning = false;
  private attempt = 0;
  private subscription: Subscription | null = null;
  /** Grows with each subscription: what an older one still says is not heard. */
  private generation = 0;
  private timer: Timer | null = null;
  private silenceMs = SUBSCRIBE_TIMEOUT_MS;
  private heardAt: Instant = 0;
  private connectedAt: Instant = 0;
  private acknowledgements: Acknowledgement[] = [];

  constructor(
    private readonly world: World,
    private readonly transport: SchedulerTransport,
    private readonly handlers: SchedulerHandlers,
  ) {}

  start(frameworkId: FrameworkId | null): void {
    if (this.isRunning) return;
    this.isRunning = true;
    this.frameworkId = frameworkId;
    this.timer = this.world.clock.after(0, () => this.subscribe());
  }

  stop(): void {
    this.isRunning = false;
    this.drop();
  }

  reconnect(why: string): void {
    if (this.isRunning && this.subscription !== null) this.lost(why);
  }

  async call(call: FrameworkCall): Promise<CallAnswer> {
    const { connection } = this;
    if (connection === null) return { status: 0, text: 'not subscribed to a master' };
    try {
      return await this.transport.call(connection.streamId, { ...call, framework_id: { value: connection.frameworkId } });
    } catch (error) {
      return { status: 0, text: String(error) };
    }
  }

  acknowledge(acknowledgement: Acknowledgement): void {
    if (this.connection === null) return;
    this.acknowledgements.push(acknowledgement);
    if (this.acknowledgements.length === 1) void Promise.resolve().then(() => this.sendAcknowledgements());
  }

  private sendAcknowledgements(): void {
    const waiting = this.acknowledgements;
    this.acknowledgements = [];
    if (this.connection !== null) for (const call of acknowledgeCalls(waiting, this.connection.capabilities)) void this.call(call);
  }

  private subscribe(): void {
    this.timer = null;
    if (!this.isRunning) return;
    const generation = ++this.generation;
    const { info, suppressedRoles } = this.handlers.frameworkInfo();
    const id = this.frameworkId === null ? {} : { id: { value: this.frameworkId } };
    const call: SubscribeCall = {
      type: 'SUBSCRIBE',
      ...(this.frameworkId === null ? {} : { framework_id: { value: this.frameworkId } }),
      subscribe: { framework_info: { ...info, ...id }, suppressed_roles: [...suppressedRoles] },
    };
    let streamId = '';
    this.silenceMs = SUBSCRIBE_TIMEOUT_MS;
    this.heardAt = this.world.clock.now();
    const subscription = this.transport.subscribe(call, {
      opened: (id) => {
        streamId = id;
      },
      event: (event) => {
        if (generation === this.generation) this.hear(event, streamId);
      },
      closed: (why) => {
        if (generation === this.generation) this.lost(why);
      },
    });
    // The transport may have closed it already, synchronously.
    if (generation !== this.generation) return subscription.close();
    this.subscription = subscription;
    this.watch(generation);
  }

  /** One timer a stream, which looks how long the last event is ago. */
  private watch(generation: number): void {
    const silent = this.world.clock.now() - this.heardAt;
    this.timer = this.world.clock.after(Math.max(1, this.silenceMs - silent), () => {
      if (generation !== this.generation) return;
      if (this.world.clock.now() - this.heardAt >= this.silenceMs) this.lost(`nothing heard for ${this.silenceMs} ms`);
      else this.watch(generation);
    });
  }

  private hear(event: SchedulerEvent, streamId: string): void {
    this.heardAt = this.world.clock.now();
    switch (event.type) {
      case 'SUBSCRIBED':
        return this.subscribed(event.subscribed, streamId);
      case 'HEARTBEAT':
        return;
      case 'ERROR':
        return this.refused(event.error.message);
      case 'OFFERS':
      case 'RESCIND':
      case 'UPDATE':
      case 'MESSAGE':
      case 'FAILURE':
        if (this.connection !== null) this.handlers.event(event, this.connection);
    }
  }

  private subscribed(said: Extract<SchedulerEvent, { type: 'SUBSCRIBED' }>['subscribed'], streamId: string): void {
    const master = said.master_info ?? null;
    this.frameworkId = checkedFrameworkId(said.framework_id.value);
    this.connectedAt = this.world.clock.now();
    const heartbeatMs = said.heartbeat_interval_seconds > 0 ? said.heartbeat_interval_seconds * 1000 : DEFAULT_HEARTBEAT_MS;
    this.silenceMs = heartbeatMs * MAX_MISSED_HEARTBEATS;
    this.timer?.cancel();
    this.watch(this.generation);
    this.connection = {
      frameworkId: this.frameworkId,
      streamId,
      master,
      capabilities: new Set((master?.capabilities ?? []).map(({ type }) => type)),
    };
    this.handlers.connected(this.connection);
  }

  private refused(message: string): void {
    this.world.log.warn('master refused the subscription', { message, frameworkId: this.frameworkId });
    if (/framework has been removed/i.test(message)) {
      this.frameworkId = null;
      this.handlers.removed();
    }
    // Somebody else has subscribed with our id: do not fight at full speed while the lead is being settled.
    this.lost(message, /failed over/i.test(message) ? FOUGHT_OVER_ATTEMPT : 0);
  }

  private lost(why: string, minAttempt = 0): void {
    const wasConnected = this.connection !== null;
    if (wasConnected && this.world.clock.now() - this.connectedAt >= STABLE_STREAM_MS) this.attempt = 0;
    this.attempt = Math.max(this.attempt, minAttempt);
    this.drop();
    if (!this.isRunning) return;
    this.timer = this.world.clock.after(this.pause(), () => this.subscribe());
    if (wasConnected) this.handlers.disconnected(why);
    else this.tellWait(why);
  }

  /** A start without a master is normal for a moment; after that, everybody should know. */
  private tellWait(why: string): void {
    const isLong = this.attempt === TELL_AFTER_ATTEMPTS || this.attempt % TELL_EACH_ATTEMPTS === 0;
    const fields = { why, attempt: this.attempt };
    if (isLong) this.world.log.warn('no subscription yet', fields);
    else this.world.log.debug('no subscription yet', fields);
  }

  private drop(): void {
    this.generation += 1;
    this.timer?.cancel();
    this.timer = null;
    this.connection = null;
    this.acknowledgements = []; // Their statuses come again over the next stream.
    this.subscription?.close();
    this.subscription = null;
  }

  /** 0 for the first retry since a stream was stable, then up to 100 ms, doubling to 5 s, each with jitter downwards by half. */
  private pause(): number {
    const attempt = this.attempt++;
    if (attempt === 0) return 0;
    const full = Math.min(MAX_PAUSE_MS, FIRST_PAUSE_MS * 2 ** (attempt - 1));
    return Math.round(full * (0.5 + this.world.random.next() / 2));
  }
}
