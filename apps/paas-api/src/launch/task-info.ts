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
  type TaskInfo,
  type WireHealthCheck,
} from '@ekiden/mesos';
import { taskName, type AppContainer, type AppSpec, type HealthCheck, type Instance, type Resources, type TaskRef } from '@ekiden/model';
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
  const plainCheck = extended || first === undefined ? null : mesosCheck(first, task.ports);
  return {
    name: taskName(spec.id),
    task_id: { value: task.taskId },
    agent_id: { value: task.agentId },
    resources: resourcesToWire(resources, role),
    ...limitsOf(spec),
    command: commandOf(extended ? spec : withDigestChecks(spec), taskEnvironment(spec, instance, task)),
    ...(spec.container === null ? {} : { container: containerOf(spec.container) }),
    ...(killPolicy === undefined ? {} : { kill_policy: killPolicy }),
    ...(plainCheck === null ? {} : { health_check: plainCheck }),
    ...(extended ? { data: encodeData(taskData(spec, task.ports)) } : {}),
    labels: { labels: Object.entries(spec.labels).map(([key, value]) => ({ key, value })) },
    discovery: { visibility: 'FRAMEWORK', name: taskName(spec.id), ports: { ports: discoveryPorts(spec, task.ports) } },
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

function containerOf({ kind, image, forcePullImage, isPrivileged, volumes: wanted }: AppContainer): ContainerInfo {
  const volumes = wanted.map(({ containerPath, hostPath, isReadOnly }) => ({
    mode: isReadOnly ? ('RO' as const) : ('RW' as const),
    container_path: containerPath,
    host_path: hostPath,
  }));
  if (kind === 'MESOS') return { type: kind, mesos: { image: { type: 'DOCKER', docker: { name: image }, cached: !forcePullImage } }, volumes };
  return { type: kind, docker: { image, network: 'HOST', privileged: isPrivileged, force_pull_image: forcePullImage }, volumes };
}

function taskData(spec: AppSpec, ports: readonly number[]): EkidenTaskData {
  return {
    ekiden: 1,
    healthChecks: spec.healthChecks.map((check) => ({ ...check, port: portOf(check, ports), portIndex: null })),
    readinessCheck: readinessOf(spec, ports),
    ...(spec.isolation === undefined ? {} : { isolation: spec.isolation }),
    ...(spec.fetch.some(({ sha256 }) => sha256 !== null) ? { digests: spec.fetch.map(({ sha256 }) => sha256) } : {}),
  };
}

function readinessOf(spec: AppSpec, ports: readonly number[]): EkidenTaskData['readinessCheck'] {
  if (spec.readinessCheck === null) return null;
  const { portName, ...check } = spec.readinessCheck;
  const port = ports[spec.portDefinitions.findIndex((definition) => definition.name === portName)];
  return port === undefined ? null : { ...check, port };
}

/** The port itself, or the one at its index; null for a command. */
function portOf(check: HealthCheck, ports: readonly number[]): number | null {
  if (check.port !== null) return check.port;
  return check.portIndex === null ? null : (ports[check.portIndex] ?? null);
}

function mesosCheck(check: HealthCheck, ports: readonly number[]): WireHealthCheck | null {
  const times = {
    // Marathon's own kinds have no delay.
    delay_seconds: check.protocol === 'COMMAND' || check.protocol.startsWith('MESOS_') ? check.delayMs / 1000 : 0,
    interval_seconds: check.intervalMs / 1000,
    timeout_seconds: check.timeoutMs / 1000,
    grace_period_seconds: check.gracePeriodMs / 1000,
    consecutive_failures: check.maxConsecutiveFailures,
  };
  const port = portOf(check, ports);
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

function discoveryPorts(spec: AppSpec, ports: readonly number[]) {
  return ports.flatMap((number, index) => {
    const definition = spec.portDefinitions[index];
    const name = definition?.name ?? null;
    const labels = Object.entries({ ...definition?.labels, 'network-scope': 'host' }).map(([key, value]) => ({ key, value }));
    return (definition?.protocol ?? 'tcp').split(',').map((protocol) => ({ number, protocol, ...(name === null ? {} : { name }), labels: { labels } }));
  });
}
