/**
 * Which instances want an offer, and what is known about why they have none: the source of `/v2/queue` and `ekiden why`.
 *
 * Derived from committed instances, app by app; the counters live in memory and begin anew with each attempt.
 */
import { isOutdated, liveTask, type AgentId, type AppId, type Instance, type InstanceId, type Instant } from '@ekiden/model';
import type { Peer, Refusal, WantedInstance } from '@ekiden/planner';
import type { StateReader } from '../ledger/paas-state.js';
import type { QueueItem } from '../paas-api.js';
import { targetOf } from '../reconcile/read-snapshot.js';
import type { Growth } from './growths.js';
import { withoutHeld, type LaunchVersion, type WantedLaunch } from './image-holds.js';
import type { LaunchRule } from './launch-rule.js';

/** Agents whose latest refusal is kept, for each app. */
const MAX_REFUSALS_PER_APP = 1_000;

/** Counters of one app since it began to wait. */
interface Attempt {
  since: Instant;
  processedOffers: number;
  unusedOffers: number;
  lastUnusedOfferAt: Instant | null;
  lastUsedOfferAt: Instant | null;
  readonly refusals: Map<AgentId, Refusal & { readonly at: Instant }>;
  readonly refusedSince: Record<string, number>;
}

/**
 * The version and spec that the next task of an instance runs: the app's, unless the instance is older than its config, or newer than
 * what is active: it was taken over by a version whose step is still to come.
 */
export function launchVersionOf(reader: StateReader, instance: Instance): LaunchVersion | null {
  const target = targetOf(reader, instance.appId);
  const isOfTarget = target !== null && instance.version >= target.configVersion && instance.version <= target.version;
  return isOfTarget ? target : reader.version(instance.appId, instance.version);
}

/** To be launched as soon as there is an offer. */
export const isWanted = (instance: Instance, now: Instant): boolean =>
  instance.goal === 'running' && instance.condition.kind === 'scheduled' && instance.condition.notBefore <= now;

/** The others of the app with which its constraints compare a place. */
export function peersOf(reader: StateReader, appId: AppId): readonly Peer[] {
  const configVersion = targetOf(reader, appId)?.configVersion ?? 0;
  return reader.instances(appId).flatMap((instance) => {
    const task = liveTask(instance);
    const isAway = instance.condition.kind === 'unreachable' && instance.condition.inactive;
    return task === null || isAway || isOutdated(instance, configVersion) ? [] : [task];
  });
}

function* instancesOf(reader: StateReader, ids: Iterable<InstanceId>): Iterable<Instance> {
  for (const id of ids) {
    const instance = reader.instance(id);
    if (instance !== null) yield instance;
  }
}

export class Wants {
  /** Growing tasks that wait for an offer; `resize-loop.ts` puts them in and takes them out. */
  readonly growths = new Map<InstanceId, Growth>();
  private freshGrowths = 0;
  private readonly byApp = new Map<AppId, ReadonlySet<InstanceId>>();
  private readonly attempts = new Map<AppId, Attempt>();

  /** `rule`: of the present master. What it refuses waits, and wants no offer. */
  constructor(readonly rule: () => LaunchRule | null) {}

  /** Looks at one app again. Answers the instances that were not wanted before. */
  refresh(reader: StateReader, appId: AppId, now: Instant): number {
    const former = this.byApp.get(appId);
    const waiting = reader.instances(appId).filter((one) => one.goal === 'running' && one.condition.kind === 'scheduled');
    const wanted = new Set(this.takingOffers(reader, appId, waiting, now).map(({ instance }) => instance.id));
    if (wanted.size === 0) this.byApp.delete(appId);
    else this.byApp.set(appId, wanted);
    if (waiting.length === 0) this.attempts.delete(appId);
    else this.attempt(appId, now);
    let fresh = 0;
    for (const id of wanted) if (former?.has(id) !== true) fresh += 1;
    return fresh;
  }

  /** Whether `reader`, which is ahead of what is committed, has an instance of the app that wants an offer and did not before. */
  foresees(reader: StateReader, appId: AppId, now: Instant): boolean {
    const former = this.byApp.get(appId);
    return this.takingOffers(reader, appId, reader.instances(appId), now).some(({ instance }) => former?.has(instance.id) !== true);
  }

  /** Everything is looked at anew; the counters of attempts stay. */
  forget(): void {
    this.byApp.clear();
  }

  grow(growth: Growth): void {
    this.growths.set(growth.instanceId, growth);
    this.freshGrowths += 1;
  }

  /** Those that have come since the last look. */
  takeFreshGrowths(): number {
    const fresh = this.freshGrowths;
    this.freshGrowths = 0;
    return fresh;
  }

  get hasLaunches(): boolean {
    return this.byApp.size > 0;
  }

  get isEmpty(): boolean {
    return this.byApp.size === 0 && this.growths.size === 0;
  }

  /** Apps that wait, for whatever reason. */
  get size(): number {
    return this.attempts.size;
  }

  /** An instance of the app wants an offer. */
  has(appId: AppId): boolean {
    return this.byApp.has(appId);
  }

  /** What is wanted in `reader` now, of the apps that want something: the newest state decides. */
  list(reader: StateReader, now: Instant, limit: number): WantedInstance[] {
    const wanted: WantedInstance[] = [];
    for (const [appId, ids] of this.byApp) {
      if (wanted.length >= limit) break;
      const since = this.attempts.get(appId)?.since ?? now;
      const configVersion = targetOf(reader, appId)?.configVersion ?? 0;
      for (const { instance, launch } of this.takingOffers(reader, appId, instancesOf(reader, ids), now, limit - wanted.length))
        wanted.push({ instanceId: instance.id, spec: launch.spec, since, isOlder: instance.version < configVersion });
    }
    return wanted;
  }

  /** Notes the outcome of a round for one app. */
  note(appId: AppId, round: { readonly processed: number; readonly used: number; readonly refusals: readonly Refusal[] }, now: Instant): void {
    const attempt = this.attempts.get(appId);
    if (attempt === undefined) return;
    attempt.processedOffers += round.processed;
    attempt.unusedOffers += round.processed - round.used;
    if (round.used > 0) attempt.lastUsedOfferAt = now;
    if (round.processed > round.used) attempt.lastUnusedOfferAt = now;
    for (const refusal of round.refusals) {
      attempt.refusedSince[refusal.reason] = (attempt.refusedSince[refusal.reason] ?? 0) + 1;
      if (attempt.refusals.size < MAX_REFUSALS_PER_APP || attempt.refusals.has(refusal.agentId)) attempt.refusals.set(refusal.agentId, { ...refusal, at: now });
    }
  }

  /** Every app with instances that wait, held by back-off or for an offer. */
  queue(reader: StateReader, now: Instant): readonly QueueItem[] {
    return [...this.attempts].flatMap(([appId, attempt]): QueueItem[] => {
      const waiting = reader.instances(appId).filter((one) => one.goal === 'running' && one.condition.kind === 'scheduled');
      if (waiting.length === 0) return [];
      const earliest = Math.min(...waiting.map(({ condition }) => (condition.kind === 'scheduled' ? condition.notBefore : now)));
      const { refusals, refusedSince, ...counters } = attempt;
      const held = waiting.map((one) => this.refusal(reader, one)).find((why) => why !== null) ?? this.imageHold(reader, appId, waiting, now);
      return [
        {
          appId,
          count: waiting.length,
          ...counters,
          delayMs: Math.max(0, earliest - now),
          heldBecause: held,
          refusals: [...refusals.values()],
          refusedSince: { ...refusedSince },
        },
      ];
    });
  }

  private takingOffers(reader: StateReader, appId: AppId, instances: Iterable<Instance>, now: Instant, limit = Infinity): readonly WantedLaunch[] {
    const rule = this.rule();
    const able: WantedLaunch[] = [];
    for (const instance of instances) {
      if (able.length >= limit) break;
      const launch = isWanted(instance, now) ? launchVersionOf(reader, instance) : null;
      if (launch !== null && (rule?.(launch.spec) ?? null) === null) able.push({ instance, launch });
    }
    return rule === null ? withoutHeld(reader, appId, able) : able;
  }

  private imageHold(reader: StateReader, appId: AppId, waiting: readonly Instance[], now: Instant): string | null {
    const first = waiting.find((one) => isWanted(one, now));
    const launch = first === undefined ? null : launchVersionOf(reader, first);
    if (launch === null || this.takingOffers(reader, appId, waiting, now).length > 0) return null;
    return `all run the image that the first one finds ${launch.spec.container?.image ?? ''} to be, and it has not said yet`;
  }

  private refusal(reader: StateReader, instance: Instance): string | null {
    const rule = this.rule();
    const launch = rule === null ? null : launchVersionOf(reader, instance);
    return rule === null || launch === null ? null : rule(launch.spec);
  }

  private attempt(appId: AppId, now: Instant): Attempt {
    let attempt = this.attempts.get(appId);
    if (attempt === undefined) {
      attempt = { since: now, processedOffers: 0, unusedOffers: 0, lastUnusedOfferAt: null, lastUsedOfferAt: null, refusals: new Map(), refusedSince: {} };
      this.attempts.set(appId, attempt);
    }
    return attempt;
  }
}
