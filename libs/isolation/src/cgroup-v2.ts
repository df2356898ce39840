/**
 * Control groups of version 2: one tree, `cgroup.kill`, and `memory.oom.group`, so that a task dies as a whole.
 *
 * Controllers have to be handed down from group to group (`cgroup.subtree_control`) before a task's group has their files.
 */
import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import {
  type CgroupDriver,
  type CgroupWrite,
  type TaskLimits,
  CPU_PERIOD_US,
  MIB,
  MIN_CPU_SHARES,
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
  heldBytesV2,
  holdsMore,
  memLimitMib,
  numberIn,
  pidsWrite,
  writeGroupFile,
} from './cgroup-driver.js';
import { statisticsV2 } from './cgroup-statistics.js';
import { signalProcess } from './proc.js';
import { ownGroup } from './warm-joins.js';

/** What a task's group must have. */
export const V2_CONTROLLERS = ['cpu', 'memory'] as const;

/** Shares (2 to 262144) onto weights (1 to 10000), as OCI runtimes do it. */
export const weightOfShares = (shares: number): number => Math.min(10_000, Math.floor(1 + ((shares - MIN_CPU_SHARES) * 9_999) / 262_142));

const write = (file: string, value: string, optional = false): CgroupWrite => ({ file, value, optional });

/** For a fresh group, which has no limit. */
export function limitsToWritesV2(limits: TaskLimits): readonly CgroupWrite[] {
  const isNeeded = ({ file, value }: CgroupWrite): boolean => !(value.startsWith('max') || (file === 'memory.low' && value === '0'));
  return [...resizeWritesV2(limits).filter(isNeeded), write('memory.oom.group', '1', true)];
}

/** For a group that has limits. */
export function resizeWritesV2(limits: TaskLimits): readonly CgroupWrite[] {
  const cpu = cpuLimitMilli(limits);
  const mem = memLimitMib(limits);
  return [
    write('cpu.weight', String(weightOfShares(cpuShares(limits.cpusMilli)))),
    write('cpu.max', `${cpu === 'unlimited' ? 'max' : cpuQuotaUs(cpu)} ${CPU_PERIOD_US}`),
    write('memory.max', mem === 'unlimited' ? 'max' : String(mem * MIB)),
    // What it asked for is taken last when the machine runs out.
    write('memory.low', limits.memLimitMib === undefined ? '0' : String(limits.memMib * MIB), true),
    write('memory.swap.max', mem === 'unlimited' ? 'max' : '0', true),
  ];
}

/** `root` is where the cgroup2 tree is mounted. */
export function cgroupV2(root: string): CgroupDriver {
  const processes = (group: string): readonly number[] => groupTree(join(root, group)).flatMap(readPids);
  const present = (readGroupFile(join(root, 'cgroup.controllers')) ?? '').trim().split(' ');
  const controllers = [...V2_CONTROLLERS, ...(present.includes('pids') ? ['pids'] : [])];
  const defaultPids = defaultTaskPids();
  const read = (group: string, file: string): string | null => readGroupFile(join(root, group, file));

  const handDown = (dir: string): void => {
    const enabled = new Set((readGroupFile(join(dir, 'cgroup.subtree_control')) ?? '').trim().split(' '));
    const missing = controllers.filter((controller) => !enabled.has(controller));
    if (missing.length === 0) return;
    writeGroupFile(dir, { file: 'cgroup.subtree_control', value: missing.map((controller) => `+${controller}`).join(' '), optional: false });
  };

  return {
    version: 2,
    limitsToWrites: limitsToWritesV2,
    create(group, limits) {
      if (!removeTree(join(root, group))) throw new Error(`the control group ${group} still has processes of an earlier task`);
      let dir = root;
      for (const part of group.split('/')) {
        handDown(dir);
        dir = join(dir, part);
        if (!existsSync(dir)) mkdirSync(dir);
      }
      for (const each of [...limitsToWritesV2(limits), pidsWrite(limits, defaultPids)]) writeGroupFile(dir, each);
    },
    resize(group, limits) {
      // The kernel would not refuse: it would kill until the rest fits.
      const most = memLimitMib(limits);
      const held = heldBytesV2(read(group, 'memory.stat'));
      if (most !== 'unlimited' && held > most * MIB) throw new Error(holdsMore(held, most));
      for (const each of resizeWritesV2(limits)) writeGroupFile(join(root, group), each);
    },
    joinFiles: (group) => [join(root, group, 'cgroup.procs')],
    createBelow(group, name) {
      // It is handed no controllers, which the group above could not do with processes of its own.
      mkdirSync(join(root, group, name));
      return [join(root, group, name, 'cgroup.procs')];
    },
    ownProcs() {
      const own = ownGroup('');
      return own === null ? null : join(root, own, 'cgroup.procs');
    },
    processes,
    kill(group) {
      const dir = join(root, group);
      if (!existsSync(dir)) return;
      if (existsSync(join(dir, 'cgroup.kill'))) return writeGroupFile(dir, { file: 'cgroup.kill', value: '1', optional: false });
      // Before Linux 5.14.
      writeGroupFile(dir, { file: 'cgroup.freeze', value: '1', optional: true });
      for (const pid of processes(group)) signalProcess(pid, 'SIGKILL');
      writeGroupFile(dir, { file: 'cgroup.freeze', value: '0', optional: true });
    },
    oomKills: (group) => counter(read(group, 'memory.events'), 'oom_kill'),
    memPeakBytes: (group) => numberIn(read(group, 'memory.peak')),
    statistics: (group) => statisticsV2(join(root, group)),
    remove: (group) => removeTree(join(root, group)),
    removeIfEmpty: (group) => removeEmptyGroup(join(root, group)),
    children: (parent) => listDirectories(join(root, parent)),
  };
}
