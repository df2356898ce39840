/**
 * A process of Ekiden that can be killed: after its death no timer of it fires and no promise of its ports settles.
 *
 * That is what `kill -9` means to code that awaits only ports. What it had sent is on its way; what it had written stays.
 */
import type { Ids, Log, Random, World } from '@ekiden/model';
import type { LogLine } from './log-book.js';
import type { VirtualClock } from './virtual-clock.js';

export type { LogLine };

/**
 * When a process dies at a call of a port. `before`: nothing has left it. `during`: the call is under way, its effect comes
 * and finds nobody. `after`: the effect is there, its answer is never heard.
 */
export type CallMoment = 'before' | 'during' | 'after';

/** Is told of each call of each port, of all processes; says when the process dies at it, if it does. */
export interface PortTrap {
  atCall(process: VirtualProcess, port: string, args: readonly unknown[]): CallMoment | null;
  /** The newest call of this process takes its time: it can die while it is under way. */
  answersLater?(process: VirtualProcess): void;
  /** Ends the process and its connections now, as `kill -9` does. */
  die(process: VirtualProcess): void;
}

export class VirtualProcess {
  isAlive = true;

  constructor(
    readonly name: string,
    private readonly clock: Pick<VirtualClock, 'now' | 'after'>,
    private readonly random: Random,
    private readonly ids: Ids,
    private readonly book: { push(line: LogLine): unknown },
    /** Read at each call. */
    private readonly trap: () => PortTrap | null = () => null,
    /** Its machine's clock is ahead by so much, or behind. */
    private readonly skewMs = 0,
  ) {}

  world(): World {
    const line =
      (level: string) =>
      (event: string, fields: Readonly<Record<string, unknown>> = {}) => {
        this.book.push({ at: this.clock.now(), from: this.name, level, event, fields });
      };
    const log: Log = { debug: line('debug'), info: line('info'), warn: line('warn'), error: line('error') };
    return {
      clock: { now: () => this.clock.now() + this.skewMs, after: (ms, wake) => this.clock.after(ms, wake, this) },
      random: this.random,
      ids: this.ids,
      log,
    };
  }

  /**
   * The same ports, deaf and dumb once the process is dead. Works on objects whose methods answer promises, nothing, or an
   * open connection. `name` is what its calls are called: every one is a point at which the process may die.
   */
  guard<T extends object>(name: string, ports: T): T {
    const guarded = new Map<string | symbol, { readonly member: unknown; readonly call: unknown }>();
    return new Proxy(ports, {
      get: (target, key) => {
        const member: unknown = target[key as keyof T];
        if (typeof member !== 'function') return member;
        const known = guarded.get(key);
        if (known?.member === member) return known.call;
        const port = `${name}.${String(key)}`;
        const call = (...args: unknown[]): unknown => this.call(port, args, member as PortMember, target);
        guarded.set(key, { member, call });
        return call;
      },
    });
  }

  private call(port: string, args: unknown[], member: PortMember, target: object): unknown {
    if (!this.isAlive) return DEAD;
    const trap = this.trap();
    const moment = trap?.atCall(this, port, args) ?? null;
    const die = (when: CallMoment): void => {
      if (moment === when && this.isAlive) trap?.die(this);
    };
    if (moment !== null) die('before');
    if (!this.isAlive) return DEAD;
    for (let index = 0; index < args.length; index += 1) {
      const arg = args[index];
      if (typeof arg === 'function') args[index] = this.mute(arg as PortMember);
    }
    const answer: unknown = Reflect.apply(member, target, args);
    const isLater = answer instanceof Promise;
    if (isLater) trap?.answersLater?.(this);
    if (moment !== null) die(isLater ? 'during' : 'after');
    if (!isLater) return answer;
    return this.settle(answer, moment === null ? null : () => die('after'));
  }

  /** A callback that nobody hears after the death. */
  mute<A extends unknown[]>(callback: (...args: A) => unknown): (...args: A) => void {
    return (...args) => {
      if (this.isAlive) callback(...args);
    };
  }

  kill(): void {
    this.isAlive = false;
  }

  private settle(promise: Promise<unknown>, answered: (() => void) | null): Promise<unknown> {
    if (answered === null) return promise.then(this.hear, this.fail);
    return promise.then(
      (value) => {
        answered();
        return this.hear(value);
      },
      (error: unknown) => {
        answered();
        return this.fail(error);
      },
    );
  }

  /** Of no use to a dead process. */
  private readonly hear = (value: unknown): unknown => (this.isAlive ? value : NEVER());

  private readonly fail = (error: unknown): Promise<never> => {
    if (!this.isAlive) return NEVER();
    throw error instanceof Error ? error : new Error(String(error));
  };
}

type PortMember = (...args: unknown[]) => unknown;

/** A promise of its own each time: who waits for it is forgotten with it. */
const NEVER = (): Promise<never> => new Promise<never>(() => undefined);

/** What a dead process gets: no answer, and a connection that does nothing. */
const DEAD = Object.assign(new Promise<never>(() => undefined), { send: () => undefined, close: () => undefined });
