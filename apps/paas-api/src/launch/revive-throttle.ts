/**
 * A REVIVE makes the master look at every agent: the first few go out at once, a storm of them is thinned out.
 */
import type { Clock, Instant, Timer } from '@ekiden/model';

/** Revives that may go out without a pause. */
const BURST = 20;
/** One more is earned in this time. */
const EARN_MS = 50;

export class ReviveThrottle {
  private credit = BURST;
  private earnedAt: Instant;
  private timer: Timer | null = null;

  constructor(
    private readonly clock: Clock,
    private readonly send: () => void,
  ) {
    this.earnedAt = clock.now();
  }

  /** Sends now, or as soon as it may; asked several times meanwhile, it is sent once. */
  ask(): void {
    if (this.timer !== null) return;
    const now = this.clock.now();
    const earned = Math.floor((now - this.earnedAt) / EARN_MS);
    this.credit = Math.min(BURST, this.credit + earned);
    this.earnedAt += earned * EARN_MS;
    if (this.credit > 0) {
      this.credit -= 1;
      return this.send();
    }
    this.timer = this.clock.after(EARN_MS - (now - this.earnedAt), () => {
      this.timer = null;
      this.ask();
    });
  }

  stop(): void {
    this.timer?.cancel();
    this.timer = null;
  }
}
