/**
 * What the runtime asks of control groups, whichever version the kernel has.
 *
 * A group is named by a path below the hierarchies, `ekiden/<instance>/<task>`: two Ekidens on one host have different instance
 * names, so that neither sweeps away the other's tasks. Everything here is synchronous: these files are answered by the kernel
 * in microseconds, and one path through is easier to read than six callbacks.
 */
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, readdirSync, rmdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TaskId } from '@ekiden/model';
import type { TaskStatistics } from './task-statistics.js';
import type { LaunchLimits, Limit } from './runtime.js';

export interface TaskLimits extends LaunchLimits {
  /** Hard: without a limit of its own it never gets more than `cpus`. Otherwise shares alone, so that idle cpus may be used (what Mesos does by default). */
  readonly hardCpu: boolean;
}

/** One file of a group, without its directory, and what is written there. `optional`: not every kernel has it. */
export interface CgroupWrite {
  readonly file: string;
  readonly value: string;
  readonly optional: boolean;
}

export interface CgroupDriver {
  readonly version: 1 | 2;
  /** Pure: what `create` writes, in this order. */
  limitsToWrites(limits: TaskLimits): readonly CgroupWrite[];
  /** Other limits for a living group. Throws with the reason, cpu and memory as before, when it holds more memory than it would get. */
  resize(group: string, limits: TaskLimits): void;
  /** Makes an empty group with these limits; a left-over empty one is made anew. Throws with the reason when that is not possible. */
  create(group: string, limits: TaskLimits): void;
  /** A process that writes `0` to each of these is inside. */
  joinFiles(group: string): readonly string[];
  /**
   * Makes a group `name` below, bounded by the one above alone: a place to tell some of its processes from the others. A process that
   * writes `0` to each of the files is in it.
   */
  createBelow(group: string, name: string): readonly string[];
  /** `cgroup.procs` of the group that this process is in (of one hierarchy); null when it cannot be told. */
  ownProcs(): string | null;
  /** Every process in the group or below it; empty when there is no such group. */
  processes(group: string): readonly number[];
  /** One round of SIGKILL that a fork bomb cannot outrun. What dies slowly is still listed by `processes` afterwards. */
  kill(group: string): void;
  /** How many processes the kernel has killed in it for memory since it was made; 0 when it is gone. */
  oomKills(group: string): number;
  /** The most memory it ever held, in bytes; null when the kernel does not say or the group is gone. */
  memPeakBytes(group: string): number | null;
  /** Null when it is gone. */
  statistics(group: string): TaskStatistics | null;
  /** False while something in it is still dying: try again later. */
  remove(group: string): boolean;
  /** Removes a group that has neither processes nor groups below it; leaves any other as it is. */
  removeIfEmpty(group: string): void;
  /** The names of the groups directly below `parent`. */
  children(parent: string): readonly string[];
}

/** CFS period; the kernel's default. */
export const CPU_PERIOD_US = 100_000;
/** The kernel refuses a smaller quota. */
export const MIN_CPU_QUOTA_US = 1_000;
/** Likewise for shares. */
export const MIN_CPU_SHARES = 2;
/** Of all processes and threads that the machine can have, how many one task may (systemd's default): a fork bomb leaves it some. */
export const TASK_PIDS_SHARE = 0.15;
/** On a tiny machine. */
export const MIN_TASK_PIDS = 512;
export const MIB = 1024 * 1024;
/** Longest task id that is used as a directory name as it is; NAME_MAX is 255 bytes. */
const MAX_PLAIN_NAME_BYTES = 200;

export const cpuShares = (cpusMilli: number): number => Math.max(MIN_CPU_SHARES, Math.round((cpusMilli * 1024) / 1000));

export const cpuQuotaUs = (cpusMilli: number): number => Math.max(MIN_CPU_QUOTA_US, Math.round((cpusMilli * CPU_PERIOD_US) / 1000));

/** The most that it gets of the cpus, in milli-cpus. */
export const cpuLimitMilli = (limits: TaskLimits): Limit => limits.cpuLimitMilli ?? (limits.hardCpu ? limits.cpusMilli : 'unlimited');

export const memLimitMib = (limits: TaskLimits): Limit => limits.memLimitMib ?? limits.memMib;

/** How many processes and threads a task may have that did not say. */
export function defaultTaskPids(): number {
  const most = Math.min(...['pid_max', 'threads-max'].map((name) => Number(readFileSync(`/proc/sys/kernel/${name}`, 'utf8'))));
  return Math.max(MIN_TASK_PIDS, Math.floor(most * TASK_PIDS_SHARE));
}

/** What is written to `pids.max`; where the kernel has no such controller, only memory bounds them. */
export function pidsWrite({ pids }: TaskLimits, otherwise: number): CgroupWrite {
  if (pids !== undefined && pids > otherwise) throw new Error(`it asks for ${pids} processes: on this machine a task may have ${otherwise}`);
  return { file: 'pids.max', value: String(pids ?? otherwise), optional: pids === undefined };
}

/** What it could not give back, by `memory.stat`: anonymous memory, and what it has in /dev/shm and other memory without a file of a disk. */
export const heldBytesV1 = (stat: string | null): number => counter(stat, 'total_rss') + counter(stat, 'total_shmem');
export const heldBytesV2 = (stat: string | null): number => counter(stat, 'anon') + counter(stat, 'shmem');

/** What it holds and could not give back is more than it would get. */
export const holdsMore = (heldBytes: number, limitMib: Limit): string =>
  `it holds ${Math.ceil(heldBytes / MIB)} MiB of memory, more than the ${limitMib} MiB that it would get: give it more, or restart it`;

/** `t.` keeps a task named `cgroup.procs` from meeting the kernel's own file. */
export function groupName(taskId: TaskId): string {
  if (/^[\w.-]+$/.test(taskId) && taskId.length <= MAX_PLAIN_NAME_BYTES) return `t.${taskId}`;
  return `h.${createHash('sha256').update(taskId).digest('hex')}`;
}

/** Throws when an instance name could leave its place in the tree. */
export function instanceGroup(instance: string): string {
  if (!/^[A-Za-z0-9][\w.-]{0,63}$/.test(instance)) {
    throw new Error(`the instance name "${instance}" names a control group: use 1 to 64 letters, digits, "_", "." and "-"`);
  }
  return `ekiden/${instance}`;
}

/** A directory and all groups below it, deepest first; empty when it does not exist. */
export function groupTree(dir: string): string[] {
  const below: string[] = [];
  for (const entry of listDirectories(dir)) below.push(...groupTree(join(dir, entry)));
  return existsSync(dir) ? [...below, dir] : below;
}

export function listDirectories(dir: string): string[] {
  try {
    return readdirSync(dir, { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map((entry) => entry.name);
  } catch (error) {
    if (isGone(error)) return [];
    throw error;
  }
}

/** The text of a group's file; null when the group is gone. */
export function readGroupFile(path: string): string | null {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (isGone(error)) return null;
    throw error;
  }
}

export function readPids(dir: string): number[] {
  const text = readGroupFile(join(dir, 'cgroup.procs')) ?? '';
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map(Number);
}

/** Says which file refused what, since the kernel's `EINVAL` alone helps nobody. */
export function writeGroupFile(dir: string, write: CgroupWrite): void {
  const path = join(dir, write.file);
  if (write.optional && !existsSync(path)) return;
  try {
    writeFileSync(path, write.value);
  } catch (error) {
    throw new Error(`the kernel refuses "${write.value}" in ${path}`, { cause: error });
  }
}

/** False when it is busy. */
export function removeTree(dir: string): boolean {
  for (const each of groupTree(dir)) {
    try {
      rmdirSync(each);
    } catch (error) {
      if (isGone(error)) continue;
      if (hasCode(error, 'EBUSY')) return false;
      throw error;
    }
  }
  return true;
}

/** Nothing below it is touched. */
export function removeEmptyGroup(dir: string): void {
  try {
    rmdirSync(dir);
  } catch (error) {
    if (!isGone(error) && !hasCode(error, 'EBUSY') && !hasCode(error, 'ENOTEMPTY')) throw error;
  }
}

/** The number after `key ` in a file of `key number` lines; 0 when there is none. */
export function counter(text: string | null, key: string): number {
  const match = new RegExp(`^${key} (\\d+)$`, 'm').exec(text ?? '');
  return Number(match?.[1] ?? 0);
}

/** The number that a file of one number has; null when there is none. */
export function numberIn(text: string | null): number | null {
  const value = Number.parseInt(text ?? '', 10);
  return Number.isFinite(value) ? value : null;
}

/** By shape, not class: an error of the system may come from another realm (Jest's tests run in one). */
export const hasCode = (error: unknown, code: string): boolean => typeof error === 'object' && error !== null && 'code' in error && error.code === code;

/** ENODEV is what a read of an open file of a removed group answers. */
export const isGone = (error: unknown): boolean => hasCode(error, 'ENOENT') || hasCode(error, 'ENODEV') || hasCode(error, 'ENOTDIR');
