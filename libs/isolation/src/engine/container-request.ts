/**
 * The body of `POST /containers/create` for a task. Pure.
 *
 * The same container as the `oci` runtime makes, as far as an engine can be told: Docker's capabilities less MKNOD, its filter of system
 * calls, an init, no swap, the sandbox at its usual place, the machine's network or that which a holder has (holder.ts). Health checks of the
 * image are ours to make or not.
 */
import { type DockerOptions, NO_DOCKER_OPTIONS } from '@ekiden/model';
import { CPU_PERIOD_US, MIB, type TaskLimits, cpuLimitMilli, cpuQuotaUs, cpuShares, memLimitMib } from '../cgroup-driver.js';
import type { ContainerSpec, EngineImage } from '../oci/container-spec.js';
import { CONTAINER_SANDBOX } from '../oci/container-spec.js';
import type { NetworkNames } from '../networks/task-networks.js';
import type { LaunchSecurity, LaunchSpec } from '../runtime.js';
import { INSTANCE_LABEL, TASK_LABEL } from './engine-journal.js';

export interface RequestInput {
  readonly spec: LaunchSpec & { readonly command: { readonly kind: 'argv'; readonly argv: readonly string[] } };
  readonly container: ContainerSpec;
  readonly image: EngineImage;
  readonly instance: string;
  readonly hardCpu: boolean;
  /** Processes of a task that does not say; also the most that one may ask for. */
  readonly maxPids: number;
  /** Null: the image's. */
  readonly user: { readonly uid: number; readonly gid: number } | null;
}

/** What the engine keeps of a task's output until we have written it to the sandbox: an agent that is away for long may find the oldest gone. */
export const ENGINE_LOG_MIB = 64;
const ENGINE_LOG_FILES = 2;
/** As with the oci runtime, where no device controller stands behind it. */
const DROPPED_BY_DEFAULT = ['MKNOD'];

export function containerRequest(input: RequestInput): Readonly<Record<string, unknown>> {
  const { spec, container, image, instance } = input;
  const { options = NO_DOCKER_OPTIONS } = container;
  const holder = container.network?.holder;
  const user = input.user === null ? options.user : `${input.user.uid}:${input.user.gid}`;
  return {
    Image: image.imageId,
    // All words: so the image's own entrypoint and command are out of the way.
    Entrypoint: spec.command.argv,
    Cmd: [],
    Env: Object.entries(spec.env).map(([name, value]) => `${name}=${value}`),
    ...(user === null ? {} : { User: user }),
    ...(options.hostname === null || holder !== undefined ? {} : { Hostname: options.hostname }),
    ...(container.workingDirectory === null ? {} : { WorkingDir: container.workingDirectory }),
    Labels: { [INSTANCE_LABEL]: instance, [TASK_LABEL]: spec.taskId },
    Healthcheck: { Test: ['NONE'] },
    AttachStdin: false,
    AttachStdout: false,
    AttachStderr: false,
    OpenStdin: false,
    Tty: false,
    HostConfig: {
      NetworkMode: holder === undefined ? 'host' : `container:${holder}`,
      Init: true,
      IpcMode: 'private',
      RestartPolicy: { Name: 'no' },
      LogConfig: { Type: 'json-file', Config: { 'max-size': `${ENGINE_LOG_MIB}m`, 'max-file': String(ENGINE_LOG_FILES) } },
      Mounts: mounts(spec.sandbox, container),
      ...limits(input, options),
      ...rights(spec.security ?? {}, options),
      ...(holder === undefined ? namesOf(options) : {}),
      ...others(options),
    },
  };
}

function mounts(sandbox: string, { volumes }: ContainerSpec): readonly unknown[] {
  // rprivate: what is mounted in there, or out here, stays there.
  const bind = (Source: string, Target: string, ReadOnly: boolean): unknown => ({
    Type: 'bind',
    Source,
    Target,
    ReadOnly,
    BindOptions: { Propagation: 'rprivate' },
  });
  return [bind(sandbox, CONTAINER_SANDBOX, false), ...volumes.map(({ hostPath, containerPath, isReadOnly }) => bind(hostPath, containerPath, isReadOnly))];
}

function limits({ spec, hardCpu, maxPids }: RequestInput, options: DockerOptions): Readonly<Record<string, unknown>> {
  const { pids = maxPids, nofile } = spec.limits;
  return {
    ...sizeRequest({ ...spec.limits, hardCpu }),
    PidsLimit: pids,
    Ulimits: [
      ...(nofile === undefined ? [] : [{ Name: 'nofile', Soft: nofile, Hard: nofile }]),
      ...options.limits
        .filter(({ name }) => name !== 'nofile' || nofile === undefined)
        .map(({ name, soft, hard }) => ({ Name: name, Soft: amount(soft), Hard: amount(hard) })),
    ],
  };
}

/** What of it can change while it runs. */
export function sizeRequest(limits: TaskLimits): SizeRequest {
  const cpus = cpuLimitMilli(limits);
  const memory = memLimitMib(limits);
  return {
    CpuShares: cpuShares(limits.cpusMilli),
    ...(cpus === 'unlimited' ? {} : { CpuPeriod: CPU_PERIOD_US, CpuQuota: cpuQuotaUs(cpus) }),
    // The same with swap: none.
    ...(memory === 'unlimited' ? {} : { Memory: memory * MIB, MemorySwap: memory * MIB }),
    ...(limits.memLimitMib === undefined ? {} : { MemoryReservation: limits.memMib * MIB }),
  };
}

export interface SizeRequest {
  readonly CpuShares: number;
  readonly CpuPeriod?: number;
  readonly CpuQuota?: number;
  /** In bytes, as the two that follow. */
  readonly Memory?: number;
  readonly MemorySwap?: number;
  readonly MemoryReservation?: number;
}

/** No limit is the largest number here, and -1 there. */
const amount = (value: number): number => (value === Number.MAX_SAFE_INTEGER ? -1 : value);

function rights({ isPrivileged, capabilities, noNewPrivs, seccomp }: LaunchSecurity, options: DockerOptions): Readonly<Record<string, unknown>> {
  if (isPrivileged === true) return { Privileged: true };
  const hasNoNewPrivs = noNewPrivs === true || options.noNewPrivs;
  return {
    ...capabilityLists(capabilities, options),
    SecurityOpt: [...(hasNoNewPrivs ? ['no-new-privileges'] : []), ...(seccomp === 'unconfined' ? ['seccomp=unconfined'] : [])],
  };
}

/** `asked`: exactly these, with the changes of the options; absent: Docker's own. */
function capabilityLists(asked: LaunchSecurity['capabilities'], { capAdd, capDrop }: DockerOptions): Readonly<Record<string, unknown>> {
  if (capDrop.includes('ALL')) return { CapDrop: ['ALL'], CapAdd: capAdd };
  if (asked !== undefined) return { CapDrop: ['ALL'], CapAdd: [...asked.filter((name) => !capDrop.includes(name)), ...capAdd] };
  return { CapDrop: [...DROPPED_BY_DEFAULT.filter((name) => !capAdd.includes(name)), ...capDrop], CapAdd: capAdd };
}

/** What `docker run` has beside limits and rights. */
function others(options: DockerOptions): Readonly<Record<string, unknown>> {
  const { groups, shmBytes, isReadOnly, tmpfs, sysctls } = options;
  return {
    ...(groups.length === 0 ? {} : { GroupAdd: groups.map(String) }),
    ...(shmBytes === null ? {} : { ShmSize: shmBytes }),
    ...(isReadOnly ? { ReadonlyRootfs: true } : {}),
    ...(Object.keys(sysctls).length === 0 ? {} : { Sysctls: sysctls }),
    ...(tmpfs.length === 0 ? {} : { Tmpfs: Object.fromEntries(tmpfs.map((mount) => [mount.path, tmpfsOptions(mount)])) }),
  };
}

/** Hosts and resolvers: the files that tell of them belong to a network. */
export const namesOf = ({ hosts, nameservers, searchDomains, resolverOptions }: Omit<NetworkNames, 'hostname'>): Readonly<Record<string, unknown>> => ({
  ...(hosts.length === 0 ? {} : { ExtraHosts: hosts.map(({ name, address }) => `${name}:${address}`) }),
  ...(nameservers.length === 0 ? {} : { Dns: nameservers }),
  ...(searchDomains.length === 0 ? {} : { DnsSearch: searchDomains }),
  ...(resolverOptions.length === 0 ? {} : { DnsOptions: resolverOptions }),
});

const tmpfsOptions = ({ sizeBytes, mode, isReadOnly, isExecutable }: DockerOptions['tmpfs'][number]): string =>
  [
    ...['nosuid', 'nodev', isReadOnly ? 'ro' : 'rw', isExecutable ? 'exec' : 'noexec', `mode=${mode ?? '1777'}`],
    ...(sizeBytes === null ? [] : [`size=${sizeBytes}`]),
  ].join(',');
