/** What a run is like from beginning to end: drawn once, and known to users and bad luck. */
import type { AppId } from '@ekiden/model';

export interface Traits {
  /** Machines at the beginning. */
  readonly agents: number;
  /** Machines may go for good or come back empty: no app may then wait for its lost tasks for ever. */
  readonly mayLoseMachines: boolean;
  /** Apps ask for so much that not all of them find room. */
  readonly isTight: boolean;
  /** The master has none of Ekiden's extensions: apps keep to what a plain Mesos carries. */
  readonly isPlainMesos: boolean;
  /** Which part of the apps are images, some of them with networks of their own: 0 to 1. */
  readonly imageShare: number;
  readonly apps: readonly AppId[];
  /** Of one app. */
  readonly maxInstances: number;
  /** Between two questions of a health check, which is also its grace period. */
  readonly checkSeconds: number;
  /** The longest pause between the starts of what crashes. */
  readonly maxDelaySeconds: number;
}
