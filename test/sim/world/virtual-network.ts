/**
 * The two wires of Ekiden in virtual time: scheduler calls and streams between paas-api and master, links between agents
 * and master, with the faults that a scenario puts in.
 *
 * A stream or link keeps its order and loses nothing without breaking, as TCP does; calls travel each on its own and may
 * overtake one another. Somebody cut off sends and hears nothing, and neither end is told: it finds out by itself.
 */
import type { AgentMessage, MasterMessage } from '@ekiden/agent-link';
import type { CallAnswer, SchedulerTransport, SubscribeCall, SubscriptionSink } from '@ekiden/framework-sdk';
import type { SchedulerCall, SchedulerEvent } from '@ekiden/mesos';
import type { Clock } from '@ekiden/model';
import type { Link, LinkSink, MasterConnector } from '../../../apps/agent/src/agent-ports.js';
import type { Master } from '../../../apps/master/src/master-ports.js';
import type { Tell } from './sim-event.js';
import { Wire, type Cutoff, type Direction, type End, type Fate, type Medium } from './virtual-wire.js';

export interface Faults {
  call: (call: SchedulerCall) => Fate;
  /** What a user asks of paas-api. */
  request: () => Fate;
  event: (event: SchedulerEvent) => Fate;
  toMaster: (message: AgentMessage) => Fate;
  toAgent: (message: MasterMessage) => Fate;
  /** How long one message is under way, in ms. */
  delayMs: () => number;
  /** How much later a `late` or `slow` one arrives, below the time-out of its sender. */
  lateMs: () => number;
}

const WIRE_DELAY_MS = 1;
const LATE_MS = 1_000;
/** A caller who is cut off gives up after this. */
const CALL_TIMEOUT_MS = 5_000;
const REFUSED: CallAnswer = { status: 0, text: 'connection refused' };

export const faultless = (): Faults => ({
  call: () => 'deliver',
  request: () => 'deliver',
  event: () => 'deliver',
  toMaster: () => 'deliver',
  toAgent: () => 'deliver',
  delayMs: () => WIRE_DELAY_MS,
  lateMs: () => LATE_MS,
});

/** A user's request whose answer never came: it may have had its effect, or may have it yet. */
export class AnswerLost extends Error {
  override readonly name = 'AnswerLost';
}

export class VirtualNetwork implements Medium {
  readonly faults: Faults = faultless();
  /** Connections of which an end is open, or being opened. */
  readonly wires = new Set<Wire>();
  /** The same by the name of the part that opened them. */
  private readonly byName = new Map<string, Set<Wire>>();
  /** Streams that are open, and who hears what comes over them. */
  private readonly streams = new Map<Wire, SubscriptionSink>();
  private nextWire = 0;
  /** Pings and pongs that arrive at that moment. */
  private routine: { readonly at: number; readonly arrivals: (() => void)[] } | null = null;
  private readonly cutOff = new Map<string, Cutoff>();
  /** What could not get through to or from somebody who is cut off. */
  private readonly unheard = new Map<string, (() => void)[]>();

  constructor(
    readonly clock: Clock,
    /** Who answers at the master's address now: where two are, not always the same. */
    private readonly master: () => Master | null,
    private readonly tell: Tell = () => undefined,
  ) {}

  /** A master's process is gone: every connection to it, and every one under way, breaks. */
  cutMaster(master: Master | null, why: string): void {
    for (const wire of [...this.wires])
      if (wire.master === null) wire.end(why);
      else if (wire.master === master) wire.depart('master', why);
  }

  /** Connections break, on both ends. */
  cut(by: string, why: string): void {
    for (const wire of this.of(by)) wire.end(why);
  }

  /** A process died: its machine says so to whom it was connected. */
  died(by: string, why: string): void {
    for (const wire of this.of(by)) wire.depart('opener', why);
  }

  /** The power of its machine is gone: nobody says anything. */
  vanish(by: string): void {
    for (const wire of this.of(by)) wire.vanish();
  }

  /** Frameworks hear what our master would not say, and another one may. */
  say(event: SchedulerEvent): void {
    for (const [wire, sink] of this.streams) wire.pass('fromMaster', 'deliver', () => sink.event(event));
  }

  /** Nothing that is sent from now on arrives before that, then all of it, in order; neither end is told. */
  stall(wire: Wire, ms: number, direction: Cutoff = 'both'): void {
    wire.stall(ms, direction);
  }

  /** One end learns that it is over, the other when it writes or gives up. */
  halfClose(wire: Wire, told: End, why = 'connection reset'): void {
    wire.halfClose(told, why);
  }

  /** Nothing gets through on this connection alone; if it was used meanwhile, it breaks afterwards. */
  cutOffWire(wire: Wire, cutoff: Cutoff, ms: number): void {
    wire.cutoff = cutoff;
    this.clock.after(ms, () => {
      wire.cutoff = null;
      if (wire.hadLoss) wire.end('connection reset');
    });
  }

  /** Something stands between it and the master now, whether it knows it or not. */
  isTroubled(by: string): boolean {
    return this.cutOff.has(by) || this.wiresOf(by).some((wire) => wire.isTroubled);
  }

  /** From now on nothing gets through, until `heal`. `by`: a host's name, or `paas-api`. */
  isolate(by: string, cutoff: Cutoff): void {
    this.cutOff.set(by, cutoff);
  }

  heal(by: string): void {
    this.cutOff.delete(by);
    for (const wire of this.wiresOf(by)) if (wire.hadLoss) wire.end('connection reset');
    for (const work of this.unheard.get(by) ?? []) work();
    this.unheard.delete(by);
  }

  isCutOff(by: string, direction: Direction): boolean {
    const cutoff = this.cutOff.get(nameOf(by));
    return cutoff !== undefined && (cutoff === 'both' || cutoff === direction);
  }

  transport(by: string): SchedulerTransport {
    return {
      subscribe: (call, sink) => this.subscribe(by, call, sink),
      call: (streamId, call) => this.call(by, streamId, call),
    };
  }

  connector(by: string): MasterConnector {
    return { connect: (sink) => this.connect(by, sink) };
  }

  delayMs(): number {
    return this.faults.delayMs();
  }

  whenFree(by: string, direction: Direction, work: () => void): void {
    if (!this.isCutOff(by, direction)) return work();
    const name = nameOf(by);
    this.unheard.set(name, [...(this.unheard.get(name) ?? []), work]);
  }

  together(at: number, work: () => void): void {
    if (this.routine?.at === at) return void this.routine.arrivals.push(work);
    const routine = { at, arrivals: [work] };
    this.routine = routine;
    this.clock.after(at - this.clock.now(), () => {
      if (this.routine === routine) this.routine = null;
      for (const arrive of routine.arrivals) arrive();
    });
  }

  isBack(wire: Wire): boolean {
    return this.wiresOf(nameOf(wire.by)).some((other) => other.number > wire.number);
  }

  ended(wire: Wire): void {
    this.wires.delete(wire);
    this.streams.delete(wire);
    const name = nameOf(wire.by);
    const left = this.byName.get(name);
    left?.delete(wire);
    if (left?.size === 0) this.byName.delete(name);
  }

  /** A user's request: `work` asks paas-api, and answers as it does; rejects with `AnswerLost` when no answer gets back. */
  async request<T>(work: () => Promise<T>): Promise<T> {
    const fate = this.faults.request();
    if (fate === 'lose' || fate === 'cut') return this.lost();
    if (fate === 'late' || fate === 'slow') await this.pause(this.faults.lateMs());
    if (fate === 'late') {
      work().catch(() => undefined); // nobody hears how it went
      return this.lost();
    }
    if (fate === 'double') {
      // A proxy has sent it again. What the second answer says is not what the first one did, so the user knows nothing.
      await work().catch(() => undefined);
      await work().catch(() => undefined);
      return this.lost();
    }
    const answer = await work();
    return fate === 'lose-answer' ? this.lost() : answer;
  }

  private async lost(): Promise<never> {
    await this.pause(this.faults.delayMs());
    throw new AnswerLost('the connection broke before an answer came');
  }

  private pause(ms: number): Promise<void> {
    return new Promise((resolve) => this.clock.after(ms, resolve));
  }

  private of(by: string): Wire[] {
    return this.wiresOf(nameOf(by)).filter((wire) => wire.by === by);
  }

  private wiresOf(name: string): Wire[] {
    return [...(this.byName.get(name) ?? [])];
  }

  private open(by: string, kind: Wire['kind']): Wire {
    const wire = new Wire(by, kind, this.nextWire++, this);
    this.wires.add(wire);
    const name = nameOf(by);
    this.byName.set(name, (this.byName.get(name) ?? new Set()).add(wire));
    return wire;
  }

  private subscribe(by: string, call: SubscribeCall, sink: SubscriptionSink): { close(): void } {
    const wire = this.open(by, 'stream');
    let streamId: string | null = null;
    wire.toldOpener = (why) => sink.closed(why);
    wire.toldMaster = () => void (streamId !== null && wire.master?.disconnected(streamId));
    wire.dial(() => {
      const master = this.master();
      if (master === null) return wire.end('connection refused');
      wire.master = master;
      const answer = master.subscribe(call, {
        event: (event) => {
          const isNews = event.type !== 'HEARTBEAT' && streamId !== null;
          if (isNews) this.tell({ kind: 'stream-sent', by, master, streamId: streamId ?? '', event });
          wire.pass('fromMaster', this.faults.event(event), () => {
            if (isNews) this.tell({ kind: 'stream-got', by, streamId: streamId ?? '', event });
            sink.event(event);
          });
        },
        close: () => wire.depart('master', 'closed by the master'),
      });
      if (answer.kind === 'refused') return wire.end(`refused: ${answer.answer.status} ${answer.answer.text}`);
      const opened = answer.streamId;
      streamId = opened;
      this.streams.set(wire, sink);
      this.tell({ kind: 'stream-opened', by, master, streamId, call });
      wire.pass('fromMaster', 'deliver', () => sink.opened(opened));
    });
    return { close: () => wire.depart('opener', 'closed by us') };
  }

  private call(by: string, streamId: string, call: SchedulerCall): Promise<CallAnswer> {
    const fate = this.faults.call(call);
    this.tell({ kind: 'call-sent', by, streamId, call });
    return new Promise((resolve) => {
      const giveUp = (): void => void this.clock.after(CALL_TIMEOUT_MS, () => resolve(REFUSED));
      if (this.isCutOff(by, 'toMaster')) return giveUp();
      if (fate === 'lose' || fate === 'cut') return this.later(() => resolve(REFUSED));
      if (fate === 'late') this.later(() => resolve(REFUSED));
      const deliver = (): void => {
        const master = this.master();
        if (master === null) return this.later(() => resolve(REFUSED));
        let answer = this.handle(master, by, streamId, call);
        if (fate === 'double') answer = this.handle(master, by, streamId, call);
        if (this.isCutOff(by, 'fromMaster')) return giveUp();
        this.later(() => resolve(fate === 'lose-answer' ? REFUSED : answer));
      };
      if (fate === 'late' || fate === 'slow') this.clock.after(Math.min(this.faults.lateMs(), CALL_TIMEOUT_MS - 1), deliver);
      else this.later(deliver);
    });
  }

  private handle(master: Master, by: string, streamId: string, call: SchedulerCall): CallAnswer {
    this.tell({ kind: 'call-got', by, master, streamId, call });
    const answer = master.call(streamId, call);
    this.tell({ kind: 'call-done', by, master, streamId, call, answer });
    return answer;
  }

  private connect(by: string, sink: LinkSink): Link {
    const wire = this.open(by, 'link');
    let deliver: ((message: AgentMessage) => void) | null = null;
    wire.toldOpener = (why) => sink.closed(why);
    wire.dial(() => {
      const master = this.master();
      if (master === null) return wire.end('connection refused');
      wire.master = master;
      const handle = master.agentConnected({
        send: (message) => {
          const isPing = message.type === 'ping';
          if (!isPing) this.tell({ kind: 'master-sent', host: by, wire: wire.number, master, message });
          const deliver = (): void => {
            if (!isPing) this.tell({ kind: 'agent-got', host: by, wire: wire.number, message });
            sink.message(message);
          };
          wire.pass('fromMaster', this.faults.toAgent(message), deliver, isPing);
        },
        close: (why) => wire.depart('master', why),
      });
      deliver = (message) => {
        handle.message(message);
        if (message.type !== 'pong') this.tell({ kind: 'master-got', host: by, wire: wire.number, master, message });
      };
      wire.toldMaster = () => handle.closed();
      wire.pass('fromMaster', 'deliver', () => sink.opened());
    });
    return {
      send: (message) => {
        const isPong = message.type === 'pong';
        if (!isPong) this.tell({ kind: 'agent-sent', host: by, wire: wire.number, message });
        wire.pass('toMaster', this.faults.toMaster(message), () => deliver?.(message), isPong);
      },
      close: (why) => wire.depart('opener', why),
    };
  }

  private later(work: () => void): void {
    this.clock.after(this.faults.delayMs(), work);
  }
}

/** `paas-api#7` is a process of `paas-api`. */
function nameOf(by: string): string {
  const at = by.indexOf('#');
  return at === -1 ? by : by.slice(0, at);
}
