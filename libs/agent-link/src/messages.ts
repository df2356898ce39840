/**
 * What master and agent say to each other, over the one connection that the agent opens.
 *
 * Every message is one JSON text frame. `v` is the version of the protocol (decision 10): a reader accepts its own and the
 * one before. The master's `epoch` grows with each leader, the link's with each connection of an agent; either end drops
 * what comes over any link but the newest, and an agent refuses a master whose epoch is lower than one it has seen (5).
 *
 *   agent  ── register ──►  master      tasks and unacknowledged statuses included
 *   agent  ◄─ registered ─  master      agent id, epochs
 *   agent  ◄─ launch, kill, resize, acknowledge, message, shutdown-framework, ping ─ master
 *   agent  ── status, pong, executor-message ─► master
 */
import type { AgentId, FrameworkId, TaskId, TaskSize, TaskState } from '@ekiden/model';
import type { FrameworkInfo, KillPolicy, TaskInfo, TaskStatus, WireAttribute, WireResource } from '@ekiden/mesos';

export const AGENT_LINK_VERSION = 1;

/** Where the master takes agents' WebSockets. A master that does not lead answers 307 with the leader's, or 503. */
export const AGENT_LINK_PATH = '/ekiden/v1/agent-link';

/** The largest message accepted, in bytes: a registration with thousands of tasks. */
export const MAX_LINK_MESSAGE_BYTES = 64 * 1024 * 1024;

/** It takes `resize`, and its runtime can do it. */
export const AGENT_RESIZES = 'resize';

/** A task as its agent knows it; sent on registration, so that a new master knows all that runs. */
export interface TaskReport {
  readonly frameworkId: FrameworkId;
  /** Its resources: what it may use now. While its size changes, the larger of both. */
  readonly task: TaskInfo;
  /** The newest state, which may be ahead of what has been acknowledged. Terminal: resources are free. */
  readonly state: TaskState;
  /** The last status made (not the one in flight): reconciliation answers from it. Null: none yet. */
  readonly latest: TaskStatus | null;
}

/** One way to run tasks on a machine. */
export interface RuntimeReport {
  readonly name: string;
  readonly isUsed: boolean;
  /** Why it is not used, or what it cannot give there, each with the way out. */
  readonly reasons: readonly string[];
}

export interface RegisterMessage {
  readonly type: 'register';
  readonly v: number;
  /** Null: a new agent, the master gives it an id. An agent keeps its id on disk across restarts. */
  readonly agentId: AgentId | null;
  readonly hostname: string;
  /** `ip` and `port` of the agent's own HTTP server. */
  readonly ip: string;
  readonly port: number;
  readonly version: string;
  readonly resources: readonly WireResource[];
  readonly attributes: readonly WireAttribute[];
  readonly region: string | null;
  readonly zone: string | null;
  /** Of the host's boot: another one means that no task can have survived. */
  readonly bootId: string;
  /** Absent: an agent of before, or a simulated one. */
  readonly runtimes?: readonly RuntimeReport[];
  /** What it can beyond the first version of this protocol. Absent: nothing. */
  readonly abilities?: readonly string[];
  readonly frameworks: readonly FrameworkInfo[];
  readonly tasks: readonly TaskReport[];
}

export type AgentMessage =
  | RegisterMessage
  | {
      readonly type: 'status';
      readonly frameworkId: FrameworkId;
      readonly status: TaskStatus;
      /** Newest state of the task. */ readonly latestState: TaskState;
    }
  | { readonly type: 'executor-message'; readonly frameworkId: FrameworkId; readonly executorId: string; readonly data: string }
  | { readonly type: 'pong'; readonly nonce: number };

export type MasterMessage =
  | {
      readonly type: 'registered';
      readonly v: number;
      readonly agentId: AgentId;
      readonly masterId: string;
      readonly masterEpoch: number;
      readonly linkEpoch: number;
      readonly pingIntervalMs: number;
    }
  /** This agent may not join (gone, wrong version, stale master): the link closes after it. */
  | { readonly type: 'refused'; readonly why: string; readonly permanent: boolean }
  | { readonly type: 'launch'; readonly framework: FrameworkInfo; readonly tasks: readonly TaskInfo[] }
  | { readonly type: 'kill'; readonly frameworkId: FrameworkId; readonly taskId: TaskId; readonly killPolicy: KillPolicy | null }
  /** Only to an agent that says AGENT_RESIZES. The outcome is in the data of the task's statuses (`ResizeReport`). */
  | { readonly type: 'resize'; readonly frameworkId: FrameworkId; readonly taskId: TaskId; readonly revision: number; readonly size: TaskSize }
  | { readonly type: 'acknowledge'; readonly frameworkId: FrameworkId; readonly taskId: TaskId; readonly uuid: string }
  | { readonly type: 'message'; readonly frameworkId: FrameworkId; readonly executorId: string; readonly data: string }
  /** The framework was torn down: end all its tasks. */
  | { readonly type: 'shutdown-framework'; readonly frameworkId: FrameworkId }
  /** Tasks that the master believes to be here and that `register` did not list: say what became of them (TASK_DROPPED). */
  | { readonly type: 'reconcile-tasks'; readonly frameworkId: FrameworkId; readonly taskIds: readonly TaskId[] }
  | { readonly type: 'ping'; readonly nonce: number };
