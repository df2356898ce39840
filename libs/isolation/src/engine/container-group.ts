/** The control groups of a container, as far as this machine shows them: where its engine runs on it, and not in a virtual machine. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { statisticsV1, statisticsV2 } from '../cgroup-statistics.js';
import { type CgroupMount, parseCgroupMounts } from '../probe-runtimes.js';
import { readProcFile } from '../proc.js';
import type { TaskStatistics } from '../task-statistics.js';

/** Null when they cannot be seen. `isOfContainer` has to hold for the paths: a pid may be another's by now. */
export function groupReader(pid: number, isOfContainer: (path: string) => boolean): (() => TaskStatistics | null) | null {
  const own = pid > 0 ? readProcFile(`/proc/${pid}/cgroup`) : null;
  if (own === null) return null;
  return readerOf(own, parseCgroupMounts(readFileSync('/proc/self/mountinfo', 'utf8')), isOfContainer);
}

function readerOf(own: string, mounts: readonly CgroupMount[], isOfContainer: (path: string) => boolean): (() => TaskStatistics | null) | null {
  const lines = parseGroups(own);
  const at = (controller: string): string | null => {
    const mount = mounts.find(({ version, controllers }) => version === 1 && controllers.includes(controller));
    const path = lines.find(({ controllers }) => controllers.includes(controller))?.path;
    return mount === undefined || path === undefined || !isOfContainer(path) ? null : existing(join(mount.path, path));
  };
  const [cpu, memory] = [at('cpu'), at('memory')];
  if (cpu !== null && memory !== null) {
    const dirs = { cpu, memory, cpuacct: at('cpuacct'), blkio: at('blkio'), pids: at('pids') };
    return () => statisticsV1(dirs);
  }
  const unified = mounts.find(({ version }) => version === 2);
  const path = lines.find(({ controllers }) => controllers.length === 0)?.path;
  if (unified === undefined || path === undefined || !isOfContainer(path)) return null;
  const dir = existing(join(unified.path, path));
  return dir === null || !existsSync(join(dir, 'memory.current')) ? null : () => statisticsV2(dir);
}

/** Pure. `/proc/PID/cgroup`; without controllers: the unified tree. */
export function parseGroups(text: string): readonly { readonly controllers: readonly string[]; readonly path: string }[] {
  return text.split('\n').flatMap((line) => {
    const [, names = '', path] = /^\d+:([^:]*):(.*)$/.exec(line) ?? [];
    return path === undefined ? [] : [{ controllers: names === '' ? [] : names.split(','), path }];
  });
}

const existing = (dir: string): string | null => (existsSync(dir) ? dir : null);
