/**
 * The canonical form with its types: what `normalize-app.ts` writes and `to-app-spec.ts` reads back.
 *
 * A stored definition is opaque to the rest of Ekiden (`definition.ts`). Optional fields are absent when unset or empty,
 * exactly as `GET` shows them (Marathon: 7.1, column Output).
 */
import type { DockerParameter, HealthCheckProtocol, KillSelection, Protocol, TaskIsolation } from '@ekiden/model';

export interface CanonicalPort {
  readonly port: number;
  readonly protocol: Protocol;
  readonly name?: string;
  readonly labels?: Readonly<Record<string, string>>;
}

/** Of an app with networks of its own. */
export type CanonicalMapping = {
  readonly containerPort: number;
  readonly hostPort?: number;
  readonly servicePort: number;
  readonly protocol: Protocol;
  readonly name?: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly networkNames?: readonly string[];
};

export interface CanonicalNetwork {
  readonly mode: 'host' | 'container' | 'container/bridge';
  /** Always set with mode `container`. */
  readonly name?: string;
  readonly labels?: Readonly<Record<string, string>>;
}

export interface CanonicalArtifact {
  readonly uri: string;
  readonly extract: boolean;
  readonly executable: boolean;
  readonly cache: boolean;
  readonly destPath?: string;
  readonly sha256?: string;
}

export interface CanonicalHealthCheck {
  readonly protocol: HealthCheckProtocol;
  readonly path?: string;
  readonly portIndex?: number;
  readonly port?: number;
  readonly command?: { readonly value: string };
  readonly gracePeriodSeconds: number;
  readonly intervalSeconds: number;
  readonly timeoutSeconds: number;
  readonly delaySeconds: number;
  readonly maxConsecutiveFailures: number;
  readonly ipProtocol: 'IPv4' | 'IPv6';
  readonly ignoreHttp1xx?: false;
}

export interface CanonicalReadinessCheck {
  readonly name: string;
  readonly protocol: 'HTTP' | 'HTTPS';
  readonly path: string;
  readonly portName: string;
  readonly intervalSeconds: number;
  readonly timeoutSeconds: number;
  readonly httpStatusCodesForReady: readonly number[];
  readonly preserveLastResponse: boolean;
}

export type CanonicalUnreachable = 'disabled' | { readonly inactiveAfterSeconds: number; readonly expungeAfterSeconds: number };

/** Each in the unit of its request. */
export interface CanonicalLimits {
  readonly cpus?: number | 'unlimited';
  readonly mem?: number | 'unlimited';
}

/** Type aliases, since a stored one is an input again, whose volumes are of any form. */
export type CanonicalVolume = { readonly containerPath: string; readonly hostPath: string; readonly mode: 'RO' | 'RW' };

export interface CanonicalContainer {
  readonly type: 'DOCKER' | 'MESOS';
  /** The last two with type DOCKER, always. */
  readonly docker: {
    readonly image: string;
    readonly forcePullImage: boolean;
    readonly parameters?: readonly DockerParameter[];
    readonly privileged?: boolean;
  };
  readonly volumes: readonly CanonicalVolume[];
  /** Unless the network is that of the machine. */
  readonly portMappings?: readonly CanonicalMapping[];
}

export interface CanonicalApp {
  readonly id: string;
  readonly cmd?: string;
  readonly args?: readonly string[];
  readonly user?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly labels: Readonly<Record<string, string>>;
  readonly instances: number;
  readonly cpus: number;
  readonly mem: number;
  readonly disk: number;
  readonly gpus: number;
  readonly resourceLimits?: CanonicalLimits;
  readonly isolation?: TaskIsolation;
  readonly executor: string;
  readonly constraints?: readonly (readonly string[])[];
  readonly acceptedResourceRoles?: readonly string[];
  readonly role: string;
  readonly fetch?: readonly CanonicalArtifact[];
  readonly container?: CanonicalContainer;
  readonly networks: readonly CanonicalNetwork[];
  /** In the network of the machine. */
  readonly portDefinitions?: readonly CanonicalPort[];
  readonly requirePorts: boolean;
  readonly healthChecks?: readonly CanonicalHealthCheck[];
  readonly readinessChecks?: readonly CanonicalReadinessCheck[];
  readonly dependencies?: readonly string[];
  readonly backoffSeconds: number;
  readonly backoffFactor: number;
  readonly maxLaunchDelaySeconds: number;
  readonly taskKillGracePeriodSeconds?: number;
  readonly upgradeStrategy: { readonly minimumHealthCapacity: number; readonly maximumOverCapacity: number };
  readonly unreachableStrategy: CanonicalUnreachable;
  readonly killSelection: KillSelection;
  readonly drainSeconds?: number;
  readonly progressDeadlineSeconds?: number;
  readonly rollbackWhenStuck?: boolean;
  readonly resizeInPlace?: boolean;
}
