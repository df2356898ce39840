/**
 * The `config.json` of a container's bundle. Pure.
 *
 * As Docker does by default: its capabilities (less MKNOD, since no device controller stands behind it), its seccomp profile, its
 * masked paths; a process id, mount, ipc and uts namespace of its own, and the machine's network unless it is given another. The first process is a small init,
 * since a program that is number 1 ignores SIGTERM unless it handles it. Limits are those of the task's control group, which the
 * runtime is in when it forks: the bundle has none.
 */
import type { DockerOptions, TmpfsMount } from '@ekiden/model';
import type { LaunchSecurity } from '../runtime.js';
import { CONTAINER_SANDBOX, type HostVolume } from './container-spec.js';
import type { ContainerUser } from './image-user.js';
import { type DockerProfile, ociSeccomp } from './seccomp-profile.js';

export interface BundleInput {
  readonly words: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly user: ContainerUser;
  readonly workingDirectory: string;
  readonly sandbox: string;
  readonly volumes: readonly HostVolume[];
  /** Names and resolvers: of the machine, read only, with its network; else of the container's own. */
  readonly networkFiles: readonly NetworkFile[];
  /** Null: the machine's network. */
  readonly networkNamespace: string | null;
  /** Null: the machine's. */
  readonly hostname: string | null;
  readonly options: DockerOptions;
  readonly security: LaunchSecurity;
  /** A statically linked tini; absolute, on the machine. */
  readonly init: string;
  /** Null: this machine has none. */
  readonly seccomp: DockerProfile | null;
  /** `process.arch`. */
  readonly arch: string;
}

export interface NetworkFile {
  readonly source: string;
  readonly destination: string;
  readonly isReadOnly: boolean;
}

/** Docker's, without MKNOD. */
export const DEFAULT_CAPABILITIES: readonly string[] = [
  'CHOWN',
  'DAC_OVERRIDE',
  'FOWNER',
  'FSETID',
  'KILL',
  'SETGID',
  'SETUID',
  'SETPCAP',
  'NET_BIND_SERVICE',
  'NET_RAW',
  'SYS_CHROOT',
  'SETFCAP',
  'AUDIT_WRITE',
];

const INIT_PATH = '/dev/init';
const SHM_BYTES = 64 * 1024 * 1024;
const MASKED_PATHS = [
  '/proc/acpi',
  '/proc/asound',
  '/proc/kcore',
  '/proc/keys',
  '/proc/latency_stats',
  '/proc/timer_list',
  '/proc/timer_stats',
  '/proc/sched_debug',
  '/proc/scsi',
  '/sys/firmware',
];
const READONLY_PATHS = ['/proc/bus', '/proc/fs', '/proc/irq', '/proc/sys', '/proc/sysrq-trigger'];
/** What a privileged container has: all that this kernel family knows; those that the agent lacks are left out by the runtime. */
const ALL_CAPABILITIES = [
  ...DEFAULT_CAPABILITIES,
  ...[
    'MKNOD',
    'DAC_READ_SEARCH',
    'LINUX_IMMUTABLE',
    'NET_BROADCAST',
    'NET_ADMIN',
    'IPC_LOCK',
    'IPC_OWNER',
    'SYS_MODULE',
    'SYS_RAWIO',
    'SYS_PTRACE',
    'SYS_PACCT',
  ],
  ...['SYS_ADMIN', 'SYS_BOOT', 'SYS_NICE', 'SYS_TIME', 'SYS_TTY_CONFIG', 'LEASE', 'AUDIT_CONTROL', 'MAC_OVERRIDE', 'MAC_ADMIN', 'SYSLOG', 'WAKE_ALARM'],
  ...['BLOCK_SUSPEND', 'AUDIT_READ'],
];

/** Throws with the reason when the machine has no seccomp profile and one is due. */
export function bundleConfig(input: BundleInput): Readonly<Record<string, unknown>> {
  const { security, user } = input;
  const isPrivileged = security.isPrivileged === true;
  const { options } = input;
  const names = isPrivileged ? ALL_CAPABILITIES : changed(security.capabilities ?? DEFAULT_CAPABILITIES, options);
  const capabilities = names.map((name) => `CAP_${name}`);
  const keptOverExec = user.uid === 0 ? [] : security.capabilities === undefined ? [] : capabilities;
  return {
    ociVersion: '1.0.0',
    process: {
      terminal: false,
      user: { uid: user.uid, gid: user.gid, additionalGids: user.additionalGids },
      args: [INIT_PATH, '-g', '--', ...input.words],
      env: Object.entries({ HOME: user.home, ...input.env }).map(([name, value]) => `${name}=${value}`),
      cwd: input.workingDirectory,
      capabilities: {
        bounding: capabilities,
        permitted: user.uid === 0 ? capabilities : keptOverExec,
        effective: user.uid === 0 ? capabilities : keptOverExec,
        inheritable: keptOverExec,
        ambient: keptOverExec,
      },
      noNewPrivileges: security.noNewPrivs ?? false,
      ...(options.limits.length === 0 ? {} : { rlimits: options.limits.map(({ name, soft, hard }) => ({ type: `RLIMIT_${name.toUpperCase()}`, soft, hard })) }),
    },
    root: { path: 'rootfs', readonly: options.isReadOnly },
    ...(input.hostname === null ? {} : { hostname: input.hostname }),
    mounts: mounts(input, isPrivileged),
    linux: {
      namespaces: [
        ...['pid', 'mount', 'ipc', 'uts', 'cgroup'].map((type) => ({ type })),
        ...(input.networkNamespace === null ? [] : [{ type: 'network', path: input.networkNamespace }]),
      ],
      ...(Object.keys(options.sysctls).length === 0 ? {} : { sysctl: options.sysctls }),
      ...(isPrivileged ? {} : { maskedPaths: MASKED_PATHS, readonlyPaths: READONLY_PATHS }),
      ...(isPrivileged || security.seccomp === 'unconfined' ? {} : { seccomp: seccompOf(input, capabilities) }),
    },
  };
}

/** What is dropped is gone unless it is added by its own name. */
function changed(names: readonly string[], { capAdd, capDrop }: DockerOptions): readonly string[] {
  const kept = capDrop.includes('ALL') ? [] : names.filter((name) => !capDrop.includes(name));
  return [...new Set([...kept, ...capAdd])];
}

function seccompOf({ seccomp, arch }: BundleInput, capabilities: readonly string[]): Readonly<Record<string, unknown>> {
  if (seccomp === null) throw new Error('this machine has no seccomp profile: install the package golang-github-containers-common');
  return ociSeccomp(seccomp, capabilities, arch);
}

const tmpfsMount = ({ path, sizeBytes, mode, isReadOnly, isExecutable }: TmpfsMount): Mount => ({
  destination: path,
  type: 'tmpfs',
  source: 'tmpfs',
  options: [
    'nosuid',
    'nodev',
    isExecutable ? 'exec' : 'noexec',
    isReadOnly ? 'ro' : 'rw',
    `mode=${mode ?? '1777'}`,
    ...(sizeBytes === null ? [] : [`size=${sizeBytes}`]),
  ],
});

interface Mount {
  readonly destination: string;
  readonly type: string;
  readonly source: string;
  readonly options: readonly string[];
}

function mounts({ init, sandbox, volumes, networkFiles, options }: BundleInput, isPrivileged: boolean): readonly Mount[] {
  const closed = ['nosuid', 'noexec', 'nodev'];
  const access = isPrivileged ? 'rw' : 'ro';
  return [
    { destination: '/proc', type: 'proc', source: 'proc', options: closed },
    { destination: '/dev', type: 'tmpfs', source: 'tmpfs', options: ['nosuid', 'strictatime', 'mode=755', 'size=65536k'] },
    { destination: '/dev/pts', type: 'devpts', source: 'devpts', options: ['nosuid', 'noexec', 'newinstance', 'ptmxmode=0666', 'mode=0620', 'gid=5'] },
    { destination: '/dev/shm', type: 'tmpfs', source: 'shm', options: [...closed, 'mode=1777', `size=${options.shmBytes ?? SHM_BYTES}`] },
    { destination: '/dev/mqueue', type: 'mqueue', source: 'mqueue', options: closed },
    { destination: '/sys', type: 'sysfs', source: 'sysfs', options: [...closed, access] },
    // With the namespace above it shows the task's own group alone: how a JVM learns its limits.
    { destination: '/sys/fs/cgroup', type: 'cgroup', source: 'cgroup', options: [...closed, 'relatime', access] },
    { destination: INIT_PATH, type: 'bind', source: init, options: ['bind', 'ro', 'nosuid', 'nodev'] },
    ...options.tmpfs.map(tmpfsMount),
    { destination: CONTAINER_SANDBOX, type: 'bind', source: sandbox, options: ['bind', 'rw', 'nosuid', 'nodev', 'rprivate'] },
    ...networkFiles.map(({ source, destination, isReadOnly }) => ({
      destination,
      type: 'bind',
      source,
      options: ['bind', isReadOnly ? 'ro' : 'rw', 'nosuid', 'nodev', 'noexec'],
    })),
    ...volumes.map(({ hostPath, containerPath, isReadOnly }) => ({
      destination: containerPath,
      type: 'bind',
      source: hostPath,
      options: ['bind', isReadOnly ? 'ro' : 'rw', 'nosuid', 'nodev', 'rprivate'],
    })),
  ];
}
