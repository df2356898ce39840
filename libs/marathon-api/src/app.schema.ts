/**
 * The App object as clients send it: types and the limits that Marathon's schema sets (`invalid-json` when broken).
 *
 * Everything is optional here: create, replace and partial update share the shape, `normalize-app.ts` fills in defaults and
 * `validate-app.ts` checks the rules. Unknown keys fall away, at every level. Enums are read in any case.
 */
import { NAMESPACES } from '@ekiden/model';
import { z } from 'zod';
import { MAX_BACKOFF_FACTOR, MAX_CPUS, MAX_INSTANCES, MAX_LIST_ENTRIES, MAX_MIB, MAX_OPEN_FILES, MAX_PIDS, MAX_SECONDS, MAX_TEXT_LENGTH } from './limits.js';

const ID_SEGMENT = /^(([a-z0-9]|[a-z0-9][a-z0-9-]*[a-z0-9])\.)*([a-z0-9]|[a-z0-9][a-z0-9-]*[a-z0-9])$/;
const NAME_PATTERN = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/;
const NETWORK_NAME_PATTERN = /^[a-z0-9]([-a-z0-9_]*[a-z0-9])?$/;
const EXECUTOR_PATTERN = /^(\/\/cmd|\/?[^/]+(\/[^/]+)*|)$/;

const text = () => z.string().max(MAX_TEXT_LENGTH);
const listOf = <T extends z.ZodType>(item: T) => z.array(item).max(MAX_LIST_ENTRIES);
const seconds = (min = 0) => z.int().min(min).max(MAX_SECONDS);
const anyCase = <const T extends readonly [string, ...string[]]>(values: T) => z.string().toUpperCase().pipe(z.enum(values));
const anyCaseLower = <const T extends readonly [string, ...string[]]>(values: T) => z.string().toLowerCase().pipe(z.enum(values));
const textMap = () => z.record(z.string(), text());

const port = () => z.int().min(0).max(65_535);
const networkName = () => z.string().regex(NETWORK_NAME_PATTERN).max(63);

/** Longer than any digest: whether it is one, `validate-app.ts` says in words. */
const MAX_DIGEST_LENGTH = 256;
const MAX_PATH_LENGTH = 2_048;
const isPathId = (raw: string): boolean =>
  raw.length > MAX_PATH_LENGTH || raw.split('/').every((part) => part === '' || part === '.' || part === '..' || ID_SEGMENT.test(part));

/** A path id as bodies may spell it, relative or absolute. Marathon's own pattern takes exponential time on `//////!`: parts are checked one by one. */
const pathId = () => z.string().min(1).max(MAX_PATH_LENGTH).refine(isPathId, 'error.pattern');

export const networkSchema = z.object({
  mode: anyCaseLower(['container', 'container/bridge', 'host']).optional(),
  name: networkName().optional(),
  labels: textMap().optional(),
});

export const portDefinitionSchema = z.object({
  port: z.int().min(0).max(65_535).optional(),
  protocol: anyCaseLower(['tcp', 'udp', 'udp,tcp']).optional(),
  name: z.string().regex(NAME_PATTERN).max(255).optional(),
  labels: textMap().optional(),
});

export const portMappingSchema = z.object({
  containerPort: port().optional(),
  hostPort: port().optional(),
  servicePort: port().optional(),
  protocol: anyCaseLower(['tcp', 'udp', 'udp,tcp']).optional(),
  name: z.string().regex(NAME_PATTERN).max(255).optional(),
  labels: textMap().optional(),
  networkNames: listOf(networkName()).optional(),
});

/** Of Marathons before 1.5: one network of the task's own. */
export const ipAddressSchema = z.object({
  networkName: networkName().optional(),
  labels: textMap().optional(),
  groups: listOf(z.string()).optional(),
  discovery: z
    .object({
      ports: listOf(
        z.object({
          number: port(),
          name: z.string().regex(NAME_PATTERN).max(255).optional(),
          protocol: anyCaseLower(['tcp', 'udp', 'udp,tcp']).optional(),
          labels: textMap().optional(),
        }),
      ).optional(),
    })
    .optional(),
});

export const artifactSchema = z.object({
  uri: z.string().min(1).max(1_024),
  extract: z.boolean().optional(),
  executable: z.boolean().optional(),
  cache: z.boolean().optional(),
  destPath: text().optional(),
  /** Ekiden's own, beside Marathon's fields. */
  sha256: z.string().max(MAX_DIGEST_LENGTH).optional(),
});

export const healthCheckSchema = z.object({
  protocol: anyCase(['HTTP', 'HTTPS', 'TCP', 'COMMAND', 'MESOS_TCP', 'MESOS_HTTP', 'MESOS_HTTPS']).optional(),
  path: text().optional(),
  portIndex: z.int().min(0).max(MAX_LIST_ENTRIES).optional(),
  port: z.int().min(0).max(65_535).optional(),
  command: z.object({ value: z.string() }).optional(),
  gracePeriodSeconds: seconds().optional(),
  intervalSeconds: seconds().optional(),
  timeoutSeconds: seconds().optional(),
  delaySeconds: seconds().optional(),
  maxConsecutiveFailures: z.int().min(0).max(MAX_SECONDS).optional(),
  ipProtocol: z
    .string()
    .toLowerCase()
    .pipe(z.enum(['ipv4', 'ipv6']))
    .optional(),
  ignoreHttp1xx: z.boolean().optional(),
});

export const readinessCheckSchema = z.object({
  name: z.string().min(1).max(MAX_TEXT_LENGTH).optional(),
  protocol: anyCase(['HTTP', 'HTTPS']).optional(),
  path: text().optional(),
  portName: z.string().min(1).max(255).optional(),
  intervalSeconds: seconds().optional(),
  timeoutSeconds: seconds(1).optional(),
  httpStatusCodesForReady: listOf(z.int().min(100).max(999)).optional(),
  preserveLastResponse: z.boolean().optional(),
});

const fraction = () => z.number().min(0).max(1);
export const upgradeStrategySchema = z.object({ minimumHealthCapacity: fraction(), maximumOverCapacity: fraction() });

/** Any string means `disabled`, as in Marathon. */
export const unreachableStrategySchema = z.union([
  z.string().transform(() => 'disabled' as const),
  z.object({ inactiveAfterSeconds: seconds().optional(), expungeAfterSeconds: seconds().optional() }),
]);

const dockerSchema = z.object({
  image: z.string().min(1).optional(),
  network: anyCase(['BRIDGE', 'HOST', 'NONE', 'USER']).optional(),
  portMappings: listOf(portMappingSchema).optional(),
  parameters: listOf(z.object({ key: z.string(), value: z.string() })).optional(),
  privileged: z.boolean().optional(),
  forcePullImage: z.boolean().optional(),
  credential: z.unknown().optional(),
  pullConfig: z.unknown().optional(),
});

export const containerSchema = z.object({
  type: anyCase(['MESOS', 'DOCKER']).optional(),
  docker: dockerSchema.optional(),
  volumes: listOf(z.record(z.string(), z.unknown())).optional(),
  portMappings: listOf(portMappingSchema).optional(),
  linuxInfo: z.unknown().optional(),
});

const limitOf = (most: number) => z.union([z.number().min(0).max(most), z.literal('unlimited')]);
/** Above the request: what a task may take when it is there to be had. */
export const resourceLimitsSchema = z.object({ cpus: limitOf(MAX_CPUS).optional(), mem: limitOf(MAX_MIB).optional() });

/** Ours: what a task asks of the agent for itself. */
export const isolationSchema = z.object({
  capabilities: listOf(
    z
      .string()
      .regex(/^(CAP_)?[A-Z_]+$/)
      .max(64),
  ).optional(),
  namespaces: listOf(z.enum(NAMESPACES)).optional(),
  privateTmp: z.boolean().optional(),
  seccomp: z.boolean().optional(),
  pids: z.int().min(1).max(MAX_PIDS).optional(),
  openFiles: z.int().min(16).max(MAX_OPEN_FILES).optional(),
});

/** A value that is known and refused later, with its own text. */
const unbuilt = () => z.unknown().optional();

export const appInputSchema = z
  .object({
    id: pathId().optional(),
    cmd: z.string().min(1).optional(),
    args: listOf(z.string()).optional(),
    user: z.string().min(1).max(255).optional(),
    env: z.record(z.string(), z.union([z.object({ secret: z.string() }), z.string()])).optional(),
    secrets: z.record(z.string(), z.unknown()).optional(),
    labels: textMap().optional(),
    instances: z.int().min(0).max(MAX_INSTANCES).optional(),
    cpus: z.number().min(0.001).max(MAX_CPUS).optional(),
    mem: z.number().min(0).max(MAX_MIB).optional(),
    disk: z.number().min(0).max(MAX_MIB).optional(),
    gpus: z.int().min(0).max(MAX_CPUS).optional(),
    resourceLimits: resourceLimitsSchema.optional(),
    isolation: isolationSchema.optional(),
    executor: z.string().regex(EXECUTOR_PATTERN).optional(),
    executorResources: unbuilt(),
    constraints: listOf(listOf(z.string().max(MAX_TEXT_LENGTH))).optional(),
    acceptedResourceRoles: listOf(z.string()).optional(),
    role: z.string().min(1).max(255).optional(),
    fetch: listOf(artifactSchema).optional(),
    uris: listOf(z.string().min(1).max(1_024)).optional(),
    container: containerSchema.optional(),
    networks: listOf(networkSchema).optional(),
    portDefinitions: listOf(portDefinitionSchema).optional(),
    ports: listOf(z.int().min(0).max(65_535)).optional(),
    requirePorts: z.boolean().optional(),
    ipAddress: ipAddressSchema.optional(),
    healthChecks: listOf(healthCheckSchema).optional(),
    check: unbuilt(),
    readinessChecks: listOf(readinessCheckSchema).optional(),
    dependencies: listOf(pathId()).optional(),
    backoffSeconds: seconds().optional(),
    backoffFactor: z.number().min(1).max(MAX_BACKOFF_FACTOR).optional(),
    maxLaunchDelaySeconds: seconds().optional(),
    taskKillGracePeriodSeconds: seconds().optional(),
    upgradeStrategy: upgradeStrategySchema.optional(),
    unreachableStrategy: unreachableStrategySchema.optional(),
    killSelection: anyCase(['YOUNGEST_FIRST', 'OLDEST_FIRST']).optional(),
    residency: unbuilt(),
    tty: z.boolean().optional(),
    drainSeconds: seconds().optional(),
    progressDeadlineSeconds: seconds(1).optional(),
    rollbackWhenStuck: z.boolean().optional(),
    resizeInPlace: z.boolean().optional(),
  })
  .meta({ id: 'App', description: 'An app, as it is sent. Unknown keys are ignored; `null` is the same as absent.' });

export type AppInput = Frozen<z.output<typeof appInputSchema>>;

/** Read only, at every level: a stored app is an input too, and nobody may write to it. */
type Frozen<T> = T extends (infer Item)[] ? readonly Frozen<Item>[] : T extends object ? { readonly [Key in keyof T]: Frozen<T[Key]> } : T;
