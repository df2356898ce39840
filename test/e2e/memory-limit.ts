/** What the kernel ends a process at, read where the process says that its group is: either version of control groups. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/** In bytes; 0: none is known. */
export function memoryLimit(pid: number): number {
  for (const line of readFileSync(`/proc/${pid}/cgroup`, 'utf8').split('\n')) {
    const [, controllers = '', path = ''] = /^\d+:([^:]*):(.*)$/.exec(line) ?? [];
    const file = controllers === '' ? join('/sys/fs/cgroup', path, 'memory.max') : join('/sys/fs/cgroup/memory', path, 'memory.limit_in_bytes');
    if (controllers !== '' && !controllers.split(',').includes('memory')) continue;
    try {
      return Number(readFileSync(file, 'utf8'));
    } catch {
      continue; // The other version holds the memory.
    }
  }
  return 0;
}
