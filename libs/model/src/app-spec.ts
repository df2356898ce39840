/**
 * An app as the decisions see it: Marathon's definition after defaults, in our units.
 *
 * `libs/marathon-api` makes it from the wire form once, at the border. The wire form is kept beside it (it is what
 * `GET` answers); nothing in the planner knows it. Every field is set; absence is `null` or an empty list.
 */
import type { DockerParameter } from './docker-parameters.js';
import type { AppId, Role } from './ids.js';

export type Command = { readonly kind: 'shell'; readonly line: string } | { readonly kind: 'argv'; readonly argv: readonly string[] };

export type ConstraintOperator = 'UNIQUE' | 'CLUSTER' | 'GROUP_BY' | 'LIKE' | 'UNLIKE' | 'MAX_PER' | 'IS';

export interface Constraint {
  /** `hostname` (also `@hostname`), `@region`, `@zone`, or the name of an agent's attribute. */
  readonly field: string;
  readonly operator: ConstraintOperator;
  readonly value: string | null;
}

export type Protocol = 'tcp' | 'udp' | 'udp,tcp';

export interface PortDefinition {
  /** The service port; also the host port when `requirePorts` is set. 0 is replaced by an assigned one on writing. */
  readonly port: number;
  readonly protocol: Protocol;
  readonly name: string | null;
  readonly labels: Readonly<Record<string, string>>;
}

/** A port of a task that has a network of its own. */
export interface PortMapping {
  /** 0: the same number as its host port; without one, any. */
  readonly containerPort: number;
  /** The port of the machine that leads to it; 0: any, null: none. */
  readonly hostPort: number | null;
  /** 0 is replaced by an assigned one on writing. */
  readonly servicePort: number;
  readonly protocol: Protocol;
  readonly name: string | null;
  readonly labels: Readonly<Record<string, string>>;
  /** In which of several networks; none: in all of them. */
  readonly networkNames: readonly string[];
}

/** The network that every agent with networks has: a bridge of its own (Marathon's default `mesos_bridge_name`). */
export const BRIDGE_NETWORK = 'mesos-bridge';

/** Networks of a task's own, instead of the machine's. */
export interface OwnNetwork {
  /** At least one. `name` null: the bridge that every agent has, and then there is no other. */
  readonly networks: readonly { readonly name: string | null; readonly labels: Readonly<Record<string, string>> }[];
  readonly portMappings: readonly PortMapping[];
}

export interface Artifact {
  readonly uri: string;
  readonly extract: boolean;
  readonly executable: boolean;
  readonly cache: boolean;
  readonly destPath: string | null;
  /** What the fetched bytes have to hash to, 64 hex digits in lower case; null: anything. */
  readonly sha256: string | null;
}

export type HealthCheckProtocol = 'HTTP' | 'HTTPS' | 'TCP' | 'COMMAND' | 'MESOS_HTTP' | 'MESOS_HTTPS' | 'MESOS_TCP';

/** The agent runs all of them, locally. Exactly one of `portIndex` and `port` is set for the network kinds. */
export interface HealthCheck {
  readonly protocol: HealthCheckProtocol;
  readonly path: string;
  readonly portIndex: number | null;
  readonly port: number | null;
  readonly command: string | null;
  readonly gracePeriodMs: number;
  readonly intervalMs: number;
  readonly timeoutMs: number;
  readonly delayMs: number;
  /** 0: never kill. */
  readonly maxConsecutiveFailures: number;
}

export interface ReadinessCheck {
  readonly name: string;
  readonly protocol: 'HTTP' | 'HTTPS';
  readonly path: string;
  readonly portName: string;
  readonly intervalMs: number;
  readonly timeoutMs: number;
  readonly statusCodes: readonly number[];
  readonly preserveLastResponse: boolean;
}

export type UnreachableStrategy =
  { readonly kind: 'disabled' } | { readonly kind: 'replace'; readonly inactiveAfterMs: number; readonly expungeAfterMs: number };

export type KillSelection = 'YOUNGEST_FIRST' | 'OLDEST_FIRST';

/** Marathon's two types differ in what arguments mean to an image. */
export interface AppContainer {
  readonly kind: 'DOCKER' | 'MESOS';
  readonly image: string;
  readonly forcePullImage: boolean;
  readonly isPrivileged: boolean;
  /** Options of `docker run`, of kind DOCKER; absent: none. */
  readonly parameters?: readonly DockerParameter[];
  readonly volumes: readonly { readonly containerPath: string; readonly hostPath: string; readonly isReadOnly: boolean }[];
}

export const NAMESPACES = ['pid', 'mount', 'ipc', 'uts'] as const;

/** What a task asks of the agent for itself; each is given or the launch is refused. Absent: as the operator gives it to every task. */
export interface TaskIsolation {
  /** Powers of root, without `CAP_`, of those that the operator lets tasks have. */
  readonly capabilities?: readonly string[];
  readonly namespaces?: readonly (typeof NAMESPACES)[number][];
  /** An empty /tmp of its own. */
  readonly privateTmp?: boolean;
  /** A filter of system calls that services never make. */
  readonly seccomp?: boolean;
  /** The most processes and threads. */
  readonly pids?: number;
  /** The most open files of each process. */
  readonly openFiles?: number;
}

export interface AppSpec {
  readonly id: AppId;
  readonly command: Command;
  /** The image in which it runs; null: on the machine itself. An empty command is then the image's own. */
  readonly container: AppContainer | null;
  /** The user to run as; null: as the agent says (decision 20). */
  readonly user: string | null;
  readonly env: Readonly<Record<string, string>>;
  readonly labels: Readonly<Record<string, string>>;
  readonly instances: number;
  readonly cpusMilli: number;
  readonly memMib: number;
  readonly diskMib: number;
  readonly gpus: number;
  /** The most that a task may take of each; null: the agent's default. Absent: nothing was asked for. */
  readonly resourceLimits?: { readonly cpusMilli: number | 'unlimited' | null; readonly memMib: number | 'unlimited' | null };
  readonly isolation?: TaskIsolation;
  readonly role: Role;
  /** null: reserved for the role and unreserved. */
  readonly acceptedResourceRoles: readonly string[] | null;
  readonly constraints: readonly Constraint[];
  /** Of a task in the network of the machine. */
  readonly portDefinitions: readonly PortDefinition[];
  readonly requirePorts: boolean;
  /** Absent: the network of the machine. With it, `portDefinitions` are empty. */
  readonly ownNetwork?: OwnNetwork;
  readonly fetch: readonly Artifact[];
  readonly healthChecks: readonly HealthCheck[];
  readonly readinessCheck: ReadinessCheck | null;
  /** Absolute ids of apps or groups. Unknown ones are no error and make no edge. */
  readonly dependencies: readonly string[];
  readonly backoff: { readonly initialMs: number; readonly factor: number; readonly maxMs: number };
  /** SIGTERM → SIGKILL; null: the agent's default (3 s). */
  readonly killGraceMs: number | null;
  /** Ours: how long a stopping instance is announced before SIGTERM (decision 18). Default 0. */
  readonly drainMs: number;
  readonly upgrade: { readonly minimumHealthCapacity: number; readonly maximumOverCapacity: number };
  readonly unreachable: UnreachableStrategy;
  readonly killSelection: KillSelection;
  /** Ours (decision 17): a deployment without any progress for so long is stuck. Default 10 minutes. */
  readonly progressDeadlineMs: number;
  /** Ours, opt-in: roll a stuck deployment back by itself. */
  readonly rollbackWhenStuck: boolean;
}

/**
 * One stored version of an app. A version is a timestamp; it is the id of the version, and unique per app.
 * `configVersion` (Marathon's lastConfigChangeAt) is the version at which something changed that the process sees: an
 * instance whose version is at least that one is up to date, an older one has to be replaced (decision 14). One that is older than
 * `sizeVersion`, and up to date, is of another size, and gets the new one where it runs.
 */
export interface AppVersion {
  readonly appId: AppId;
  readonly version: number;
  readonly configVersion: number;
  /** The version at which cpus or memory were changed in place; absent: not since `configVersion`. */
  readonly sizeVersion?: number;
  readonly scalingVersion: number;
  /** Which image its name meant when the first task of this config asked (`sha256:…`): all its tasks run it. Absent: not known, or none. */
  readonly imageDigest?: string;
  readonly spec: AppSpec;
}
