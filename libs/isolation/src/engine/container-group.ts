/** The control groups of a container, as far as this machine shows them: where its engine runs on it, and not in a virtual machine. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { heldBytesV1, heldBytesV2, readGroupFile } from '../cgroup-driver.js';
import { statisticsV1, statisticsV2 } from '../cgroup-statistics.js';
import { type CgroupMount, parseCgroupMounts } from '../probe-runtimes.js';
import { readProcFile } from '../proc.js';
import type { TaskStatistics } from '../task-statistics.js';

export interface ContainerGroup {
  statistics(): TaskStatistics | null;
  /** What it could not give back of its memory. */
  heldBytes(): number;
}

/** Null when they cannot be seen: the path of a container's groups ends in its id, and a pid may be another's by now. */
export function containerGroup(pid: number): ContainerGroup | null {
  const own = pid > 0 ? readProcFile(`/proc/${pid}/cgroup`) : null;
  if (own === null) return null;
  return groupAt(own, parseCgroupMounts(readFileSync('/proc/self/mountinfo', 'utf8')));
}

const isOfContainer = (path: string): boolean => /[0-9a-f]{64}(\.scope)?(\/container)?$/.test(path);

function groupAt(own: string, mounts: readonly CgroupMount[]): ContainerGroup | null {
  const lines = parseGroups(own);
  const at = (controller: string): string | null => {
    const mount = mounts.find(({ version, controllers }) => version === 1 && controllers.includes(controller));
    const path = lines.find(({ controllers }) => controllers.includes(controller))?.path;
    return mount === undefined || path === undefined || !isOfContainer(path) ? null : existing(join(mount.path, path));
  };
  const [cpu, memory] = [at('cpu'), at('memory')];
  if (cpu !== null && memory !== null) {
    const dirs = { cpu, memory, cpuacct: at('cpuacct'), blkio: at('blkio'), pids: at('pids') };
    return { statistics: () => statisticsV1(dirs), heldBytes: () => heldBytesV1(readGroupFile(join(memory, 'memory.stat'))) };
  }
  const unified = mounts.find(({ version }) => version === 2);
  const path = lines.find(({ controllers }) => controllers.length === 0)?.path;
  if (unified === undefined || path === undefined || !isOfContainer(path)) return null;
  const dir = existing(join(unified.path, path));
  if (dir === null || !existsSync(join(dir, 'memory.current'))) return null;
  return { statistics: () => statisticsV2(dir), heldBytes: () => heldBytesV2(readGroupFile(join(dir, 'memory.stat'))) };
}

/** Pure. `/proc/PID/cgroup`; without controllers: the unified tree. */
export function parseGroups(text: string): readonly { readonly controllers: readonly string[]; readonly path: string }[] {
  return text.split('\n').flatMap((line) => {
    const [, names = '', path] = /^\d+:([^:]*):(.*)$/.exec(line) ?? [];
    return path === undefined ? [] : [{ controllers: names === '' ? [] : names.split(','), path }];
  });
}

const existing = (dir: string): string | null => (existsSync(dir) ? dir : null);
