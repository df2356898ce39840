/**
 * What the agent's core may touch: its disk, its runtime, the one connection to the master, and probes of its own tasks.
 *
 * `app.module.ts` hands in the real ones, the simulator virtual ones. The core awaits nothing else (decision 25).
 */
import type { AgentMessage, MasterMessage, RuntimeReport } from '@ekiden/agent-link';
import type { HostVolume, ImageWish, LaunchSpec, TaskNetworks, TaskRuntime, ContainerImage } from '@ekiden/isolation';
import type { FrameworkInfo, StopReport, TaskInfo, TaskStatus } from '@ekiden/mesos';
import type { AgentId, Attributes, Artifact, FrameworkId, Instant, Resources, TaskId, TaskSize, World } from '@ekiden/model';
import type { ContainerPolicy } from './tasks/read-container.js';

export interface AgentConfig {
  readonly hostname: string;
  readonly ip: string;
  readonly port: number;
  readonly version: string;
  readonly resources: Resources;
  readonly attributes: Attributes;
  readonly region: string | null;
  readonly zone: string | null;
  readonly bootId: string;
  /** What the master shows of it; absent: nothing. */
  readonly runtimes?: readonly RuntimeReport[];
  /** How long a task gets between SIGTERM and SIGKILL when nobody says. Mesos: 3 s. */
  readonly defaultKillGraceMs: number;
  /** Passed to every task below its own environment: PATH and the like. */
  readonly baseEnv: Readonly<Record<string, string>>;
  /** Every task runs as this user unless it names an allowed one; null or absent: as the agent (decision 20). */
  readonly taskUser?: string | null;
  /** Users that a task may name; `*`: any. Absent: none. */
  readonly allowedUsers?: readonly string[];
  /** Absent: off. */
  readonly diskPolicy?: DiskPolicy;
  readonly diskCheckMs?: number;
  /** Absent: no task with an image is run. */
  readonly containers?: ContainerPolicy;
  /** Capabilities that a task may ask for, without `CAP_`; `*`: any. Absent: none. */
  readonly allowedCapabilities?: readonly string[];
}

export interface AgentRecord {
  readonly v: number;
  readonly agentId: AgentId | null;
  readonly bootId: string;
  /** The highest epoch of a master seen: a lower one is stale (decision 5). */
  readonly masterEpoch: number;
}

/** One task on disk. Written before the fork (promise 2), after each status, and removed once its end is acknowledged. */
export interface TaskRecord {
  readonly v: number;
  readonly frameworkId: FrameworkId;
  readonly framework: FrameworkInfo;
  readonly task: TaskInfo;
  readonly sandbox: string;
  readonly runDir: string;
  /** Of the host's boot in which it was accepted; absent in older records. The agent's own record may be older still (full disk). */
  readonly bootId?: string;
  /** As whom it runs (null: as the agent), settled when it was accepted; absent in older records. */
  readonly user?: string | null;
  /** Of the image that it runs in; absent before that is known, and without an image. */
  readonly imageDigest?: string;
  /** What its registry calls that image; absent as above, and where no registry was asked. */
  readonly registryDigest?: string;
  readonly stage: 'accepted' | 'launching' | 'running' | 'ended';
  readonly launchedAt: Instant;
  readonly startedAt: Instant | null;
  /** A kill was asked for: continued after a restart. */
  readonly kill: {
    readonly at: Instant;
    readonly graceMs: number;
    /** SIGKILL was sent. */ readonly killedAt?: Instant;
    /** The agent ends it for its disk: says so. */ readonly overDisk?: string;
  } | null;
  /**
   * The newest change of its size; absent: none was asked for. `outcome` null: under way, and `task.resources` are the larger of both.
   * Afterwards they are the size in force.
   */
  readonly resize?: {
    readonly revision: number;
    readonly from: TaskSize;
    readonly to: TaskSize;
    readonly outcome: { /** Why `from` stayed; null: `to` is in force. */ readonly refused: string | null } | null;
  };
  /** Statuses not yet acknowledged, oldest first; only the head is in flight. */
  readonly unacknowledged: readonly TaskStatus[];
  /** How its stop went; absent: not stopped, or not over. */
  readonly stop?: StopReport;
  /** The last status made. */
  readonly latest: TaskStatus | null;
}

export interface CheckpointStore {
  load(): Promise<{
    readonly agent: AgentRecord | null;
    readonly tasks: readonly TaskRecord[];
    /** Files that could not be read, with the reason; set aside, never deleted. */ readonly damaged: readonly string[];
  }>;
  /** Durable when it resolves; rejects with the reason (disk full) and leaves the former content whole. */
  saveAgent(record: AgentRecord): Promise<void>;
  saveTask(record: TaskRecord): Promise<void>;
  removeTask(taskId: TaskId): Promise<void>;
}

export interface LinkSink {
  opened(): void;
  message(message: MasterMessage): void;
  /** Once, at the end. */
  closed(why: string): void;
}

export interface Link {
  send(message: AgentMessage): void;
  close(why: string): void;
}

export interface MasterConnector {
  /** Finds the leader and opens one connection. */
  connect(sink: LinkSink): Link;
}

/** Who waits for something that may take minutes before a task can start. */
export interface PreparationWatch {
  /** Ends it sooner. */
  readonly stop: AbortSignal;
  /** Told as often as there is news; the words are made only when somebody is to read them. */
  readonly tell: (describe: () => string) => void;
}

export interface SandboxPort {
  /** Makes both directories, closed to everybody else until the runtime gives the sandbox to `user`; answers absolute paths. */
  create(taskId: TaskId, frameworkId: FrameworkId, user: string | null): Promise<{ readonly sandbox: string; readonly runDir: string }>;
  /** Fetches into the sandbox; rejects with a message that names the URI and the reason. Bounded in size and time. */
  fetch(sandbox: string, artifacts: readonly Artifact[], user: string | null, watch: PreparationWatch): Promise<void>;
  /** Marks the sandbox as ended: kept for its retention, then removed. */
  retire(sandbox: string): Promise<void>;
}

export interface HostPort {
  readonly port: number;
  readonly protocol: 'tcp' | 'udp';
}

export interface HostPorts {
  /** Those of `wanted` at which some process of this machine listens already. Rejects never. */
  taken(wanted: readonly HostPort[]): Promise<readonly HostPort[]>;
}

export interface ImagePort {
  /** Has the image ready on this machine; rejects with a message that names it and the reason. `progress` is told how far a pull is. */
  ensure(wish: ImageWish): Promise<ContainerImage>;
  /** Volumes as they can be mounted; rejects naming the one that cannot, or leads to where it may not. */
  openVolumes(volumes: readonly HostVolume[]): Promise<readonly HostVolume[]>;
}

/** Networks of tasks' own: made before a start, taken away after an end, swept. */
export type NetworkPort = Pick<TaskNetworks, 'attach' | 'detach' | 'find' | 'sweep' | 'traffic'>;

/** What becomes of a task whose sandbox exceeds its disk. */
export type DiskPolicy = 'off' | 'warn' | 'kill';

export interface DiskMeter {
  /** What a directory and all in it holds, in KiB, without what is mounted there. Rejects when it cannot be told. */
  usedKib(sandbox: string): Promise<number>;
}

/** Where the history of what tasks used outlives the agent. Advice: nothing depends on it. */
export interface HistoryStore {
  /** The last text that was saved; null when there is none. Rejects with the reason. */
  load(): Promise<string | null>;
  /** Replaces it; a crash leaves the former one or this one. */
  save(text: string): Promise<void>;
}

export interface ProbeResult {
  readonly ok: boolean;
  /** Set when not ok: `HTTP 503`, `connection refused`, `timed out after 5000 ms`, `exit status 1`. */
  readonly cause: string | null;
  readonly response: { readonly status: number; readonly contentType: string; readonly body: string } | null;
}

export interface Probe {
  http(target: {
    readonly scheme: 'http' | 'https';
    readonly host: string;
    readonly port: number;
    readonly path: string;
    readonly timeoutMs: number;
    readonly keepBody: boolean;
  }): Promise<ProbeResult>;
  tcp(target: { readonly host: string; readonly port: number; readonly timeoutMs: number }): Promise<ProbeResult>;
  /** Runs in the task's sandbox with its environment and user, in a group of its own that is killed on time-out. */
  command(target: {
    readonly line: string;
    readonly sandbox: string;
    readonly env: Readonly<Record<string, string>>;
    readonly user: string | null;
    /** What its task asked for beyond limits. */
    readonly isolation: Pick<LaunchSpec, 'security' | 'namespaces' | 'privateTmp'>;
    /** Its task's limit of open files; absent: as the agent has. */
    readonly nofile?: number;
    readonly timeoutMs: number;
    /** In whose groups it runs, bounded as the task is and gone with it. */
    readonly taskId: TaskId;
    /** The task is being stopped: the command ends at once. */
    readonly stop: AbortSignal;
  }): Promise<ProbeResult>;
}

export interface AgentPorts extends World {
  readonly config: AgentConfig;
  readonly checkpoints: CheckpointStore;
  readonly runtime: TaskRuntime;
  readonly master: MasterConnector;
  readonly sandboxes: SandboxPort;
  readonly hostPorts: HostPorts;
  /** Absent: nobody measures sandboxes (a simulated machine has nothing in them). */
  readonly disk?: DiskMeter;
  readonly probe: Probe;
  /** Absent: no history is kept of what tasks used. */
  readonly history?: HistoryStore;
  /** Absent: `config.containers` refuses every image. */
  readonly images?: ImagePort;
  /** Absent: every task has the network of the machine. */
  readonly networks?: NetworkPort;
}
