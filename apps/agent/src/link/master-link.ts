/**
 * The one connection to the master: opened by the agent, opened again whenever it breaks.
 *
 *   connecting ─► registering ─► registered ─► (broken) ─► waiting ─► connecting
 *
 * Only the newest link counts: what an older one still says is dropped. Nothing but pings is heard before `registered`,
 * and nothing after it until the agent has written down what it says (decision 5: the master's epoch).
 * The first retry comes at once, later ones from 100 ms, doubling to 2 s, with jitter: after a restart of the master the
 * cluster is right again within seconds, and 10,000 agents do not knock in step.
 */
import type { AgentMessage, MasterMessage, RegisterMessage } from '@ekiden/agent-link';
import { AGENT_LINK_VERSION } from '@ekiden/agent-link';
import type { Timer } from '@ekiden/model';
import type { AgentPorts, Link } from '../agent-ports.js';

export const RETRY_MIN_MS = 100;
export const RETRY_MAX_MS = 2_000;
/** A master that said no for good is asked again this seldom: its operator may change their mind. */
export const RETRY_REFUSED_MS = 60_000;
/** From the attempt to `registered`. */
export const REGISTER_TIMEOUT_MS = 10_000;
/** A link that lasted this long proves the master well: the next retry comes at once again. */
export const STABLE_LINK_MS = 1_000;
/** Intervals without a ping after which the link is taken for dead: fewer than the master's, so that a new link comes before it gives us up. */
export const MAX_MISSED_PINGS = 3;
/** However often pings come: a busy machine is late by that much. */
export const MIN_SILENCE_MS = 5_000;
/** Messages that may wait while the agent writes down its registration. */
export const MAX_HELD_MESSAGES = 10_000;

export type Registered = Extract<MasterMessage, { type: 'registered' }>;
/** What a registered master may ask of the agent. */
export type MasterOrder = Exclude<MasterMessage, { type: 'registered' | 'refused' | 'ping' }>;

export interface LinkOwner {
  registration(): RegisterMessage;
  /** Null: this master may lead us, and that is on disk. Otherwise the reason why it may not. */
  admit(registered: Registered): Promise<string | null>;
  up(send: (message: AgentMessage) => void): void;
  down(): void;
  order(order: MasterOrder): void;
}

interface Open {
  readonly link: Link;
  phase: 'connecting' | 'registering' | 'admitting' | 'registered';
  readonly held: MasterOrder[];
  lastPing: number;
  registeredAt: number;
  timer: Timer | null;
}

export class MasterLink {
  private open: Open | null = null;
  private retry: Timer | null = null;
  private failures = 0;
  private stopped = true;

  constructor(
    private readonly ports: Pick<AgentPorts, 'clock' | 'random' | 'log' | 'master'>,
    private readonly owner: LinkOwner,
  ) {}

  get isRegistered(): boolean {
    return this.open?.phase === 'registered';
  }

  start(): void {
    this.stopped = false;
    this.connect();
  }

  stop(): void {
    this.stopped = true;
    this.retry?.cancel();
    this.leave('the agent stops');
  }

  /** What the agent says of itself has changed: it is said on a new connection. */
  renew(): void {
    if (this.open !== null) this.broken('what this agent can has changed', 0);
  }

  private connect(): void {
    const { clock } = this.ports;
    const link = this.ports.master.connect({
      opened: () => this.from(link, (open) => this.opened(open)),
      message: (message) => this.from(link, (open) => this.heard(open, message)),
      closed: (why) => this.from(link, () => this.broken(why, null)),
    });
    const timer = clock.after(REGISTER_TIMEOUT_MS, () => this.from(link, () => this.broken(`no registration within ${REGISTER_TIMEOUT_MS} ms`, null)));
    this.open = { link, phase: 'connecting', held: [], lastPing: 0, registeredAt: 0, timer };
  }

  /** Drops what comes over any link but the newest. */
  private from(link: Link, then: (open: Open) => void): void {
    if (this.open && this.open.link === link) then(this.open);
  }

  private opened(open: Open): void {
    open.phase = 'registering';
    open.link.send(this.owner.registration());
  }

  private heard(open: Open, message: MasterMessage): void {
    switch (message.type) {
      case 'ping':
        open.lastPing = this.ports.clock.now();
        open.link.send({ type: 'pong', nonce: message.nonce });
        return;
      case 'refused':
        this.ports.log.error('master-refused', { why: message.why, permanent: message.permanent });
        this.broken(`refused: ${message.why}`, message.permanent ? RETRY_REFUSED_MS : null);
        return;
      case 'registered':
        if (open.phase === 'registering') void this.admit(open, message);
        return;
      case 'launch':
      case 'kill':
      case 'resize':
      case 'acknowledge':
      case 'message':
      case 'shutdown-framework':
      case 'reconcile-tasks':
        if (open.phase === 'registered') this.owner.order(message);
        else if (open.phase === 'admitting') this.hold(open, message);
        else this.ports.log.warn('order-before-registration', { type: message.type });
        return;
    }
  }

  private hold(open: Open, order: MasterOrder): void {
    if (open.held.length < MAX_HELD_MESSAGES) open.held.push(order);
    else this.broken(`more than ${MAX_HELD_MESSAGES} messages before the registration was written`, null);
  }

  private async admit(open: Open, registered: Registered): Promise<void> {
    open.phase = 'admitting';
    const isKnownVersion = registered.v === AGENT_LINK_VERSION || registered.v === AGENT_LINK_VERSION - 1;
    const refusal = isKnownVersion ? await this.owner.admit(registered) : `the master speaks version ${registered.v}, this agent ${AGENT_LINK_VERSION}`;
    if (this.open !== open) return;
    if (refusal !== null) {
      this.ports.log.warn('master-not-followed', { why: refusal, masterId: registered.masterId, masterEpoch: registered.masterEpoch });
      this.broken(refusal, null);
      return;
    }
    const now = this.ports.clock.now();
    open.phase = 'registered';
    open.registeredAt = now;
    open.lastPing = now;
    this.watchPings(open, Math.max(MIN_SILENCE_MS, registered.pingIntervalMs * MAX_MISSED_PINGS));
    this.ports.log.info('registered', { agentId: registered.agentId, masterId: registered.masterId, masterEpoch: registered.masterEpoch });
    this.owner.up((message) => open.link.send(message));
    for (const order of open.held.splice(0)) if (this.open === open) this.owner.order(order);
  }

  private watchPings(open: Open, limitMs: number): void {
    open.timer?.cancel();
    const leftMs = open.lastPing + limitMs - this.ports.clock.now();
    if (leftMs <= 0) this.broken(`no ping for ${limitMs} ms`, null);
    else open.timer = this.ports.clock.after(leftMs, () => this.from(open.link, () => this.watchPings(open, limitMs)));
  }

  private broken(why: string, delayMs: number | null): void {
    const lasted = this.open?.phase === 'registered' && this.ports.clock.now() - this.open.registeredAt >= STABLE_LINK_MS;
    if (lasted) this.failures = 0;
    this.leave(why);
    if (this.stopped) return;
    const waitMs = delayMs ?? retryDelayMs(this.failures, this.ports.random.next());
    this.failures += 1;
    this.ports.log.info('master-link-broken', { why, retryInMs: waitMs });
    this.retry = this.ports.clock.after(waitMs, () => this.connect());
  }

  private leave(why: string): void {
    const open = this.open;
    if (!open) return;
    this.open = null;
    open.timer?.cancel();
    if (open.phase === 'registered') this.owner.down();
    open.link.close(why);
  }
}

/** At once, then 100 ms doubling to 2 s, of which a random half is waited at most. */
export function retryDelayMs(failures: number, random: number): number {
  if (failures === 0) return 0;
  const limit = Math.min(RETRY_MAX_MS, RETRY_MIN_MS * 2 ** Math.min(failures - 1, 20));
  return Math.round(limit * (0.5 + random / 2));
}
