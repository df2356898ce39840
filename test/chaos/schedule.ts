/**
 * When which fault begins: drawn from the seed before anything is started, so that a seed names a schedule.
 *
 * Faults come in storms with calms between them, so that faults meet while others heal, and roll-outs get on. What a fault
 * hits is drawn when it happens (tasks are not known before), from a seed of its own.
 */
import { Chance } from '../sim/world/chance.js';
import type { Fault } from './faults/fault.js';

const STORM_MS = 45_000;
const CALM_MS = 15_000;
const BETWEEN_FAULTS_MEAN_MS = 2_500;
const BETWEEN_FAULTS_MIN_MS = 300;
const MAX_FAULTS = 10_000;

export interface Appointment {
  readonly atMs: number;
  readonly fault: Fault;
  readonly seed: number;
}

export function drawSchedule(seed: number, minutes: number, faults: readonly Fault[]): readonly Appointment[] {
  const chance = new Chance(seed);
  const plan: Appointment[] = [];
  const endMs = minutes * 60_000;
  for (let atMs = 0; faults.length > 0 && plan.length < MAX_FAULTS;) {
    atMs += BETWEEN_FAULTS_MIN_MS + chance.around(BETWEEN_FAULTS_MEAN_MS);
    if (atMs % (STORM_MS + CALM_MS) > STORM_MS) atMs += CALM_MS;
    if (atMs >= endMs) break;
    plan.push({ atMs, fault: chance.weighted(faults.map((fault) => [fault.weight, fault] as const)), seed: chance.int(1, 2 ** 30) });
  }
  return plan;
}

/** A source of draws for one name, the same for the same seed. */
export function chanceFor(seed: number): (name: string) => Chance {
  return (name) => new Chance(Array.from(name).reduce((hash, letter) => Math.imul(hash ^ letter.charCodeAt(0), 0x01000193), seed ^ 0x811c9dc5));
}
