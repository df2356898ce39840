/**
 * The border between the agent and the machine: how a task's process is started, watched, signalled and found again.
 *
 * All runtimes share the run-directory protocol (docs: isolation), so recovery exists once. A task outlives the agent: its
 * supervisor writes down how it ended. A runtime never weakens what was asked: it refuses with the reason.
 * The simulator has its own implementation of this port.
 */
import type { Readable, Writable } from 'node:stream';
import type { Ability, TaskId } from '@ekiden/model';
import type { ContainerSpec } from './oci/container-spec.js';
import type { TaskStatistics } from './task-statistics.js';

export interface LaunchSpec {
  readonly taskId: TaskId;
  /** Absolute; exists; becomes the working directory. Its `stdout` and `stderr` files get the output. */
  readonly sandbox: string;
  /** Absolute; private to the runtime and its recovery; one a launch. */
  readonly runDir: string;
  readonly command: { readonly kind: 'shell'; readonly line: string } | { readonly kind: 'argv'; readonly argv: readonly string[] };
  /** The whole environment; nothing is inherited. */
  readonly env: Readonly<Record<string, string>>;
  readonly user: string | null;
  readonly limits: LaunchLimits;
  /** Absent: what the operator gives every task. */
  readonly security?: LaunchSecurity;
  /** Of its own, instead of the machine's. Absent: none. */
  readonly namespaces?: readonly Namespace[];
  /** A host command's: the file of a network namespace that it runs in. Absent: the machine's. A container has its own way (`ContainerSpec.network`). */
  readonly networkNamespace?: string;
  /** An empty /tmp and /var/tmp of its own, kept in its sandbox and gone with it. */
  readonly privateTmp?: boolean;
  /**
   * The image in which it runs; absent or null: on the machine itself. Its command is the words that are run in there, and when no user
   * is given the image's is taken.
   */
  readonly container?: ContainerSpec | null;
}

/** The task's own request comes first in each; a field that is absent was not asked for. */
export interface LaunchLimits {
  /** Its share of the cpus when others want them too. */
  readonly cpusMilli: number;
  readonly memMib: number;
  /** The most that it gets though others are idle; at least the request. Absent: the request on a runtime with hard limits, else all there is. */
  readonly cpuLimitMilli?: Limit;
  /** Where the kernel ends it; at least the request. Absent: the request. */
  readonly memLimitMib?: Limit;
  /** Of its sandbox. No runtime stops it: the agent measures and acts (disk guard). */
  readonly diskMib?: number;
  /** Processes and threads. Absent: a bound of the runtime that a fork bomb meets before the machine does. */
  readonly pids?: number;
  /** Open files of each of its processes, soft and hard (RLIMIT_NOFILE). Absent: as the agent has. */
  readonly nofile?: number;
}

export type Limit = number | 'unlimited';

/** pid: its first process is a small init (`tini`) and it sees only its own. mount: what it mounts nobody else sees. uts: a host name of its own. */
export type Namespace = 'pid' | 'mount' | 'ipc' | 'uts';

export interface LaunchSecurity {
  /** The powers of root that it may have, without `CAP_`: `NET_BIND_SERVICE`. A user who is not root keeps them over exec. */
  readonly capabilities?: readonly string[];
  /** Setuid programs and file capabilities give it nothing. */
  readonly noNewPrivs?: boolean;
  /** `default`: system calls that no service makes fail with EPERM. */
  readonly seccomp?: 'default' | 'unconfined';
  /** All of root's powers, no filter. */
  readonly isPrivileged?: boolean;
}

/** Null: given on this machine. Otherwise why not, with the package to install where one is missing. */
export type Abilities = Readonly<Record<Ability, string | null>>;

export interface TaskExit {
  /** 0 to 255; null when a signal ended it or when nobody knows. */
  readonly code: number | null;
  /** `SIGKILL` …; null when it exited by itself. */
  readonly signal: string | null;
  /** The kernel killed it for memory. */
  readonly oomKilled: boolean;
  /** How many processes of its group the kernel killed for memory, children included. Absent: nobody counts here. */
  readonly oomKills?: number;
  /** The most memory that its group ever held. Absent: nobody measures here. */
  readonly memPeakBytes?: number;
  /** Processes that had to be killed: when that was asked for, or left when its first one had ended. Absent: not known. */
  readonly killedProcesses?: number;
  /** Set when the status was lost (supervisor killed, host restarted): says how. */
  readonly lost: string | null;
}

/** What recovery found in a run directory (isolation reference 3.2). */
export type SettledRecovery =
  { readonly kind: 'never-started' } | { readonly kind: 'running'; readonly pid: number } | { readonly kind: 'exited'; readonly exit: TaskExit };

/** `undecided`: who knows is away. It is asked until it answers; never, if this agent ends before. What was asked of the task meanwhile is done then. */
export type Recovered = SettledRecovery | { readonly kind: 'undecided'; readonly settled: Promise<SettledRecovery> };

export type LaunchResult = { readonly kind: 'started'; readonly pid: number } | { readonly kind: 'failed'; readonly reason: string };

/** A command inside a running task: with its user, rights, environment, working directory, view of the machine and limits. */
export interface ExecSpec extends Pick<LaunchSpec, 'taskId' | 'sandbox' | 'env' | 'user' | 'security' | 'namespaces' | 'privateTmp'> {
  readonly argv: readonly string[];
  /** As the task has it. */
  readonly nofile?: number;
  /** `pipes`: three of them. `none`: no input, and what it prints is dropped. */
  readonly io: 'pipes' | 'none' | TerminalOptions;
}

export interface TerminalSize {
  readonly columns: number;
  readonly rows: number;
}

export interface TerminalOptions extends TerminalSize {
  /** TERM: what its screen understands. */
  readonly type: string;
}

export interface TaskProcess {
  /** With a terminal, what is written here has been typed. Null without. */
  readonly input: Writable | null;
  /** With a terminal, all that it prints. Each stream says `close` once it has been read to its end. */
  readonly output: Readable | null;
  readonly errors: Readable | null;
  /** The newest size wins; nothing happens without a terminal. */
  resize(size: TerminalSize): void;
  /** SIGKILL to it and whatever it has started. Harmless when it is over. */
  kill(): void;
  /** Resolves when it has ended and nothing that it has started is left; what it has printed may still wait to be read. Rejects never. */
  readonly ended: Promise<ProcessEnd>;
}

export interface ProcessEnd {
  /** Null when a signal ended it. With a terminal, a signal is 128 and its number, as shells say it. */
  readonly code: number | null;
  readonly signal: string | null;
}

export type ResizeResult = { readonly kind: 'resized' } | { readonly kind: 'refused'; readonly reason: string };

export interface TaskRuntime {
  readonly name: 'process' | 'cgroup';
  /** What it gives; a launch that asks for another thing fails with that reason. Absent: not known (a simulated machine). */
  readonly abilities?: Abilities;
  /** A launch will come within milliseconds: what takes the machine a while and is the same for all may begin. Changes nothing. */
  expectLaunch?(): void;
  /** Starts it; answers when the process has its pid on disk or could not be started. Rejects never. */
  launch(spec: LaunchSpec): Promise<LaunchResult>;
  /** Looks at what an earlier agent left behind, and claims it, so that a late supervisor cannot start afterwards. */
  recover(taskId: TaskId, runDir: string): Promise<Recovered>;
  /** Calls back once, when the task has ended and its whole group is gone. Also for recovered tasks. */
  onExit(taskId: TaskId, ended: (exit: TaskExit) => void): void;
  /** Changes cpu and memory limits of a running task without a restart; a limit below what it holds is refused. Absent: not possible here. */
  resize?(taskId: TaskId, limits: LaunchLimits): ResizeResult | Promise<ResizeResult>;
  /** Whether it can do so for tasks of some kind. Absent: as `abilities` say. */
  resizes?(): boolean;
  /** SIGTERM to the group, or the signal that its image asks for. Harmless when it is gone. */
  terminate(taskId: TaskId): void;
  /** SIGKILL to the whole group, until nothing is left. */
  kill(taskId: TaskId): void;
  /** A process that has its pid written into each of these is in the task's groups; none where there are no groups. */
  joinFiles?(taskId: TaskId): readonly string[];
  /** What each of these tasks has used so far; those that do not run are left out. A few small reads a task, no process. */
  stats(taskIds: readonly TaskId[]): ReadonlyMap<TaskId, TaskStatistics>;
  /**
   * Runs a command in a running task: an operator's (exec), or its health check. It ends with its task at the latest. Rejects with the
   * reason when it cannot be started. Absent: nothing can be run here (a simulated machine).
   */
  exec?(spec: ExecSpec): Promise<TaskProcess>;
  /** After the end is recorded and acknowledged: removes cgroups and the run directory. */
  forget(taskId: TaskId, runDir: string): Promise<void>;
  /** Processes in our groups that belong to no task of `known`: killed. Answers how many. */
  sweep(known: ReadonlySet<TaskId>): Promise<number>;
}
