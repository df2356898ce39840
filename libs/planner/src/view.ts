/**
 * What the planner sees and what it answers: plain values, with `now` in them.
 *
 * A view is made from one committed state; a plan is recorded whole or not at all. Every plan says what it waits for: a
 * deployment that stands still can be explained from it (promise 8).
 */
import type { AppId, AppSpec, Attributes, Instance, InstanceId, Instant, OfferId, AgentId, Resize, Resources, Role, StopReason } from '@ekiden/model';

/** An instance beside the spec of its own version: health is judged by the checks it was started with. */
export interface InstanceView {
  readonly instance: Instance;
  readonly spec: AppSpec;
}

export type Health = 'unknown' | 'healthy' | 'unhealthy';

export interface AppView {
  readonly now: Instant;
  readonly appId: AppId;
  /** Null: the app is to disappear. */
  readonly target: {
    readonly spec: AppSpec;
    readonly version: Instant;
    readonly configVersion: Instant;
    /** Instances older than it are of another size; absent: none is. */
    readonly sizeVersion?: Instant;
    /** What its image is named means this; absent: not known, or there is none. */
    readonly imageDigest?: string;
    /** Instances are bound to volumes: never more than wanted (not yet made by any spec; absent: false). */
    readonly isResident?: boolean;
  } | null;
  readonly instances: readonly InstanceView[];
  /** Set while a deployment drives this app: the two baselines of promise 4, taken when its action began. */
  readonly rollout: { readonly healthyAtStart: number; readonly totalAtStart: number } | null;
  /** Instances named by kill-and-scale: they go first. */
  readonly sentenced: ReadonlySet<InstanceId>;
  /** What the app is to become is named, but cannot be read (a damaged store): it is no removal. Absent or null: it can. */
  readonly unreadable?: string | null;
  /** Why no task of the target can be launched at the present master; absent or null: nothing is in the way. */
  readonly launchRefusal?: string | null;
  /** The present master tells what agents find images to be, and launches wait for it; absent: not. */
  readonly holdsForImages?: boolean;
  /** Why no running task can get another size at the present master; absent or null: nothing is in the way. */
  readonly resizeRefusal?: string | null;
}

export type Step =
  /** Record `count` new instances of the target version, condition `scheduled`. */
  | { readonly kind: 'schedule'; readonly count: number }
  /** Goal `decommissioned`: the task is drained, killed and not replaced. A never-launched one is forgotten at once. */
  | { readonly kind: 'decommission'; readonly instanceId: InstanceId; readonly reason: StopReason }
  /** Record that the running task is to get the size of the target; or, with `refused`, why it cannot and is to be replaced. */
  | { readonly kind: 'resize'; readonly instanceId: InstanceId; readonly resize: Resize }
  /** Stop the task and relaunch the same instance (failed health). */
  | { readonly kind: 'restart-task'; readonly instanceId: InstanceId; readonly reason: StopReason };

export type WaitingFor =
  | 'offer'
  /** What the app is to become cannot be read. */
  | 'version'
  /** The present master cannot carry what the app needs. */
  | 'master'
  | 'backoff'
  /** The first task asks which image it is. */
  | 'image'
  | 'start'
  | 'health'
  /** Running tasks are given another size, or are replaced since they cannot have it where they run. */
  | 'resize'
  | 'readiness'
  | 'stop'
  | 'capacity'
  | 'unreachable';

export interface Waiting {
  readonly kind: WaitingFor;
  readonly instanceIds: readonly InstanceId[];
  /** One sentence for people, naming numbers: `3 of 4 instances wait for an offer`. */
  readonly text: string;
}

export interface AppPlan {
  readonly steps: readonly Step[];
  readonly waitingFor: readonly Waiting[];
  /** Everything is as the target says: counts right, nothing old left, all healthy and ready. */
  readonly done: boolean;
  readonly budget: { readonly minHealthy: number; readonly maxTotal: number };
  readonly counts: { readonly total: number; readonly old: number; readonly healthy: number; readonly ready: number };
}

export interface OfferView {
  readonly id: OfferId;
  readonly agentId: AgentId;
  readonly hostname: string;
  readonly agentAddress: string;
  readonly role: Role;
  /** Usable by the offer's role: unreserved plus reserved for it. */
  readonly resources: Resources;
  readonly attributes: Attributes;
  readonly region: string | null;
  readonly zone: string | null;
  /** In a maintenance window now. */
  readonly isUnavailable: boolean;
  /** Why the agent runs no images; null: it does, or it is one that does not say. */
  readonly imagesRefused: string | null;
  /** Names of abilities that the agent says it lacks. */
  readonly lacks: readonly string[];
  /** Networks that a task can have of its own there; null: the agent does not say. */
  readonly networks: AgentNetworks | null;
}

/** Names, among them `BRIDGE_NETWORK`; or why there are none. */
export type AgentNetworks = { readonly kind: 'some'; readonly names: readonly string[] } | { readonly kind: 'none'; readonly why: string };

/** One instance that is scheduled and past its back-off. */
export interface WantedInstance {
  readonly instanceId: InstanceId;
  readonly spec: AppSpec;
  readonly since: Instant;
  /** Of an older config than the app's: the constraints of others do not compare with it. */
  readonly isOlder?: boolean;
}

/** Where the instances sit that a constraint compares with: same app, version ≥ configVersion, with a task. */
export interface Peer {
  readonly hostname: string;
  readonly attributes: Attributes;
  readonly region: string | null;
  readonly zone: string | null;
}

/** Marathon's funnel, in its order; `rejectSummary` counts an offer at its first failing reason. */
export const REFUSAL_REASONS = [
  'UnfulfilledRole',
  'UnfulfilledConstraint',
  'NoCorrespondingReservationFound',
  'AgentMaintenance',
  'InsufficientCpus',
  'InsufficientMemory',
  'InsufficientDisk',
  'InsufficientGpus',
  'InsufficientPorts',
  'DeclinedScarceResources',
] as const;
export type RefusalReason = (typeof REFUSAL_REASONS)[number];

/** Why one offer did not fit one app, with the quantity that was missing. */
export interface Refusal {
  readonly appId: AppId;
  readonly agentId: AgentId;
  readonly hostname: string;
  readonly reason: RefusalReason;
  /** `needs 2 cpus, 1.5 are free` · `rack LIKE r1: this agent has rack=r2`. */
  readonly text: string;
  /** The quantity that was missing, in the unit of the reason (milli-cpus, MiB, gpus, ports); null for other reasons. */
  readonly shortfall: { readonly needed: number; readonly free: number } | null;
}

export interface LaunchDecision {
  readonly instanceId: InstanceId;
  readonly offerId: OfferId;
  /** Host ports in the order of the port definitions. */
  readonly ports: readonly number[];
  readonly resources: Resources;
}

export interface MatchResult {
  readonly launches: readonly LaunchDecision[];
  /** The last refusal of each (app, agent) in this round. */
  readonly refusals: readonly Refusal[];
  /** Offers of which nothing was taken. */
  readonly unused: readonly OfferId[];
}
