/**
 * An instance: one wanted copy of an app, through all its tasks.
 *
 * Its id stays while its goal is `running`; each launch raises the incarnation and makes a new task id. An instance is
 * a row: it is recorded before its launch leaves (promise 2), and every field here is what the next start recovers from.
 *
 *   scheduled ──record──► provisioned ──► staging ──► running ──► terminal ──► scheduled (goal running) or forgotten
 *                             │              │           │  ▲
 *                             └──────────────┴───────────┘  └── unreachable (agent away; inactive once replaced)
 */
import type { AgentId, AppId, InstanceId, TaskId } from './ids.js';
import type { TaskSize } from './resources.js';
import type { TaskState } from './task-state.js';
import type { Instant } from './world.js';

/** An agent's attribute: text, or a number, or a set (kept as written: `{a,b}`, `[1-5]`). */
export type Attributes = Readonly<Record<string, string>>;

/** A launch that was recorded: where, with which ports, over which scheduler stream (decision 2). */
export interface TaskRef {
  readonly taskId: TaskId;
  readonly agentId: AgentId;
  readonly hostname: string;
  /** Address at which sandbox and logs are served, `host:port`; empty when the offer named none. */
  readonly agentAddress: string;
  readonly attributes: Attributes;
  readonly region: string | null;
  readonly zone: string | null;
  /** Host ports in the order of the app's port definitions. */
  readonly ports: readonly number[];
  /** The scheduler stream over which the ACCEPT was (or will be) sent. */
  readonly streamId: string;
  readonly stagedAt: Instant;
  /** Of the image that it was launched with, or that its agent says it runs. Absent: not known, or none. */
  readonly imageDigest?: string;
}

/** The last result of one health check of one instance, as its agent reported it. */
export interface CheckResult {
  readonly alive: boolean;
  readonly consecutiveFailures: number;
  readonly firstSuccess: Instant | null;
  readonly lastSuccess: Instant | null;
  readonly lastFailure: Instant | null;
  readonly lastFailureCause: string | null;
  /** The agent says that failures have reached maxConsecutiveFailures (outside the grace period): kill when the budget allows. */
  readonly exhausted: boolean;
}

export interface ReadinessResult {
  readonly ready: boolean;
  readonly lastResponse: { readonly status: number; readonly contentType: string; readonly body: string } | null;
}

/** Why a task ended, as far as anybody knows. */
export interface TerminalReason {
  readonly state: TaskState;
  readonly message: string;
  readonly reason: string | null;
  readonly exitCode: number | null;
  readonly signal: string | null;
}

export type Condition =
  | { readonly kind: 'scheduled'; readonly since: Instant; /** Back-off: no launch before. */ readonly notBefore: Instant }
  | { readonly kind: 'provisioned'; readonly since: Instant; readonly task: TaskRef }
  | {
      readonly kind: 'staging';
      readonly since: Instant;
      readonly task: TaskRef;
      /** How far its preparation is, if its agent said so. */ readonly note?: string;
    }
  | {
      readonly kind: 'running';
      readonly since: Instant;
      readonly task: TaskRef;
      /** One entry a health check of the instance's own version; null where no result has come yet. */
      readonly checks: readonly (CheckResult | null)[];
      readonly readiness: ReadinessResult | null;
      readonly ipAddresses: readonly string[];
    }
  | {
      readonly kind: 'unreachable';
      readonly since: Instant;
      readonly task: TaskRef;
      /** Replaced from then on, forgotten from then on; null: never (strategy `disabled`). */
      readonly inactiveAt: Instant | null;
      readonly expungeAt: Instant | null;
      readonly inactive: boolean;
    }
  | { readonly kind: 'terminal'; readonly since: Instant; readonly task: TaskRef; readonly why: TerminalReason };

export type ConditionKind = Condition['kind'];

/** Why an instance is being stopped; also the `reason` of its kill in logs, events and history. */
export type StopReason =
  | 'scaling-down'
  | 'upgrading'
  | 'deleting-app'
  | 'user-request'
  | 'health-check'
  | 'over-capacity'
  | 'overdue'
  | 'other-image'
  | 'orphaned'
  | 'forced-rollback';

/** A stop under way: recorded and announced at `since`, KILL from `killAt` on (drain), repeated until terminal. */
export interface Stop {
  readonly since: Instant;
  readonly killAt: Instant;
  readonly reason: StopReason;
}

/** A change of the size of its current task: recorded before it is asked for, gone once the task has it or is over. */
export interface Resize {
  /** The app version that the instance is of once it has the size. */
  readonly version: Instant;
  /** Grows with each size that the app asks for. */
  readonly revision: number;
  readonly size: TaskSize;
  /** The least that the task may have until then: what it was launched with or given, or what a change that this one overtakes would give it. */
  readonly least: TaskSize;
  /** Why it cannot be, and the instance is replaced; null: under way. */
  readonly refused: string | null;
}

export interface Instance {
  readonly id: InstanceId;
  readonly appId: AppId;
  /** The app version that its tasks run, or that its next task will run. */
  readonly version: Instant;
  /** `running`: relaunch after each end. `decommissioned`: disappears with its task. */
  readonly goal: 'running' | 'decommissioned';
  readonly incarnation: number;
  readonly createdAt: Instant;
  readonly condition: Condition;
  /** Set while its current task is being stopped, whatever the goal. */
  readonly stop: Stop | null;
  /** Absent: nobody asked for another size. */
  readonly resize?: Resize;
  /** The delay that the last failed end earned, in ms; 0 when it runs well. */
  readonly backoffMs: number;
}

/** The task of an instance that may have a process somewhere, or null. */
export function liveTask(instance: Instance): TaskRef | null {
  const { condition } = instance;
  return condition.kind === 'scheduled' || condition.kind === 'terminal' ? null : condition.task;
}

/** To be replaced: of an older config, or unable to become what its config asks for where it runs. */
export const isOutdated = ({ version, resize }: Pick<Instance, 'version' | 'resize'>, configVersion: Instant): boolean =>
  version < configVersion || (resize !== undefined && resize.refused !== null);

/** The same, of a task whose size nobody has asked to change. */
export function withoutResize(instance: Instance): Instance {
  const { resize: _over, ...rest } = instance;
  return rest;
}
