/** A stored definition in the units of the model: seconds become ms, cpus thousandths, absence null. */
import {
  appId,
  role,
  type AppContainer,
  type AppSpec,
  type Constraint,
  type ConstraintOperator,
  type HealthCheck,
  type OwnNetwork,
  type PortMapping,
  type ReadinessCheck,
} from '@ekiden/model';
import type {
  CanonicalContainer,
  CanonicalHealthCheck,
  CanonicalLimits,
  CanonicalMapping,
  CanonicalNetwork,
  CanonicalReadinessCheck,
} from './canonical-app.js';
import type { AppDefinition } from './definition.js';
import { MIN_CHECK_INTERVAL_MS } from './limits.js';
import { canonicalOf } from './stored-app.js';

const DEFAULT_PROGRESS_DEADLINE_SECONDS = 600;
const SECOND_MS = 1_000;

/** Throws `invalid-json` for a definition that `normalizeApp` did not make. */
export function toAppSpec(definition: AppDefinition): AppSpec {
  const app = canonicalOf(definition);
  return {
    id: appId(app.id),
    // An image may know by itself what to run.
    command: app.cmd === undefined ? { kind: 'argv', argv: app.args ?? [] } : { kind: 'shell', line: app.cmd },
    container: containerOf(app.container),
    user: app.user ?? null,
    env: app.env ?? {},
    labels: app.labels,
    instances: app.instances,
    cpusMilli: milli(app.cpus),
    memMib: Math.ceil(app.mem),
    diskMib: Math.ceil(app.disk),
    gpus: app.gpus,
    ...(app.resourceLimits === undefined ? {} : { resourceLimits: limitsOf(app.resourceLimits) }),
    ...(app.isolation === undefined ? {} : { isolation: app.isolation }),
    role: role(app.role),
    acceptedResourceRoles: app.acceptedResourceRoles ?? null,
    constraints: (app.constraints ?? []).map(constraintOf),
    portDefinitions: (app.portDefinitions ?? []).map((port) => ({
      port: port.port,
      protocol: port.protocol,
      name: port.name ?? null,
      labels: port.labels ?? {},
    })),
    requirePorts: app.requirePorts,
    ...(app.container?.portMappings === undefined
      ? {}
      : { ownNetwork: { networks: app.networks.map(networkOf), portMappings: app.container.portMappings.map(mappingOf) } }),
    fetch: (app.fetch ?? []).map((artifact) => ({ ...artifact, destPath: artifact.destPath ?? null, sha256: artifact.sha256 ?? null })),
    healthChecks: (app.healthChecks ?? []).map(healthCheckOf),
    readinessCheck: app.readinessChecks?.[0] === undefined ? null : readinessCheckOf(app.readinessChecks[0]),
    dependencies: app.dependencies ?? [],
    backoff: { initialMs: app.backoffSeconds * SECOND_MS, factor: app.backoffFactor, maxMs: app.maxLaunchDelaySeconds * SECOND_MS },
    killGraceMs: app.taskKillGracePeriodSeconds === undefined ? null : app.taskKillGracePeriodSeconds * SECOND_MS,
    drainMs: (app.drainSeconds ?? 0) * SECOND_MS,
    upgrade: app.upgradeStrategy,
    unreachable:
      app.unreachableStrategy === 'disabled'
        ? { kind: 'disabled' }
        : {
            kind: 'replace',
            inactiveAfterMs: app.unreachableStrategy.inactiveAfterSeconds * SECOND_MS,
            expungeAfterMs: app.unreachableStrategy.expungeAfterSeconds * SECOND_MS,
          },
    killSelection: app.killSelection,
    progressDeadlineMs: (app.progressDeadlineSeconds ?? DEFAULT_PROGRESS_DEADLINE_SECONDS) * SECOND_MS,
    rollbackWhenStuck: app.rollbackWhenStuck ?? false,
  };
}

function containerOf(container: CanonicalContainer | undefined): AppContainer | null {
  if (container === undefined) return null;
  const { image, forcePullImage, privileged = false, parameters = [] } = container.docker;
  const volumes = container.volumes.map(({ mode, ...paths }) => ({ ...paths, isReadOnly: mode === 'RO' }));
  return { kind: container.type, image, forcePullImage, isPrivileged: privileged, volumes, ...(parameters.length === 0 ? {} : { parameters }) };
}

const networkOf = ({ name, labels = {} }: CanonicalNetwork): OwnNetwork['networks'][number] => ({ name: name ?? null, labels });

const mappingOf = ({ hostPort, name, networkNames = [], ...mapping }: CanonicalMapping): PortMapping => ({
  ...mapping,
  hostPort: hostPort ?? null,
  name: name ?? null,
  networkNames,
});

/** Rounded up to a thousandth; the small term keeps 0.3 · 1000 = 300.00000000000006 at 300. */
const milli = (cpus: number): number => Math.max(1, Math.ceil(cpus * 1_000 - 1e-6));

const limitsOf = ({ cpus, mem }: CanonicalLimits): NonNullable<AppSpec['resourceLimits']> => ({
  cpusMilli: typeof cpus === 'number' ? milli(cpus) : (cpus ?? null),
  memMib: typeof mem === 'number' ? Math.ceil(mem) : (mem ?? null),
});

const OPERATORS: readonly ConstraintOperator[] = ['UNIQUE', 'CLUSTER', 'GROUP_BY', 'LIKE', 'UNLIKE', 'MAX_PER', 'IS'];

function constraintOf([field = '', operator = '', value]: readonly string[]): Constraint {
  return { field, operator: OPERATORS.find((known) => known === operator) ?? 'IS', value: value ?? null };
}

function healthCheckOf(check: CanonicalHealthCheck): HealthCheck {
  const isNetwork = check.protocol !== 'COMMAND';
  return {
    protocol: check.protocol,
    path: check.path ?? '/',
    portIndex: isNetwork && check.port === undefined ? (check.portIndex ?? 0) : null,
    port: isNetwork ? (check.port ?? null) : null,
    command: isNetwork ? null : (check.command?.value ?? ''),
    gracePeriodMs: check.gracePeriodSeconds * SECOND_MS,
    intervalMs: Math.max(MIN_CHECK_INTERVAL_MS, check.intervalSeconds * SECOND_MS),
    timeoutMs: Math.max(MIN_CHECK_INTERVAL_MS, check.timeoutSeconds * SECOND_MS),
    delayMs: check.delaySeconds * SECOND_MS,
    maxConsecutiveFailures: check.maxConsecutiveFailures,
  };
}

function readinessCheckOf(check: CanonicalReadinessCheck): ReadinessCheck {
  return {
    name: check.name,
    protocol: check.protocol,
    path: check.path,
    portName: check.portName,
    intervalMs: Math.max(MIN_CHECK_INTERVAL_MS, check.intervalSeconds * SECOND_MS),
    timeoutMs: check.timeoutSeconds * SECOND_MS,
    statusCodes: check.httpStatusCodesForReady,
    preserveLastResponse: check.preserveLastResponse,
  };
}
