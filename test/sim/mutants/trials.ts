/**
 * What may catch a mutant, as one text each, so that the product as it is can be given the very same trial: `seed:wires:3` or
 * `crash:roll:short:agent-1:4:after` (no point: the deployment without a crash).
 */
import { isWeather, type Weather } from './weather.js';

/** The virtual time of one seed's run. */
export const VIRTUAL_MINUTES = 6;
/** Stands for every single crash of every deployment, in order. */
export const ALL_CRASH_POINTS = 'crash-points';

export interface SeedTrial {
  readonly kind: 'seed';
  readonly weather: Weather;
  readonly seed: number;
}

export interface CrashTrial {
  readonly kind: 'crash';
  readonly deployment: string;
  readonly absence: 'short' | 'long';
  /** As crash-points.ts writes it; empty: none. */
  readonly point: string;
}

export type Trial = SeedTrial | CrashTrial;

/** What came of one trial. */
export interface Hunted {
  readonly trial: string;
  readonly virtualMs: number;
  /** The promise broken, or `error` for a bug that ran into itself; null: none. */
  readonly promise: string | null;
  /** The promise was broken by a run in which some part tripped over a wrong type or name: that shows nothing. */
  readonly hasTripped: boolean;
  /** The first breach, in words. */
  readonly breach: string;
}

export function writeTrial(trial: Trial): string {
  if (trial.kind === 'seed') return `seed:${trial.weather}:${trial.seed}`;
  return `crash:${trial.deployment}:${trial.absence}:${trial.point}`;
}

export function readTrial(text: string): Trial {
  const [kind, name = '', third = '', ...rest] = text.split(':');
  if (kind === 'seed' && isWeather(name)) return { kind, weather: name, seed: Number(third) };
  if (kind === 'crash' && (third === 'short' || third === 'long')) return { kind, deployment: name, absence: third, point: rest.join(':') };
  throw new Error(`"${text}" is no trial: try seed:wires:3 or crash:roll:short:agent-1:4:after`);
}
