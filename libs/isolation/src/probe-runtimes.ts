/**
 * Finds out which runtime this machine can carry, by trying: a control group is really made and removed for each controller.
 *
 * Whatever is missing is a named reason, shown by the agent. Nothing here throws for a machine that has less.
 */
import { mkdirSync, readFileSync, rmdirSync, statfsSync } from 'node:fs';
import { join } from 'node:path';
import { type CgroupDriver, hasCode } from './cgroup-driver.js';
import { cgroupV1 } from './cgroup-v1.js';
import { V2_CONTROLLERS, cgroupV2 } from './cgroup-v2.js';
import { reasonOf } from './reason-of.js';

export interface ProbedRuntimes {
  readonly chosen: 'process' | 'cgroup';
  /** Why it is not the other one, or what is missing; empty when everything is there. */
  readonly reasons: readonly string[];
  /** Set when `cgroup` is chosen. */
  readonly cgroup: CgroupDriver | null;
}

/** The file system type of a cgroup2 mount (linux/magic.h). */
const CGROUP2_SUPER_MAGIC = 0x63677270;
const V1_CONTROLLERS = ['cpu', 'memory', 'freezer'] as const;

export interface CgroupMount {
  readonly version: 1 | 2;
  readonly path: string;
  /** Version 1: the controllers of this hierarchy. */
  readonly controllers: readonly string[];
}

/** Reads /proc/self/mountinfo. Blanks in paths are written as `\040` there. */
export function parseCgroupMounts(mountinfo: string): CgroupMount[] {
  const mounts: CgroupMount[] = [];
  for (const line of mountinfo.split('\n')) {
    const [left, right] = line.split(' - ');
    const [type, , options] = (right ?? '').split(' ');
    const path = (left?.split(' ')[4] ?? '').replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));
    if (type === 'cgroup2') mounts.push({ version: 2, path, controllers: [] });
    if (type === 'cgroup') mounts.push({ version: 1, path, controllers: (options ?? '').split(',') });
  }
  return mounts;
}

/** Tries everything once; takes a few milliseconds. Never rejects. */
export async function probeRuntimes(): Promise<ProbedRuntimes> {
  return Promise.resolve(probe());
}

function probe(): ProbedRuntimes {
  if (process.platform !== 'linux') return asProcess([`control groups need Linux, this is ${process.platform}`]);
  try {
    const mounts = parseCgroupMounts(readFileSync('/proc/self/mountinfo', 'utf8'));
    const v2 = mounts.find((mount) => mount.version === 2 && hasControllers(mount.path));
    const { driver, reasons } = v2 === undefined ? probeV1(mounts) : probeV2(v2.path);
    if (driver === null) return asProcess(reasons);
    return { chosen: 'cgroup', reasons, cgroup: driver };
  } catch (error) {
    return asProcess([`control groups cannot be probed: ${reasonOf(error)}`]);
  }
}

const asProcess = (reasons: readonly string[]): ProbedRuntimes => ({ chosen: 'process', reasons, cgroup: null });

interface Probed {
  readonly driver: CgroupDriver | null;
  readonly reasons: readonly string[];
}

/** A hybrid machine has a cgroup2 tree without the controllers that matter. */
function hasControllers(path: string): boolean {
  if (statfsSync(path).type !== CGROUP2_SUPER_MAGIC) return false;
  const present = readFileSync(join(path, 'cgroup.controllers'), 'utf8').trim().split(' ');
  return V2_CONTROLLERS.every((controller) => present.includes(controller));
}

function probeV1(mounts: readonly CgroupMount[]): Probed {
  const at = (controller: string): string | null => mounts.find((mount) => mount.version === 1 && mount.controllers.includes(controller))?.path ?? null;
  const reasons = V1_CONTROLLERS.flatMap((controller) => {
    const path = at(controller);
    if (path === null) return [`the control group controller "${controller}" is not mounted`];
    const refusal = tryGroup(path);
    return refusal === null ? [] : [`the control group controller "${controller}" at ${path} is ${refusal}`];
  });
  const [cpu, memory, freezer] = V1_CONTROLLERS.map(at);
  if (reasons.length > 0 || cpu == null || memory == null || freezer == null) return { driver: null, reasons };
  const usable = (controller: string): string | null => {
    const path = at(controller);
    return path === null || tryGroup(path) !== null ? null : path;
  };
  return { driver: cgroupV1({ cpu, memory, freezer, pids: usable('pids'), cpuacct: usable('cpuacct'), blkio: usable('blkio') }), reasons };
}

function probeV2(path: string): Probed {
  const driver = cgroupV2(path);
  const group = `ekiden-probe-${process.pid}/probe`;
  try {
    driver.create(group, { cpusMilli: 100, memMib: 32, hardCpu: true });
    return { driver, reasons: [] };
  } catch (error) {
    return { driver: null, reasons: [`the cgroup2 tree at ${path} refuses a group with limits: ${reasonOf(error)}`] };
  } finally {
    driver.remove(`ekiden-probe-${process.pid}`);
  }
}

/** Null when a group can be made and removed there. */
function tryGroup(root: string): string | null {
  const dir = join(root, `ekiden-probe-${process.pid}`);
  try {
    mkdirSync(dir);
    rmdirSync(dir);
    return null;
  } catch (error) {
    if (hasCode(error, 'EROFS')) return 'read-only';
    if (hasCode(error, 'EACCES') || hasCode(error, 'EPERM')) return 'not ours to write: run as root or delegate it';
    return `unusable: ${reasonOf(error)}`;
  }
}
