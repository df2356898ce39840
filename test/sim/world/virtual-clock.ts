/**
 * Virtual time: a heap of wake-ups, run one after another, each followed by all the promises that it settled.
 *
 * Nothing here reads the real clock, and ties are broken by the order of asking: the same seed gives the same run.
 */
import type { Clock, Ids, Instant, Random, Timer } from '@ekiden/model';

/** A wake-up in the heap: itself the timer that was handed out. */
class WakeUp implements Timer {
  wake: (() => void) | null;

  constructor(
    private readonly clock: VirtualClock,
    readonly at: Instant,
    readonly seq: number,
    wake: () => void,
    /** Nobody is woken once it is dead. */
    readonly owner: Mortal,
  ) {
    this.wake = wake;
  }

  cancel(): void {
    if (this.wake === null) return;
    this.wake = null;
    this.clock.forget();
  }
}

export interface Mortal {
  readonly isAlive: boolean;
}

const NOBODY: Mortal = { isAlive: true };

/** Fewer cancelled wake-ups than this are left in the heap until their time comes. */
const MIN_CANCELLED = 256;
/** After so many steps the event loop has a turn: signals, time limits of tests, rejections that nobody handles. */
const STEPS_PER_TURN = 1_000;

/** 2026-01-01T00:00:00Z: a virtual year begins. */
export const SIM_EPOCH: Instant = 1_767_225_600_000;

export class VirtualClock implements Clock {
  private heap: WakeUp[] = [];
  private cancelled = 0;
  private seq = 0;
  private time: Instant = SIM_EPOCH;
  /** Wake-ups run so far. */
  steps = 0;
  /** Called when all that a wake-up caused has happened. */
  atTurnEnd: (() => void) | null = null;

  now(): Instant {
    return this.time;
  }

  after(delayMs: number, wake: () => void, owner: Mortal = NOBODY): Timer {
    const entry = new WakeUp(this, this.time + Math.max(0, delayMs), this.seq++, wake, owner);
    push(this.heap, entry);
    return entry;
  }

  /** One more of the wake-ups in the heap was cancelled: they are thrown out when they are most of it. */
  forget(): void {
    this.cancelled += 1;
    if (this.cancelled < MIN_CANCELLED || this.cancelled * 2 < this.heap.length) return;
    this.heap = this.heap.filter((entry) => entry.wake !== null).sort((a, b) => (before(a, b) ? -1 : 1));
    this.cancelled = 0;
  }

  /** Runs the next wake-up and lets every promise settle. False: nothing is left. */
  async step(until: Instant): Promise<boolean> {
    if (!this.wakeNext(until)) return false;
    await settled(this.steps);
    this.atTurnEnd?.();
    return true;
  }

  /**
   * Runs wake-ups, as `step` does, until `isDone` says after one of them that it is enough; false: nothing is left. Rejects with what
   * a wake-up or `isDone` throws. One promise for all of them, since a big run has millions.
   */
  drive(until: Instant, isDone: () => boolean): Promise<boolean> {
    return new Promise((resolve, reject) => {
      const wake = (): void => {
        try {
          if (this.wakeNext(until)) whenSettled(this.steps, settle, turnEnded);
          else resolve(false);
        } catch (error) {
          reject(error instanceof Error ? error : new Error(String(error)));
        }
      };
      const turnEnded = (): void => {
        try {
          this.atTurnEnd?.();
          if (isDone()) return resolve(true);
        } catch (error) {
          return reject(error instanceof Error ? error : new Error(String(error)));
        }
        wake();
      };
      const settle = (): void => process.nextTick(turnEnded);
      wake();
    });
  }

  /** Runs for `ms` of virtual time. */
  async run(ms: number): Promise<void> {
    const until = this.time + ms;
    await settled(0);
    await this.drive(until, () => false);
    this.time = until;
  }

  /** Runs until `condition` holds; throws with `what` when `limitMs` of virtual time pass first. */
  async until(what: string, condition: () => boolean, limitMs = 120_000): Promise<void> {
    const until = this.time + limitMs;
    await settled(0);
    if (!condition() && !(await this.drive(until, condition))) throw new Error(`after ${limitMs} virtual ms still not: ${what}`);
  }

  /** False: nothing is left before `until`. */
  private wakeNext(until: Instant): boolean {
    for (;;) {
      const next = this.heap[0];
      if (next === undefined || next.at > until) return false;
      pop(this.heap);
      const { wake } = next;
      if (wake === null) {
        this.cancelled -= 1;
        continue;
      }
      next.wake = null; // Cancelled from now on, it is in no heap.
      this.time = next.at;
      this.steps += 1;
      if (next.owner.isAlive) wake();
      return true;
    }
  }
}

/**
 * All promise callbacks that can run have run: a tick that is asked for by one of them comes when no other is left. Unlike a turn of
 * the event loop it costs no system call; now and then there is one.
 */
const settled = (steps: number): Promise<void> =>
  new Promise((resolve) => {
    const settle = (): void => process.nextTick(resolve);
    whenSettled(steps, settle, resolve);
  });

/** `settle`: asks for `then` in a tick of its own. */
function whenSettled(steps: number, settle: () => void, then: () => void): void {
  if (steps > 0 && steps % STEPS_PER_TURN === 0) setImmediate(then);
  else void DONE.then(settle);
}

/** A callback of it costs less than one of `queueMicrotask`. */
const DONE = Promise.resolve();

/** xorshift128+-like generator from one seed: the only source of chance in a simulation. */
export function seededRandom(seed: number): Random {
  let state = (seed ^ 0x9e3779b9) >>> 0 || 1;
  return {
    next: () => {
      state ^= state << 13;
      state >>>= 0;
      state ^= state >>> 17;
      state ^= state << 5;
      state >>>= 0;
      return state / 0x1_0000_0000;
    },
  };
}

/** Real UUIDs in form (parts read their bytes), counted instead of drawn. */
export function countedIds(): Ids {
  let count = 0;
  return { uuid: () => `00000000-0000-1000-8000-${(++count).toString(16).padStart(12, '0')}` };
}

function push(heap: WakeUp[], entry: WakeUp): void {
  heap.push(entry);
  let at = heap.length - 1;
  while (at > 0) {
    const parent = (at - 1) >> 1;
    if (!before(entry, heap[parent]!)) break;
    heap[at] = heap[parent]!;
    at = parent;
  }
  heap[at] = entry;
}

function pop(heap: WakeUp[]): void {
  const last = heap.pop();
  if (last === undefined || heap.length === 0) return;
  let at = 0;
  for (;;) {
    const left = 2 * at + 1;
    if (left >= heap.length) break;
    const right = left + 1;
    const child = right < heap.length && before(heap[right]!, heap[left]!) ? right : left;
    if (!before(heap[child]!, last)) break;
    heap[at] = heap[child]!;
    at = child;
  }
  heap[at] = last;
}

const before = (a: WakeUp, b: WakeUp): boolean => a.at < b.at || (a.at === b.at && a.seq < b.seq);
