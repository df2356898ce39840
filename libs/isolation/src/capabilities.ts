/** The powers of root by name, and which of them a task has. Pure. Source: capabilities(7). */

export const CAPABILITIES = (
  'CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP LINUX_IMMUTABLE NET_BIND_SERVICE NET_BROADCAST NET_ADMIN NET_RAW IPC_LOCK ' +
  'IPC_OWNER SYS_MODULE SYS_RAWIO SYS_CHROOT SYS_PTRACE SYS_PACCT SYS_ADMIN SYS_BOOT SYS_NICE SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG MKNOD LEASE AUDIT_WRITE ' +
  'AUDIT_CONTROL SETFCAP MAC_OVERRIDE MAC_ADMIN SYSLOG WAKE_ALARM BLOCK_SUSPEND AUDIT_READ PERFMON BPF CHECKPOINT_RESTORE'
).split(' ');

/**
 * What a task that runs as root keeps: what Docker leaves to root in a container. It may own and read any file, become any
 * user, and bind low ports; it may not mount, load modules, change the network or the clock, or look into other processes.
 */
export const ROOT_TASK_CAPABILITIES: readonly string[] =
  'CHOWN DAC_OVERRIDE FOWNER FSETID KILL SETGID SETUID SETPCAP NET_BIND_SERVICE NET_RAW SYS_CHROOT MKNOD AUDIT_WRITE SETFCAP'.split(' ');

export type CapabilitySet = readonly string[] | 'all';

/** `cap_net_raw`, `NET_RAW` → `NET_RAW`; null when there is no such power. */
export function capabilityNamed(text: string): string | null {
  const name = text.trim().toUpperCase().replace(/^CAP_/, '');
  return CAPABILITIES.includes(name) ? name : null;
}

/** As setpriv(1) takes a set: all gone, then these. */
export const setprivSet = (names: readonly string[]): string => ['-all', ...names.map((name) => `+${name.toLowerCase()}`)].join(',');
