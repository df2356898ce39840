/** What this machine is: its boot, and what an agent offers of it when nobody says. */
import { randomUUID } from 'node:crypto';
import { readFileSync, statfsSync } from 'node:fs';
import { availableParallelism, totalmem, uptime } from 'node:os';
import type { Resources } from '@ekiden/model';
import { parsePorts, type AgentOptions } from './options.js';

const MIB = 1024 * 1024;

/** Kept for the machine itself: 1 GiB, or half of a small one (as Mesos does). */
export const reserved = (totalMib: number, reserveMib: number): number => (totalMib > 2 * reserveMib ? totalMib - reserveMib : Math.floor(totalMib / 2));

const MEM_RESERVE_MIB = 1024;
const DISK_RESERVE_MIB = 5 * 1024;

export function machineResources(options: AgentOptions, workDir: string): Resources {
  const disk = statfsSync(workDir);
  return {
    cpusMilli: Math.round((options.cpus ?? availableParallelism()) * 1000),
    memMib: options.mem ?? reserved(Math.floor(totalmem() / MIB), MEM_RESERVE_MIB),
    diskMib: options.disk ?? reserved(Math.floor((disk.bavail * disk.bsize) / MIB), DISK_RESERVE_MIB),
    gpus: 0,
    ports: parsePorts(options.ports),
  };
}

/** Changes with each boot of the host. */
export function bootId(): string {
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
  } catch {
    // Not Linux: the boot is known by its time, to within a minute.
    return process.platform === 'win32' ? randomUUID() : `boot-${Math.round((Date.now() / 1000 - uptime()) / 60)}`;
  }
}
