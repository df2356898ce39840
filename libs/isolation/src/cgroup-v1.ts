/**
 * Control groups of version 1: one hierarchy a controller, found through mountinfo, never by a fixed path.
 *
 * Version 1 has no "kill everything": the group is frozen, every process in it gets its SIGKILL, and the thaw lets them die.
 * Freezing first is what beats a fork bomb.
 */
import { mkdirSync, existsSync } from 'node:fs';
import { join } from 'node:path';
import {
  type CgroupDriver,
  type CgroupWrite,
  type TaskLimits,
  CPU_PERIOD_US,
  MIB,
  counter,
  cpuLimitMilli,
  cpuQuotaUs,
  cpuShares,
  groupTree,
  listDirectories,
  readGroupFile,
  readPids,
  removeEmptyGroup,
  removeTree,
  defaultTaskPids,
  heldBytesV1,
  holdsMore,
  memLimitMib,
  numberIn,
  pidsWrite,
  writeGroupFile,
} from './cgroup-driver.js';
import { statisticsV1 } from './cgroup-statistics.js';
import { signalProcess } from './proc.js';
import { ownGroup } from './warm-joins.js';

/** Where each controller that tasks need is mounted; two may share a hierarchy. */
export interface V1Mounts {
  readonly cpu: string;
  readonly memory: string;
  readonly freezer: string;
  /** Null: not every kernel has it. */
  readonly pids: string | null;
  /** For statistics alone; likewise. */
  readonly cpuacct: string | null;
  readonly blkio: string | null;
}

const write = (file: string, value: string | number, optional = false): CgroupWrite => ({ file, value: String(value), optional });

function cpuWrites(limits: TaskLimits): readonly CgroupWrite[] {
  const most = cpuLimitMilli(limits);
  if (most === 'unlimited') return [write('cpu.shares', cpuShares(limits.cpusMilli))];
  return [write('cpu.shares', cpuShares(limits.cpusMilli)), write('cpu.cfs_period_us', CPU_PERIOD_US), write('cpu.cfs_quota_us', cpuQuotaUs(most))];
}

/** Limit and swap together may never be below the limit alone: a fresh group has none, so the limit goes first. */
function memoryWrites(limits: TaskLimits): readonly CgroupWrite[] {
  const most = memLimitMib(limits);
  const value = most === 'unlimited' ? -1 : most * MIB;
  return [write('memory.limit_in_bytes', value), write('memory.memsw.limit_in_bytes', value, true)];
}

/** What it asked for is taken last when the machine runs out of memory. */
const softWrite = ({ memMib, memLimitMib: most }: TaskLimits): CgroupWrite => write('memory.soft_limit_in_bytes', most === undefined ? -1 : memMib * MIB, true);

/** For a fresh group, which has no limit. */
export function limitsToWritesV1(limits: TaskLimits): readonly CgroupWrite[] {
  return [...cpuWrites(limits), ...memoryWrites(limits), ...(limits.memLimitMib === undefined ? [] : [softWrite(limits)])];
}

/** For a group that has limits; `nowBytes`: its limit of memory until now. Memory first: it alone can be refused. */
export function resizeWritesV1(limits: TaskLimits, nowBytes: number): readonly CgroupWrite[] {
  const most = memLimitMib(limits);
  const isRaised = most === 'unlimited' || most * MIB > nowBytes;
  const memory = isRaised ? memoryWrites(limits).toReversed() : memoryWrites(limits);
  const noQuota = cpuLimitMilli(limits) === 'unlimited' ? [write('cpu.cfs_quota_us', -1, true)] : [];
  return [...memory, softWrite(limits), ...cpuWrites(limits), ...noQuota];
}

export function cgroupV1(mounts: V1Mounts): CgroupDriver {
  const optional = [mounts.pids, mounts.cpuacct, mounts.blkio].flatMap((mount) => mount ?? []);
  const roots = [...new Set([mounts.cpu, mounts.memory, mounts.freezer, ...optional])];
  const defaultPids = defaultTaskPids();
  const directory = ({ file }: CgroupWrite, group: string): string => join(file.startsWith('memory.') ? mounts.memory : mounts.cpu, group);
  const memory = (group: string, file: string): string | null => readGroupFile(join(mounts.memory, group, file));
  const remove = (group: string): boolean => roots.map((root) => removeTree(join(root, group))).every((removed) => removed);

  const processes = (group: string): readonly number[] => {
    // A process joins its groups one after the other: whoever is in any of them is ours.
    const pids = roots.flatMap((root) => groupTree(join(root, group)).flatMap(readPids));
    return [...new Set(pids)];
  };

  const freeze = (group: string, value: 'FROZEN' | 'THAWED'): void => {
    const dir = join(mounts.freezer, group);
    if (existsSync(dir)) writeGroupFile(dir, { file: 'freezer.state', value, optional: false });
  };

  return {
    version: 1,
    limitsToWrites: limitsToWritesV1,
    create(group, limits) {
      if (!remove(group)) throw new Error(`the control group ${group} still has processes of an earlier task`);
      for (const root of roots) mkdirSync(join(root, group), { recursive: true });
      for (const each of limitsToWritesV1(limits)) writeGroupFile(directory(each, group), each);
      const pids = pidsWrite(limits, defaultPids);
      if (mounts.pids !== null) writeGroupFile(join(mounts.pids, group), pids);
      else if (!pids.optional) throw new Error('this kernel has no control group controller "pids": leave the limit of processes out');
    },
    resize(group, limits) {
      const most = memLimitMib(limits);
      const held = heldBytesV1(memory(group, 'memory.stat'));
      if (most !== 'unlimited' && held > most * MIB) throw new Error(holdsMore(held, most));
      const now = numberIn(memory(group, 'memory.limit_in_bytes')) ?? 0;
      for (const each of resizeWritesV1(limits, now)) writeGroupFile(directory(each, group), each);
    },
    joinFiles: (group) => roots.map((root) => join(root, group, 'cgroup.procs')),
    createBelow(group, name) {
      // Only where it is killed: in an older kernel's other hierarchies a group below is not bounded by the one above.
      mkdirSync(join(mounts.freezer, group, name));
      return roots.map((root) => join(root, group, root === mounts.freezer ? name : '', 'cgroup.procs'));
    },
    ownProcs() {
      const own = ownGroup('freezer');
      return own === null ? null : join(mounts.freezer, own, 'cgroup.procs');
    },
    processes,
    kill(group) {
      freeze(group, 'FROZEN');
      try {
        for (const pid of processes(group)) signalProcess(pid, 'SIGKILL');
      } finally {
        freeze(group, 'THAWED');
      }
    },
    oomKills: (group) => counter(memory(group, 'memory.oom_control'), 'oom_kill'),
    memPeakBytes: (group) => numberIn(memory(group, 'memory.max_usage_in_bytes')),
    statistics(group) {
      const at = (mount: string | null): string | null => (mount === null ? null : join(mount, group));
      const { cpuacct, blkio, pids } = mounts;
      return statisticsV1({ cpu: join(mounts.cpu, group), memory: join(mounts.memory, group), cpuacct: at(cpuacct), blkio: at(blkio), pids: at(pids) });
    },
    remove,
    removeIfEmpty: (group) => roots.forEach((root) => removeEmptyGroup(join(root, group))),
    children: (parent) => [...new Set(roots.flatMap((root) => listDirectories(join(root, parent))))],
  };
}
