/**
 * The core of paas-api as the rim sees it: changes of what should be, and reads of what was committed.
 *
 * `create-paas-api.ts` builds it from its ports; `http/` is one line a route on top of it. Every change resolves after its
 * commit (promise 1) and rejects with an `EkidenError`. Reads never show what is not committed.
 */
import type { AppId, DeploymentId, FrameworkId, Instance, InstanceId, Instant, ReadinessResult, TaskId, World } from '@ekiden/model';
import type { SchedulerTransport } from '@ekiden/framework-sdk';
import type { AppPlan, Health, Refusal } from '@ekiden/planner';
import type { AppRow, AppVersionRow, DeploymentRow, EventRow, PaasStore, TaskFailureRow } from './store/paas-store.js';

export interface PaasConfig {
  /** `host:port` at which people reach this process. */
  readonly address: string;
  readonly hostname: string;
  readonly frameworkName: string;
  readonly user: string;
  readonly role: string;
  readonly failoverTimeoutMs: number;
  readonly servicePorts: { readonly min: number; readonly max: number };
  readonly maxRunningDeployments: number;
  /** Kills unanswered for so long are sent again. Marathon: 30 s. */
  readonly killRetryMs: number;
  /** Provisioned or staging for longer: killed and relaunched. Marathon: 300 s. */
  readonly launchTimeoutMs: number;
  /** Explicit, then implicit reconciliation with the master. */
  readonly reconcileIntervalMs: number;
  /** The safety net of the event-driven loops: every app is planned again this often. */
  readonly sweepIntervalMs: number;
  /** Filter on unused offers. */
  readonly declineMs: number;
  readonly maxLaunchesPerAccept: number;
}

export interface PaasPorts extends World {
  readonly config: PaasConfig;
  readonly store: PaasStore;
  readonly transport: SchedulerTransport;
}

export interface DeploymentReceipt {
  readonly version: Instant;
  readonly deploymentId: DeploymentId;
}

/** Who asked, for events and the audit trail. */
export interface Caller {
  readonly clientIp: string;
  readonly uri: string;
}

/** One app of a request: `partial` merges top-level fields into the current definition (Marathon's partialUpdate). */
export interface AppChange {
  /** From the path, or null: the body's own id. */
  readonly id: AppId | null;
  readonly body: unknown;
  readonly partial: boolean;
  /** What has to be there before: POST `absent`, PATCH `present`, PUT `any`. */
  readonly expect: 'absent' | 'present' | 'any';
}

export interface ChangeResult extends DeploymentReceipt {
  /** In the order of the request; `created` tells 201 from 200. */
  readonly apps: readonly { readonly version: AppVersionRow; readonly created: boolean }[];
  /** Fields that were accepted as advice only (decision 16): `Warning` headers. */
  readonly warnings: readonly string[];
}

/** What a dry run would do: nothing is stored. */
export interface ChangePreview {
  readonly apps: readonly {
    readonly appId: AppId;
    /** `resize`: cpus and memory of running tasks change where they run. */
    readonly action: 'create' | 'restart' | 'scale' | 'resize' | 'update-in-place' | 'delete' | 'nothing';
    readonly changedFields: readonly string[];
    readonly tasksToRestart: number;
    readonly tasksToResize: number;
    readonly definition: Readonly<Record<string, unknown>>;
  }[];
}

export interface KillOptions {
  readonly scale: boolean;
  readonly wipe: boolean;
  readonly force: boolean;
}

export type KillResult = { readonly kind: 'killed'; readonly instances: readonly Instance[] } | ({ readonly kind: 'deployment' } & DeploymentReceipt);

/** Why an app's instances are not all running: the answer of `ekiden why` and the source of `/v2/queue`. */
export interface QueueItem {
  readonly appId: AppId;
  readonly count: number;
  readonly since: Instant;
  /** ms until the earliest launch; 0: waiting for an offer. */
  readonly delayMs: number;
  /** Why no offer would do: the present master cannot carry what the app needs. */
  readonly heldBecause: string | null;
  readonly processedOffers: number;
  readonly unusedOffers: number;
  readonly lastUnusedOfferAt: Instant | null;
  readonly lastUsedOfferAt: Instant | null;
  /** The latest refusal of each agent. */
  readonly refusals: readonly (Refusal & { readonly at: Instant })[];
  /** Counted over all offers since the attempt began: reason → offers refused for it. */
  readonly refusedSince: Readonly<Record<string, number>>;
}

export interface AppCounts {
  readonly staged: number;
  readonly running: number;
  readonly healthy: number;
  readonly unhealthy: number;
}

/** Committed state, read synchronously from the leader's memory. Values are frozen rows: safe to cache until `changed` fires. */
export interface PaasView {
  apps(): readonly AppRow[];
  app(id: AppId): AppRow | null;
  version(id: AppId, version: Instant): AppVersionRow | null;
  versions(id: AppId): readonly AppVersionRow[];
  instances(id: AppId): readonly Instance[];
  instanceOfTask(taskId: TaskId): Instance | null;
  health(instance: Instance): Health;
  counts(id: AppId): AppCounts;
  deployments(): readonly DeploymentRow[];
  deploymentsOf(id: AppId): readonly DeploymentRow[];
  readiness(id: AppId): readonly { readonly taskId: TaskId; readonly name: string; readonly result: ReadinessResult }[];
  failure(id: AppId): TaskFailureRow | null;
  queue(): readonly QueueItem[];
  /** Tasks that wait for another size, with what is known about why it takes time. */
  resizing(id: AppId): readonly { readonly taskId: TaskId; readonly hostname: string; readonly since: Instant; readonly text: string }[];
  /** The newest plan of the app: its budget, counts and what it waits for. */
  plan(id: AppId): AppPlan | null;
  readonly frameworkId: FrameworkId | null;
}

export interface PaasApi {
  /** Leads, loads, subscribes to the master. Resolves when leading; `stopped` tells why it ended. */
  start(): Promise<void>;
  /** Stops leading and speaking; tasks run on. */
  stop(): Promise<void>;
  readonly isLeading: boolean;
  readonly isConnected: boolean;
  /** Resolves when leadership is lost or `stop` was called. The process exits then, and is restarted. */
  readonly stopped: Promise<{ readonly why: string }>;
  /** How much is remembered beside the committed rows, by name: for metrics, and so that nothing grows unseen. */
  sizes(): Readonly<Record<string, number>>;
  readonly view: PaasView;

  changeApps(changes: readonly AppChange[], options: { readonly force: boolean; readonly caller: Caller }): Promise<ChangeResult>;
  previewApps(changes: readonly AppChange[]): ChangePreview;
  /** Back to a stored version, as a new version. */
  rollbackApp(id: AppId, version: Instant, options: { readonly force: boolean; readonly caller: Caller }): Promise<DeploymentReceipt>;
  restartApp(id: AppId, options: { readonly force: boolean }): Promise<DeploymentReceipt>;
  deleteApp(id: AppId, options: { readonly force: boolean }): Promise<DeploymentReceipt>;
  /** Tasks by id, instance id or both; unknown ones are skipped. */
  killTasks(taskIds: readonly string[], options: KillOptions): Promise<KillResult>;
  /** All instances of an app, or those on one host. */
  killAppTasks(id: AppId, host: string | null, options: KillOptions): Promise<KillResult>;
  /** Rolls back as a new forced deployment, or (force) stops it where it is: then null. */
  cancelDeployment(id: DeploymentId, options: { readonly force: boolean }): Promise<DeploymentReceipt | null>;
  resetDelay(id: AppId): Promise<void>;
  deploymentHistory(filter: { readonly appId: AppId | null; readonly limit: number }): Promise<readonly DeploymentRow[]>;

  /** Called with each committed event, in order of `seq`. Answers a function that ends it. */
  onEvent(listener: (event: EventRow) => void): () => void;
  /** Called after each commit with the apps whose rows changed: drop what you cached of them. */
  onChange(listener: (apps: ReadonlySet<AppId>) => void): () => void;
}

export type { InstanceId };
