/** Draws of a simulation: everything random in it comes from one seed, through here. */
import type { Random } from '@ekiden/model';
import { seededRandom } from './virtual-clock.js';

export class Chance {
  private readonly random: Random;

  constructor(seed: number) {
    this.random = seededRandom(Math.imul(seed, 0x9e3779b1) ^ 0x5bd1e995);
    for (let i = 0; i < 8; i++) this.random.next(); // Near seeds begin alike.
  }

  /** True once in 1/p. */
  hit(p: number): boolean {
    return this.random.next() < p;
  }

  /** From `min` to `max`, both included. */
  int(min: number, max: number): number {
    return min + Math.floor(this.random.next() * (max - min + 1));
  }

  /** Waiting times of rare events: many short ones, some long. */
  around(mean: number): number {
    return Math.ceil(-Math.log(1 - this.random.next()) * mean);
  }

  pick<T>(all: readonly T[]): T {
    const one = all[this.int(0, all.length - 1)];
    if (one === undefined) throw new Error('nothing to pick from');
    return one;
  }

  /** By weight. */
  weighted<T>(all: readonly (readonly [number, T])[]): T {
    let left = this.random.next() * all.reduce((sum, [weight]) => sum + weight, 0);
    for (const [weight, one] of all) if ((left -= weight) < 0) return one;
    return this.pick(all)[1];
  }
}
