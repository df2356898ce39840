/**
 * Turns a TaskInfo into what the agent will do, once, at the border; or says why it will not.
 *
 * Pure. Who may be the task's user is settled here (decision 20): the agent's own user unless the operator said otherwise;
 * `FrameworkInfo.user` is no permission and is not looked at. What cannot be acted on yet is refused, never ignored.
 */
import { killGraceMs, type CommandInfo, type EkidenTaskData, type TaskHealthCheck, type TaskInfo, type WireHealthCheck } from '@ekiden/mesos';
import { DEFAULT_CAPABILITIES, type LaunchLimits, type LaunchSpec, type Limit } from '@ekiden/isolation';
import type { Artifact, Command, HealthCheck, TaskIsolation } from '@ekiden/model';
import { readContainer, type ContainerPlan, type ContainerPolicy } from './read-container.js';
import { readTaskData } from './task-data.js';
import { sizeOf, sumOf } from './task-size.js';

export interface TaskPolicy {
  /** Every task runs as this user unless it names an allowed one; null: as the agent. */
  readonly taskUser: string | null;
  /** Users that a task may name; `*`: any. */
  readonly allowedUsers: readonly string[];
  readonly containers: ContainerPolicy;
  /** Capabilities that a task may ask for, without `CAP_`; `*`: any. Absent: none. */
  readonly allowedCapabilities?: readonly string[];
}

export interface TaskPlan {
  readonly command: Command;
  /** The image in which it runs, which then says what its command means. */
  readonly container: ContainerPlan | null;
  /** Whether the name of its image is asked about anew, or holds what was found before (`EkidenTaskData`). */
  readonly image?: EkidenTaskData['image'];
  /** The task's own environment. */
  readonly env: Readonly<Record<string, string>>;
  readonly user: string | null;
  readonly limits: LaunchLimits;
  readonly isolation: AskedIsolation;
  readonly artifacts: readonly Artifact[];
  readonly killGraceMs: number | null;
  readonly healthChecks: readonly TaskHealthCheck[];
  readonly readinessCheck: EkidenTaskData['readinessCheck'];
  /** A plain Mesos health check: the agent itself kills when it is exhausted. With Ekiden's task data, paas-api decides. */
  readonly killsUnhealthy: boolean;
}

/** What a task asks for of a launch beyond limits. */
export type AskedIsolation = Pick<LaunchSpec, 'security' | 'namespaces' | 'privateTmp'>;

export type ReadTask = { readonly kind: 'plan'; readonly plan: TaskPlan } | { readonly kind: 'refused'; readonly why: string };

/** Until the image is here. */
const IN_IMAGE: Command = { kind: 'argv', argv: [] };

const refused = (why: string): ReadTask => ({ kind: 'refused', why });

export function readTask(task: TaskInfo, users: TaskPolicy): ReadTask {
  if (task.executor) return refused('the task brings an executor of its own, which this agent does not run yet: use `command`');
  if (task.max_completion_time) return refused('`max_completion_time` is not supported yet: leave it out');
  const read = readContainer(task.container, task.command, users.containers);
  if (read.kind === 'refused') return read;
  const container = read.kind === 'container' ? read.plan : null;
  const stray = container === null ? undefined : unheldPort(container.networks, task.resources);
  if (stray !== undefined) return refused(`port ${stray} is mapped to the container, but is not among the ports that the task holds`);
  const command = container === null ? task.command && readCommand(task.command) : IN_IMAGE;
  if (!command) return refused('the task has no command: set `command.value`, or `command.arguments` with `shell: false`');
  const user = task.command?.user || users.taskUser;
  if (user && user !== users.taskUser && !users.allowedUsers.includes(user) && !users.allowedUsers.includes('*')) {
    return refused(`user "${user}" is not allowed on this agent: start it with --allow-user ${user}`);
  }
  const data = readTaskData(task.data);
  if (data.kind === 'wrong') return refused(`the task's Ekiden data are wrong: ${data.why}`);
  const asked: TaskIsolation = data.kind === 'ours' ? (data.data.isolation ?? {}) : {};
  const added = (container?.options.capAdd ?? []).filter((name) => !DEFAULT_CAPABILITIES.includes(name));
  const forbidden = [...(asked.capabilities ?? []), ...added].filter(
    (name) => !users.allowedCapabilities?.some((allowed) => allowed === name || allowed === '*'),
  );
  if (forbidden.length > 0)
    return refused(`capability ${forbidden.join(', ')} is not allowed on this agent: start it with --allow-capabilities ${forbidden.join(',')}`);
  // Mesos asks in the network of the task.
  const atTask = container !== null && container.networks.length > 0 ? { atTask: true as const } : {};
  const plain = data.kind === 'none' && task.health_check ? { ...plainHealthCheck(task.health_check), ...atTask } : null;
  const healthChecks = data.kind === 'ours' ? data.data.healthChecks : plain ? [plain] : [];
  return {
    kind: 'plan',
    plan: {
      command,
      container,
      ...(data.kind === 'ours' && data.data.image !== undefined ? { image: data.data.image } : {}),
      env: environment(task.command),
      user,
      limits: {
        ...readLimits(task),
        ...(asked.pids === undefined ? {} : { pids: asked.pids }),
        ...(asked.openFiles === undefined ? {} : { nofile: asked.openFiles }),
      },
      isolation: isolationOf(asked),
      artifacts: (task.command?.uris ?? []).map((uri, index) => ({
        uri: uri.value,
        extract: uri.extract ?? true,
        executable: uri.executable ?? false,
        cache: uri.cache ?? false,
        destPath: uri.output_file ?? null,
        sha256: data.kind === 'ours' ? (data.data.digests?.[index] ?? null) : null,
      })),
      killGraceMs: killGraceMs(task.kill_policy),
      healthChecks,
      readinessCheck: data.kind === 'ours' ? data.data.readinessCheck : null,
      killsUnhealthy: plain !== null,
    },
  };
}

/** Whoever maps a port takes it from everybody else on the machine. */
function unheldPort(networks: ContainerPlan['networks'], resources: TaskInfo['resources']): number | undefined {
  const held = (resources ?? []).flatMap(({ name, ranges }) => (name === 'ports' ? (ranges?.range ?? []) : []));
  return networks.flatMap(({ ports }) => ports.map(({ hostPort }) => hostPort)).find((port) => !held.some(({ begin, end }) => begin <= port && port <= end));
}

function isolationOf({ capabilities, namespaces, privateTmp, seccomp }: TaskIsolation): AskedIsolation {
  const security = { ...(capabilities === undefined ? {} : { capabilities }), ...(seccomp === true ? { seccomp: 'default' as const } : {}) };
  return {
    ...(Object.keys(security).length === 0 ? {} : { security }),
    ...(namespaces === undefined ? {} : { namespaces }),
    ...(privateTmp === true ? { privateTmp } : {}),
  };
}

function readLimits({ resources = [], limits = {} }: TaskInfo): LaunchLimits {
  const cpus = limits['cpus']?.value;
  const mem = limits['mem']?.value;
  const disk = sumOf(resources, 'disk');
  const { cpusMilli, memMib } = sizeOf({ resources });
  return {
    cpusMilli,
    memMib,
    ...(cpus === undefined ? {} : { cpuLimitMilli: readLimit('cpus', cpus, 1000, cpusMilli) }),
    ...(mem === undefined ? {} : { memLimitMib: readLimit('mem', mem, 1, memMib) }),
    ...(disk === 0 ? {} : { diskMib: Math.ceil(disk) }),
  };
}

/** Throws for what no master of ours passes on. */
function readLimit(name: string, value: unknown, unit: number, request: number): Limit {
  if (value === 'Infinity') return 'unlimited';
  const limit = typeof value === 'number' ? Math.ceil(value * unit - 1e-6) : Number.NaN;
  if (!(limit >= request)) throw new Error(`its limit of ${name} (${String(value)}) has to be "Infinity" or at least what it asks for`);
  return limit;
}

/** With `shell: false` the value is the program and `arguments` its argv, whose first element is the program's name. */
function readCommand(info: CommandInfo): Command | null {
  if (info.shell ?? true) return info.value ? { kind: 'shell', line: info.value } : null;
  const program = info.value || info.arguments?.[0];
  return program ? { kind: 'argv', argv: [program, ...(info.arguments ?? []).slice(1)] } : null;
}

function environment(info: CommandInfo | undefined): Readonly<Record<string, string>> {
  const env: Record<string, string> = {};
  for (const variable of info?.environment?.variables ?? []) env[variable.name] = variable.value ?? '';
  return env;
}

/** Mesos' defaults: delay 15 s, interval 10 s, timeout 20 s, 3 failures, grace 10 s. */
function plainHealthCheck(check: WireHealthCheck): HealthCheck {
  const type = check.type ?? (check.http ? 'HTTP' : check.tcp ? 'TCP' : 'COMMAND');
  return {
    protocol: type === 'COMMAND' ? 'COMMAND' : type === 'TCP' ? 'MESOS_TCP' : check.http?.scheme === 'https' ? 'MESOS_HTTPS' : 'MESOS_HTTP',
    path: check.http?.path || '/',
    portIndex: null,
    port: (type === 'HTTP' ? check.http?.port : check.tcp?.port) ?? null,
    command: check.command?.value ?? null,
    delayMs: milliseconds(check.delay_seconds, 15),
    intervalMs: milliseconds(check.interval_seconds, 10),
    timeoutMs: milliseconds(check.timeout_seconds, 20),
    gracePeriodMs: milliseconds(check.grace_period_seconds, 10),
    // Mesos: with 0 the executor kills at the first failure.
    maxConsecutiveFailures: Math.max(1, check.consecutive_failures ?? 3),
  };
}

/** Masters pass a plain health check on as it came: what is no number of seconds is Mesos' default. */
const milliseconds = (seconds: unknown, otherwise: number): number => (typeof seconds === 'number' && seconds >= 0 ? seconds : otherwise) * 1000;
