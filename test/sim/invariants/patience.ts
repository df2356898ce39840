/**
 * What has to happen within a stated time: counted only while nothing stands in the way, from the beginning again after each
 * moment in which something did. While nobody waits for anything, this costs nothing.
 */
import type { HostScene, Sight } from './sight.js';

const LOOK_INTERVAL_MS = 1_000;

interface Wait {
  readonly host: string;
  /** Virtual ms in a row in which nothing stood in the way. */
  goodMs: number;
}

export class Patience<K extends string> {
  private readonly waits = new Map<K, Wait>();
  private isArmed = false;

  constructor(
    private readonly sight: Sight,
    private readonly options: {
      /** Ms that are allowed. */
      readonly limitMs: () => number;
      /** Still to be waited for: false ends the wait. */
      readonly isOpen: (key: K) => boolean;
      readonly late: (key: K, host: string, ms: number) => void;
      /** What stands in the way; absent: anything between the machine and paas-api. */
      readonly isGood?: (host: HostScene) => boolean;
    },
  ) {}

  expect(key: K, host: string): void {
    if (this.waits.has(key)) return;
    this.waits.set(key, { host, goodMs: 0 });
    this.arm();
  }

  over(key: K): void {
    this.waits.delete(key);
  }

  private arm(): void {
    if (this.isArmed) return;
    this.isArmed = true;
    this.sight.scene.clock.after(LOOK_INTERVAL_MS, () => {
      this.isArmed = false;
      this.look();
      if (this.waits.size > 0) this.arm();
    });
  }

  private look(): void {
    const limitMs = this.options.limitMs();
    const good = new Map<string, boolean>();
    for (const [key, wait] of this.waits) {
      if (!this.options.isOpen(key)) {
        this.waits.delete(key);
        continue;
      }
      let isGood = good.get(wait.host);
      if (isGood === undefined) good.set(wait.host, (isGood = this.isGood(wait.host)));
      wait.goodMs = isGood ? wait.goodMs + LOOK_INTERVAL_MS : 0;
      if (wait.goodMs <= limitMs) continue;
      this.waits.delete(key);
      this.options.late(key, wait.host, wait.goodMs);
    }
  }

  private isGood(name: string): boolean {
    const host = this.sight.host(name);
    return host !== undefined && (this.options.isGood ?? ((one) => this.sight.isGood(one)))(host);
  }
}
