/**
 * What happens in one run, as data: a list of moments, each with its kind and a seed of its own, drawn before the run begins.
 *
 * A kind draws its moments from the run's seed and its own name, so taking one entry away, or adding a new kind, changes no other entry.
 * That is what makes a failing schedule shrinkable, and what lets a person edit one by hand.
 */
import { appId, type AppId } from '@ekiden/model';
import type { Happening } from './happening.js';
import type { Traits } from './traits.js';
import { Chance } from './world/chance.js';

/** One thing that happens. `at`: virtual ms since the run began. */
export interface Entry {
  readonly at: number;
  readonly kind: string;
  readonly seed: number;
}

export interface Schedule {
  readonly seed: number;
  /** How long users and bad luck go on, in virtual ms. */
  readonly busyMs: number;
  readonly traits: Traits;
  readonly entries: readonly Entry[];
}

/** Kinds that are drawn alike: what users do, what goes wrong. */
export interface Group {
  readonly happenings: readonly Happening[];
  /** How many of the kinds do not happen at all in a run: one of these shares. */
  readonly shareLeftOut: readonly number[];
  /** Kinds come rarer than their mean by one of these factors, drawn once for the group or for each kind. */
  readonly rarer: readonly number[];
  readonly isOnePace: boolean;
}

const APPS: readonly AppId[] = ['/shop/web', '/shop/cart', '/media/api', '/media/encode', '/ops/cron'].map((id) => appId(id));
/** Small enough that all apps find room twice over. */
const MAX_INSTANCES = 5;
/** More than any run needs; a bound all the same. */
const MAX_ENTRIES_OF_A_KIND = 1_000_000;

/** `given`: what the run is like, where that is not drawn too. */
export function drawSchedule(seed: number, minutes: number, groups: readonly Group[], given: Traits | null = null): Schedule {
  const busyMs = Math.round(minutes * 60_000);
  const traits = given ?? drawTraits(new Chance(derive(seed, 'traits')));
  const entries: Entry[] = [];
  groups.forEach((group, index) => {
    const chance = new Chance(derive(seed, `group ${index}`));
    const leftOut = chance.pick(group.shareLeftOut);
    const pace = chance.pick(group.rarer);
    for (const kind of group.happenings) {
      if (kind.isFor !== undefined && !kind.isFor(traits)) continue;
      const own = new Chance(derive(seed, kind.name));
      if (own.hit(leftOut)) continue;
      const meanMs = kind.meanMs * (group.isOnePace ? pace : own.pick(group.rarer));
      drawMoments(entries, kind.name, seed, own, meanMs, busyMs);
    }
  });
  // Array.sort keeps the order of what is equal: kinds of the same moment happen in the order of the list.
  return { seed, busyMs, traits, entries: entries.sort((a, b) => a.at - b.at) };
}

/** Another number for each part of a run: equal for equal arguments. FNV-1a, with the last mixing step of MurmurHash3. */
export function derive(seed: number, what: string): number {
  let hash = 0x811c9dc5;
  for (const char of `${seed} ${what}`) hash = Math.imul(hash ^ (char.codePointAt(0) ?? 0), 0x01000193) >>> 0;
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}

function drawTraits(chance: Chance): Traits {
  const [agents, mayLoseMachines, isTight, isPlainMesos] = [chance.int(2, 4), chance.hit(0.3), chance.hit(0.3), chance.hit(0.15)];
  const imageShare = chance.pick([0, 0.3, 0.3, 0.8]);
  return { agents, mayLoseMachines, isTight, isPlainMesos, imageShare, apps: APPS, maxInstances: MAX_INSTANCES, checkSeconds: 2, maxDelaySeconds: 20 };
}

function drawMoments(entries: Entry[], kind: string, seed: number, chance: Chance, meanMs: number, busyMs: number): void {
  let at = 0;
  for (let index = 0; index < MAX_ENTRIES_OF_A_KIND; index++) {
    at += chance.around(meanMs);
    if (at >= busyMs) return;
    entries.push({ at, kind, seed: derive(seed, `${kind} ${index}`) });
  }
}
