/**
 * What paas-api keeps in Postgres, and how it is written: one transaction a batch, fenced by the leader's epoch.
 *
 * The leader holds all of it in memory (decision 7): `load` once, then `commit`. A batch is all or nothing; after a commit
 * whose outcome is unknown (connection lost) the leader loads again. `postgres-store.ts` and `memory-store.ts` pass the same suite.
 */
import type { AppId, AppVersion, DeploymentId, FrameworkId, Instance, InstanceId, Instant, TaskId } from '@ekiden/model';

/** A definition on the wire: Marathon's App, normalised. Opaque here; `libs/marathon-api` reads it. */
export type AppDefinitionJson = Readonly<Record<string, unknown>>;

export interface AppVersionRow extends AppVersion {
  readonly definition: AppDefinitionJson;
}

export interface AppRow {
  readonly id: AppId;
  /** Grows with each change of desired state. */
  readonly generation: number;
  /** What users asked for; null: deleted, and here only until its last instance is gone. */
  readonly desiredVersion: Instant | null;
  /** What the reconciler drives towards; follows `desiredVersion` when the deployment reaches this app. Null: nothing yet, or nothing any more. */
  readonly activeVersion: Instant | null;
}

export type ActionKind = 'StartApplication' | 'ScaleApplication' | 'RestartApplication' | 'StopApplication';

export interface DeploymentAction {
  readonly action: ActionKind;
  readonly appId: AppId;
}

/** What a deployment does to one app; enough to undo it. */
export interface DeploymentChange {
  readonly appId: AppId;
  readonly from: Instant | null;
  readonly to: Instant | null;
  /** Baselines of promise 4, taken when the app's action begins; null before. */
  readonly baseline: { readonly healthyAtStart: number; readonly totalAtStart: number } | null;
}

export type DeploymentState = 'running' | 'succeeded' | 'failed' | 'cancelled' | 'rolled-back';

export interface DeploymentRow {
  readonly id: DeploymentId;
  readonly version: Instant;
  readonly state: DeploymentState;
  /** Why it ended as it did; for a running one, what it waits for. */
  readonly reason: string | null;
  readonly steps: readonly (readonly DeploymentAction[])[];
  /** 0-based; `steps.length` when all are done. */
  readonly currentStep: number;
  readonly changes: readonly DeploymentChange[];
  readonly sentenced: readonly InstanceId[];
  readonly startedAt: Instant;
  /** Last visible progress: the clock of the progress deadline. */
  readonly progressAt: Instant;
  readonly stuckSince: Instant | null;
  readonly endedAt: Instant | null;
  /** Of which deployment this one is the rollback. */
  readonly rollbackOf: DeploymentId | null;
}

/** The latest failed task of an app (Marathon's lastTaskFailure), kept until the app is deleted. */
export interface TaskFailureRow {
  readonly appId: AppId;
  readonly taskId: TaskId;
  readonly hostname: string;
  readonly agentId: string;
  readonly state: string;
  readonly message: string;
  readonly version: Instant;
  readonly at: Instant;
}

/** One event of `/v2/events`: written with the change that it tells (outbox). */
export interface EventRow {
  readonly seq: number;
  readonly type: string;
  readonly at: Instant;
  /** The whole JSON object, `eventType` and `timestamp` included. */
  readonly payload: Readonly<Record<string, unknown>>;
}

export type Write =
  | { readonly kind: 'put-app'; readonly row: AppRow }
  | { readonly kind: 'delete-app'; readonly id: AppId }
  | { readonly kind: 'put-version'; readonly row: AppVersionRow }
  | { readonly kind: 'put-deployment'; readonly row: DeploymentRow }
  | { readonly kind: 'put-instance'; readonly row: Instance }
  | { readonly kind: 'delete-instance'; readonly id: InstanceId }
  | { readonly kind: 'put-failure'; readonly row: TaskFailureRow }
  | { readonly kind: 'add-event'; readonly row: EventRow }
  | { readonly kind: 'set-framework-id'; readonly frameworkId: FrameworkId };

export interface PaasSnapshot {
  readonly apps: readonly AppRow[];
  /** For each app the newest versions (`MAX_VERSIONS_PER_APP`), and every version that an instance or a running deployment names. */
  readonly versions: readonly AppVersionRow[];
  readonly instances: readonly Instance[];
  /** Running ones. */
  readonly deployments: readonly DeploymentRow[];
  readonly failures: readonly TaskFailureRow[];
  readonly frameworkId: FrameworkId | null;
  /** The highest sequence number given to an event. */
  readonly lastEventSeq: number;
}

export const MAX_VERSIONS_PER_APP = 50;

export interface PaasStore {
  /** Waits until this process leads; then raises the epoch. `address` is `host:port`, shown by `/v2/leader`. */
  lead(holder: string, address: string): Promise<{ readonly epoch: number }>;
  load(): Promise<PaasSnapshot>;
  /**
   * One transaction, in the order given. Rejects with `stale-leader` (somebody else leads: nothing was written) or
   * `store-unavailable` (nobody knows whether it was written: load again).
   */
  commit(epoch: number, writes: readonly Write[]): Promise<void>;
  /** Rejects with `stale-leader` when somebody else leads; renews the lease. */
  confirm(epoch: number): Promise<void>;
  release(epoch: number): Promise<void>;
  /** Who leads now, for `/v2/leader` and standbys; null when nobody does. */
  leader(): Promise<{ readonly address: string } | null>;
  /** Newest first. */
  deploymentHistory(filter: { readonly appId: AppId | null; readonly limit: number }): Promise<readonly DeploymentRow[]>;
  /** Events after `seq`, oldest first. */
  eventsAfter(seq: number, limit: number): Promise<readonly EventRow[]>;
  /** Retention: forgets events, ended deployments and unreferenced versions beyond the limits. Answers how many rows went. */
  prune(epoch: number, limits: { readonly events: number; readonly deployments: number; readonly versionsPerApp: number }): Promise<number>;
}
