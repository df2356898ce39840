/**
 * From an instance that was recorded as launched to the TaskInfo of its ACCEPT. Pure: the builder of the call.
 */
import {
  encodeData,
  killPolicyOf,
  resourcesToWire,
  type CommandInfo,
  type ContainerInfo,
  type EkidenTaskData,
  type NetworkInfo,
  type PortMapping,
  type TaskInfo,
  type WireHealthCheck,
} from '@ekiden/mesos';
import {
  BRIDGE_NETWORK,
  taskName,
  taskPorts,
  type AppContainer,
  type AppSpec,
  type HealthCheck,
  type Instance,
  type OwnNetwork,
  type Resources,
  type TaskPort,
  type TaskRef,
} from '@ekiden/model';
import { checkTarget, mesosTarget } from './check-target.js';
import { withDigestChecks } from './digest-checks.js';
import { taskEnvironment } from './task-environment.js';

export interface TaskInfoInput {
  readonly spec: AppSpec;
  readonly instance: Instance;
  readonly task: TaskRef;
  readonly resources: Resources;
  /** The role to which the offer was allocated. */
  readonly role: string;
  /** The master passes Ekiden's data on (decision 1). Without it the first health check is left to Mesos. */
  readonly extended: boolean;
}

export function buildTaskInfo({ spec, instance, task, resources, role, extended }: TaskInfoInput): TaskInfo {
  const killPolicy = killPolicyOf(spec.killGraceMs);
  const first = spec.healthChecks[0];
  const plainCheck = extended || first === undefined ? null : mesosCheck(first, mesosTarget(first, spec, task)?.port ?? null);
  return {
    name: taskName(spec.id),
    task_id: { value: task.taskId },
    agent_id: { value: task.agentId },
    resources: resourcesToWire(resources, role),
    ...limitsOf(spec),
    command: commandOf(extended ? spec : withDigestChecks(spec), taskEnvironment(spec, instance, task)),
    ...(spec.container === null ? {} : { container: containerOf(pinned(spec.container, task), spec.ownNetwork, taskPorts(spec, task.ports, task.taskId)) }),
    ...(killPolicy === undefined ? {} : { kill_policy: killPolicy }),
    ...(plainCheck === null ? {} : { health_check: plainCheck }),
    ...(extended ? { data: encodeData(taskData(spec, task)) } : {}),
    labels: { labels: Object.entries(spec.labels).map(([key, value]) => ({ key, value })) },
    discovery: { visibility: 'FRAMEWORK', name: taskName(spec.id), ports: { ports: discoveryPorts(taskPorts(spec, task.ports, task.taskId)) } },
  };
}

function limitsOf({ resourceLimits }: AppSpec): Pick<TaskInfo, 'limits'> {
  if (resourceLimits === undefined) return {};
  const { cpusMilli, memMib } = resourceLimits;
  const scalar = (limit: number | 'unlimited', unit: number) => ({ value: limit === 'unlimited' ? ('Infinity' as const) : limit / unit });
  return { limits: { ...(cpusMilli === null ? {} : { cpus: scalar(cpusMilli, 1_000) }), ...(memMib === null ? {} : { mem: scalar(memMib, 1) }) } };
}

function commandOf(spec: AppSpec, environment: Readonly<Record<string, string>>): CommandInfo {
  return {
    ...commandWords(spec),
    ...(spec.user === null ? {} : { user: spec.user }),
    uris: spec.fetch.map(({ uri, extract, executable, cache, destPath }) => ({
      value: uri,
      extract,
      executable,
      cache,
      ...(destPath === null ? {} : { output_file: destPath }),
    })),
    environment: { variables: Object.entries(environment).map(([name, value]) => ({ name, value })) },
  };
}

/** A program of the machine is named twice, as Mesos does it; to an image all words are arguments, and none are its own. */
function commandWords({ command, container }: AppSpec): Pick<CommandInfo, 'shell' | 'value' | 'arguments'> {
  if (command.kind === 'shell') return { shell: true, value: command.line };
  if (container !== null) return { shell: false, arguments: [...command.argv] };
  return { shell: false, value: command.argv[0] ?? '', arguments: [...command.argv] };
}

/** By the digest that is known, beside the tag for whoever reads it. */
const pinned = (container: AppContainer, { imageDigest }: TaskRef): AppContainer =>
  imageDigest === undefined || container.image.includes('@') ? container : { ...container, image: `${container.image}@${imageDigest}` };

function containerOf(container: AppContainer, ownNetwork: OwnNetwork | undefined, ports: readonly TaskPort[]): ContainerInfo {
  const { kind, image, forcePullImage, isPrivileged, volumes: wanted, parameters = [] } = container;
  const volumes = wanted.map(({ containerPath, hostPath, isReadOnly }) => ({
    mode: isReadOnly ? ('RO' as const) : ('RW' as const),
    container_path: containerPath,
    host_path: hostPath,
  }));
  if (kind === 'MESOS') {
    const infos = ownNetwork === undefined ? {} : { network_infos: networkInfos(ownNetwork, ports) };
    return { type: kind, mesos: { image: { type: 'DOCKER', docker: { name: image }, cached: !forcePullImage } }, ...infos, volumes };
  }
  return {
    type: kind,
    docker: {
      image,
      ...dockerNetwork(ownNetwork, ports),
      privileged: isPrivileged,
      force_pull_image: forcePullImage,
      ...(parameters.length === 0 ? {} : { parameters: [...parameters] }),
    },
    ...userNetwork(ownNetwork),
    volumes,
  };
}

/** Mesos' own containerizer calls the bridge by its name, and has the ports of each network beside it. */
function networkInfos({ networks }: OwnNetwork, ports: readonly TaskPort[]): NetworkInfo[] {
  return networks.map(({ name, labels }) => ({
    name: name ?? BRIDGE_NETWORK,
    ...labelsOf(labels),
    port_mappings: mappingsOf(ports.filter(({ networkNames }) => networkNames.length === 0 || name === null || networkNames.includes(name))),
  }));
}

function dockerNetwork(
  ownNetwork: OwnNetwork | undefined,
  ports: readonly TaskPort[],
): Pick<NonNullable<ContainerInfo['docker']>, 'network' | 'port_mappings'> {
  if (ownNetwork === undefined) return { network: 'HOST' };
  return { network: ownNetwork.networks[0]?.name == null ? 'BRIDGE' : 'USER', port_mappings: mappingsOf(ports) };
}

function userNetwork(ownNetwork: OwnNetwork | undefined): Pick<ContainerInfo, 'network_infos'> {
  const { name = null, labels = {} } = ownNetwork?.networks[0] ?? {};
  return name === null ? {} : { network_infos: [{ name, ...labelsOf(labels) }] };
}

const labelsOf = (labels: Readonly<Record<string, string>>): Pick<NetworkInfo, 'labels'> =>
  Object.keys(labels).length === 0 ? {} : { labels: { labels: Object.entries(labels).map(([key, value]) => ({ key, value })) } };

/** One for each protocol; what has no port of the machine is mapped nowhere. */
const mappingsOf = (ports: readonly TaskPort[]): PortMapping[] =>
  ports.flatMap(({ hostPort, containerPort, protocol }) =>
    hostPort === null || containerPort === null
      ? []
      : protocol.split(',').map((one) => ({ host_port: hostPort, container_port: containerPort, protocol: one })),
  );

function taskData(spec: AppSpec, task: TaskRef): EkidenTaskData {
  return {
    ekiden: 1,
    healthChecks: spec.healthChecks.map((check) => ({ ...check, port: null, ...checkTarget(check, spec, task), portIndex: null })),
    readinessCheck: readinessOf(spec, task),
    ...(spec.isolation === undefined ? {} : { isolation: spec.isolation }),
    ...(spec.container === null || spec.container.image.includes('@') ? {} : { image: task.imageDigest === undefined ? 'ask' : 'pinned' }),
    ...(spec.fetch.some(({ sha256 }) => sha256 !== null) ? { digests: spec.fetch.map(({ sha256 }) => sha256) } : {}),
  };
}

function readinessOf(spec: AppSpec, task: TaskRef): EkidenTaskData['readinessCheck'] {
  if (spec.readinessCheck === null) return null;
  const { portName, ...check } = spec.readinessCheck;
  const portIndex = taskPorts(spec, task.ports, task.taskId).findIndex(({ name }) => name === portName);
  const target = checkTarget({ protocol: check.protocol, port: null, portIndex }, spec, task);
  return target === null ? null : { ...check, ...target };
}

function mesosCheck(check: HealthCheck, port: number | null): WireHealthCheck | null {
  const times = {
    // Marathon's own kinds have no delay.
    delay_seconds: check.protocol === 'COMMAND' || check.protocol.startsWith('MESOS_') ? check.delayMs / 1000 : 0,
    interval_seconds: check.intervalMs / 1000,
    timeout_seconds: check.timeoutMs / 1000,
    grace_period_seconds: check.gracePeriodMs / 1000,
    consecutive_failures: check.maxConsecutiveFailures,
  };
  switch (check.protocol) {
    case 'COMMAND':
      return { ...times, type: 'COMMAND', command: { shell: true, value: check.command ?? '' } };
    case 'TCP':
    case 'MESOS_TCP':
      return port === null ? null : { ...times, type: 'TCP', tcp: { port } };
    case 'HTTP':
    case 'HTTPS':
    case 'MESOS_HTTP':
    case 'MESOS_HTTPS': {
      const scheme = check.protocol.endsWith('S') ? 'https' : 'http';
      return port === null ? null : { ...times, type: 'HTTP', http: { scheme, port, path: check.path } };
    }
  }
}

function discoveryPorts(ports: readonly TaskPort[]) {
  return ports.flatMap(({ hostPort, containerPort, name, protocol: protocols, labels: own }) => {
    const scope = hostPort === null ? 'container' : 'host';
    const labels = Object.entries({ ...own, 'network-scope': scope }).map(([key, value]) => ({ key, value }));
    const number = hostPort ?? containerPort ?? 0;
    return protocols.split(',').map((protocol) => ({ number, protocol, ...(name === null ? {} : { name }), labels: { labels } }));
  });
}
