/**
 * Who is pinged when: each agent once an interval, and one timer for all of them.
 *
 * The interval is the same for all, so whoever was pinged goes to the end of the line. Whose turn comes within the grain of the
 * first one's is pinged with it, and stays with it: however many there are, they cost a few wake-ups an interval.
 */
import type { Clock, Instant, Timer } from '@ekiden/model';

/** Of an interval: at most so many rounds are made in it. */
const MAX_ROUNDS = 15;

interface Turn {
  readonly at: Instant;
  /** False: it is pinged no more. */
  readonly ping: () => boolean;
}

export class PingRounds {
  /** In the order of their turns. */
  private readonly line = new Map<object, Turn>();
  private timer: Timer | null = null;

  constructor(
    private readonly clock: Clock,
    private readonly intervalMs: number,
  ) {}

  /** From now on, for the first time after one interval. What was asked for before is void. */
  join(agent: object, ping: () => boolean): void {
    this.enqueue(agent, ping);
    this.arm();
  }

  stop(): void {
    this.timer?.cancel();
    this.line.clear();
  }

  private enqueue(agent: object, ping: () => boolean): void {
    this.line.delete(agent);
    this.line.set(agent, { at: this.clock.now() + this.intervalMs, ping });
  }

  private arm(): void {
    const [first] = this.line.values();
    if (first !== undefined) this.timer ??= this.clock.after(Math.max(0, first.at - this.clock.now()), () => this.round());
  }

  private round(): void {
    this.timer = null;
    const until = this.clock.now() + this.intervalMs / MAX_ROUNDS;
    for (const [agent, { at, ping }] of this.line) {
      if (at > until) break;
      if (ping()) this.enqueue(agent, ping);
      else this.line.delete(agent);
    }
    this.arm();
  }
}
