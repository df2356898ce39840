/** Memory, processor time and family of processes, from /proc. RSS counts shared pages in full, PSS its share of them. */
import { readFileSync, readdirSync } from 'node:fs';

export interface Memory {
  readonly rssMib: number;
  readonly pssMib: number;
}

const KIB_IN_MIB = 1024;

/** Zero for a process that has ended. */
export function memoryOf(pid: number): Memory {
  try {
    const text = readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8');
    const kib = (field: string): number => Number(new RegExp(`^${field}:\\s+(\\d+) kB`, 'm').exec(text)?.[1] ?? 0);
    return { rssMib: kib('Rss') / KIB_IN_MIB, pssMib: kib('Pss') / KIB_IN_MIB };
  } catch {
    return { rssMib: 0, pssMib: 0 };
  }
}

/** Processor time that a process has had so far, its own threads alone; zero for one that has ended. Resolution 10 ms. */
export function cpuMsOf(pid: number): number {
  try {
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
    return (Number(fields[11]) + Number(fields[12])) * MS_PER_TICK;
  } catch {
    return 0;
  }
}

const MS_PER_TICK = 10;

export interface ProcessEntry {
  readonly pid: number;
  readonly parent: number;
  /** The first 15 bytes of the program's name. */
  readonly program: string;
}

/** Everything below a process, itself not included. */
export function descendantsOf(root: number): ProcessEntry[] {
  const all = readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => entryOf(Number(name)));
  const family = new Set([root]);
  const found: ProcessEntry[] = [];
  for (let before = -1; before !== found.length;) {
    before = found.length;
    for (const entry of all) {
      if (!family.has(entry.parent) || family.has(entry.pid)) continue;
      family.add(entry.pid);
      found.push(entry);
    }
  }
  return found;
}

/** Zero for a process that has ended. */
export const parentOf = (pid: number): number => entryOf(pid)[0]?.parent ?? 0;

function entryOf(pid: number): ProcessEntry[] {
  try {
    const match = /^\d+ \((.*)\) \S (\d+)/s.exec(readFileSync(`/proc/${pid}/stat`, 'utf8'));
    return match === null ? [] : [{ pid, program: match[1] ?? '', parent: Number(match[2]) }];
  } catch {
    return []; // It ended meanwhile.
  }
}
