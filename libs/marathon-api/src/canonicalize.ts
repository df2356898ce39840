/** Fills in Marathon's defaults and leaves out what is empty (sections 7 and 8). Checks nothing. */
import { resolvePath, type AppId, type TaskIsolation } from '@ekiden/model';
import type { AppInput } from './app.schema.js';
import type { CanonicalApp, CanonicalArtifact, CanonicalHealthCheck, CanonicalPort, CanonicalReadinessCheck, CanonicalUnreachable } from './canonical-app.js';
import { canonicalContainer } from './container.js';
import { canonicalNetworks, isOwn } from './networks.js';
import type { NormalizeOptions } from './definition.js';

/** The form of the definition that is stored. Env values that name a secret are left out: `unsupported.ts` has refused them. */
export function canonicalize(app: AppInput, id: AppId, options: NormalizeOptions): CanonicalApp {
  const networks = canonicalNetworks(app.networks);
  const container = canonicalContainer(app.container, networks);
  const portDefinitions = isOwn(networks) ? undefined : (app.portDefinitions?.map(canonicalPort) ?? [DEFAULT_PORT]);
  const portCount = portDefinitions?.length ?? container?.portMappings?.length ?? 0;
  return {
    id,
    ...optional('cmd', app.cmd),
    ...nonEmptyList('args', app.args),
    ...optional('user', app.user),
    ...nonEmptyMap('env', plainEnv(app.env ?? {})),
    labels: app.labels ?? {},
    instances: app.instances ?? 1,
    cpus: app.cpus ?? 1,
    mem: app.mem ?? 128,
    disk: app.disk ?? 0,
    gpus: app.gpus ?? 0,
    ...optional('resourceLimits', canonicalLimits(app.resourceLimits)),
    ...optional('isolation', canonicalIsolation(app.isolation)),
    executor: app.executor ?? '',
    ...nonEmptyList('constraints', app.constraints?.map(canonicalConstraint)),
    ...optional('acceptedResourceRoles', app.acceptedResourceRoles === undefined ? undefined : [...new Set(app.acceptedResourceRoles)]),
    role: app.role ?? options.defaultRole,
    ...nonEmptyList('fetch', app.fetch?.map(canonicalArtifact)),
    ...optional('container', container),
    networks,
    ...optional('portDefinitions', portDefinitions),
    requirePorts: portDefinitions !== undefined && (app.requirePorts ?? false),
    ...nonEmptyList(
      'healthChecks',
      app.healthChecks?.map((check) => canonicalHealthCheck(check, portCount)),
    ),
    ...nonEmptyList('readinessChecks', app.readinessChecks?.map(canonicalReadinessCheck)),
    ...nonEmptyList(
      'dependencies',
      app.dependencies?.map((dependency) => resolvePath(dependency, '/')),
    ),
    backoffSeconds: app.backoffSeconds ?? 1,
    backoffFactor: app.backoffFactor ?? 1.15,
    maxLaunchDelaySeconds: app.maxLaunchDelaySeconds ?? 300,
    ...optional('taskKillGracePeriodSeconds', app.taskKillGracePeriodSeconds),
    upgradeStrategy: app.upgradeStrategy ?? { minimumHealthCapacity: 1, maximumOverCapacity: 1 },
    unreachableStrategy: canonicalUnreachable(app.unreachableStrategy),
    killSelection: app.killSelection ?? 'YOUNGEST_FIRST',
    ...optional('drainSeconds', app.drainSeconds),
    ...optional('progressDeadlineSeconds', app.progressDeadlineSeconds),
    ...optional('rollbackWhenStuck', app.rollbackWhenStuck),
    ...optional('resizeInPlace', app.resizeInPlace),
  };
}

type Entry<K extends string, V> = { readonly [key in K]?: V };

/** `{key: value}`, or nothing when the value is unset: such fields are absent, never null. */
function optional<K extends string, V>(key: K, value: V | undefined): Entry<K, V> {
  const entry: { [key in K]?: V } = {};
  if (value !== undefined) entry[key] = value;
  return entry;
}

const nonEmptyList = <K extends string, V>(key: K, list: readonly V[] | undefined): Entry<K, readonly V[]> =>
  optional(key, list !== undefined && list.length > 0 ? list : undefined);

const nonEmptyMap = <K extends string, V>(key: K, map: Readonly<Record<string, V>>): Entry<K, Readonly<Record<string, V>>> =>
  optional(key, Object.keys(map).length > 0 ? map : undefined);

function plainEnv(env: NonNullable<AppInput['env']>): Record<string, string> {
  return Object.fromEntries(Object.entries(env).flatMap(([key, value]) => (typeof value === 'string' ? [[key, value] as const] : [])));
}

const DEFAULT_PORT: CanonicalPort = { port: 0, protocol: 'tcp', name: 'default' };

const canonicalPort = (port: NonNullable<AppInput['portDefinitions']>[number]): CanonicalPort => ({
  port: port.port ?? 0,
  protocol: port.protocol ?? 'tcp',
  ...optional('name', port.name),
  ...nonEmptyMap('labels', port.labels ?? {}),
});

function canonicalLimits(limits: AppInput['resourceLimits']): CanonicalApp['resourceLimits'] {
  if (limits?.cpus === undefined && limits?.mem === undefined) return undefined;
  return { ...optional('cpus', limits.cpus), ...optional('mem', limits.mem) };
}

function canonicalIsolation(isolation: AppInput['isolation']): TaskIsolation | undefined {
  if (isolation === undefined) return undefined;
  const { capabilities, namespaces, privateTmp, seccomp, pids, openFiles } = isolation;
  const asked = {
    ...nonEmptyList('capabilities', capabilities && [...new Set(capabilities.map((name) => name.replace(/^CAP_/, '')))]),
    ...nonEmptyList('namespaces', namespaces && [...new Set(namespaces)]),
    ...optional('privateTmp', privateTmp === true ? true : undefined),
    ...optional('seccomp', seccomp === true ? true : undefined),
    ...optional('pids', pids),
    ...optional('openFiles', openFiles),
  };
  return Object.keys(asked).length === 0 ? undefined : asked;
}

/** Operators are stored in capitals (quirk Q16). */
const canonicalConstraint = (constraint: readonly string[]): readonly string[] => constraint.map((part, index) => (index === 1 ? part.toUpperCase() : part));

const canonicalArtifact = (artifact: NonNullable<AppInput['fetch']>[number]): CanonicalArtifact => ({
  uri: artifact.uri,
  extract: artifact.extract ?? true,
  executable: artifact.executable ?? false,
  cache: artifact.cache ?? false,
  ...optional('destPath', artifact.destPath),
  ...optional('sha256', artifact.sha256?.toLowerCase()),
});

type HealthCheckInput = NonNullable<AppInput['healthChecks']>[number];

function canonicalHealthCheck(check: HealthCheckInput, portCount: number): CanonicalHealthCheck {
  const protocol = check.protocol ?? 'HTTP';
  const isNetwork = protocol !== 'COMMAND';
  const portIndex = check.portIndex ?? (isNetwork && check.port === undefined && portCount > 0 ? 0 : undefined);
  return {
    protocol,
    ...optional('path', check.path),
    ...optional('portIndex', portIndex),
    ...optional('port', check.port),
    ...optional('command', check.command),
    gracePeriodSeconds: check.gracePeriodSeconds ?? 300,
    intervalSeconds: check.intervalSeconds ?? 60,
    timeoutSeconds: check.timeoutSeconds ?? 20,
    delaySeconds: check.delaySeconds ?? 15,
    maxConsecutiveFailures: check.maxConsecutiveFailures ?? 3,
    ipProtocol: check.ipProtocol === 'ipv6' ? 'IPv6' : 'IPv4',
    ...(protocol === 'HTTP' || protocol === 'HTTPS' ? { ignoreHttp1xx: false as const } : {}),
  };
}

const canonicalReadinessCheck = (check: NonNullable<AppInput['readinessChecks']>[number]): CanonicalReadinessCheck => ({
  name: check.name ?? 'readinessCheck',
  protocol: check.protocol ?? 'HTTP',
  path: check.path ?? '/',
  portName: check.portName ?? 'http-api',
  intervalSeconds: check.intervalSeconds ?? 30,
  timeoutSeconds: check.timeoutSeconds ?? 10,
  httpStatusCodesForReady: [...new Set(check.httpStatusCodesForReady ?? [200])],
  preserveLastResponse: check.preserveLastResponse ?? false,
});

function canonicalUnreachable(strategy: AppInput['unreachableStrategy']): CanonicalUnreachable {
  if (strategy === 'disabled') return strategy;
  return { inactiveAfterSeconds: strategy?.inactiveAfterSeconds ?? 0, expungeAfterSeconds: strategy?.expungeAfterSeconds ?? 0 };
}
