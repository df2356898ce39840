/** The arithmetic of resources once more, plainly: what judges the allocator's does not use it. */
import { decodeStatusData, type ResizeReport, type TaskStatus, type WireResource } from '@ekiden/mesos';
import type { Resources, TaskSize } from '@ekiden/model';

interface Range {
  readonly begin: number;
  readonly end: number;
}

export interface Amounts {
  readonly cpusMilli: number;
  readonly memMib: number;
  readonly diskMib: number;
  readonly gpus: number;
  /** In any order; a port that is held twice is in two of them. */
  readonly ports: readonly Range[];
}

const QUANTITIES = ['cpusMilli', 'memMib', 'diskMib', 'gpus'] as const;

export const NOTHING: Amounts = { cpusMilli: 0, memMib: 0, diskMib: 0, gpus: 0, ports: [] };

export const amountsOf = (resources: Resources): Amounts => resources;

export function amountsOnWire(resources: readonly WireResource[]): Amounts {
  let [cpus, memMib, diskMib, gpus] = [0, 0, 0, 0];
  let ports: readonly Range[] = [];
  for (const { name, scalar, ranges } of resources) {
    const value = scalar?.value ?? 0;
    if (name === 'cpus') cpus += value;
    else if (name === 'mem') memMib += value;
    else if (name === 'disk') diskMib += value;
    else if (name === 'gpus') gpus += value;
    else if (name === 'ports') ports = ports.length === 0 ? (ranges?.range ?? []) : [...ports, ...(ranges?.range ?? [])];
  }
  return { cpusMilli: Math.round(cpus * 1000), memMib, diskMib, gpus, ports };
}

/** What a status says of its task's size; null: nothing. */
export const resizeIn = (status: TaskStatus | null): ResizeReport | null => decodeStatusData(status?.data)?.resize ?? null;

/** The larger one of cpus and memory, the ports and all else of the first. */
export const larger = (a: Amounts, size: TaskSize): Amounts => ({
  ...a,
  cpusMilli: Math.max(a.cpusMilli, size.cpusMilli),
  memMib: Math.max(a.memMib, size.memMib),
});

export function sumOf(all: readonly Amounts[]): Amounts {
  const [only] = all;
  if (only === undefined) return NOTHING;
  if (all.length === 1) return only;
  let [cpusMilli, memMib, diskMib, gpus] = [0, 0, 0, 0];
  const ports: Range[] = [];
  for (const one of all) {
    cpusMilli += one.cpusMilli;
    memMib += one.memMib;
    diskMib += one.diskMib;
    gpus += one.gpus;
    for (const range of one.ports) ports.push(range);
  }
  return { cpusMilli, memMib, diskMib, gpus, ports: sorted(ports) };
}

/** What `parts` ask for beyond `whole`, in words; null: nothing. */
export function excess(parts: Amounts, whole: Amounts): string | null {
  const over: string[] = [];
  for (const name of QUANTITIES) if (parts[name] > whole[name]) over.push(`${parts[name]} of ${whole[name]} ${name}`);
  const foreign = without(parts.ports, whole.ports);
  if (foreign.length > 0) over.push(`ports ${print(foreign)} that are not there`);
  const doubled = twice(parts.ports);
  if (doubled.length > 0) over.push(`ports ${print(doubled)} twice`);
  return over.length === 0 ? null : over.join(', ');
}

/** How two amounts differ, in words; null: not at all. */
export function difference(is: Amounts, expected: Amounts): string | null {
  if (isSame(is, expected)) return null;
  const differs: string[] = QUANTITIES.flatMap((name) => (is[name] === expected[name] ? [] : [`${name} ${is[name]}, expected ${expected[name]}`]));
  const more = without(is.ports, expected.ports);
  const missing = without(expected.ports, is.ports);
  if (more.length > 0) differs.push(`ports ${print(more)} that were not expected`);
  if (missing.length > 0) differs.push(`ports ${print(missing)} missing`);
  return differs.length === 0 ? null : differs.join('; ');
}

/** max(0, a − b) in each quantity. */
export const minus = (a: Amounts, b: Amounts): Amounts => ({
  cpusMilli: Math.max(0, a.cpusMilli - b.cpusMilli),
  memMib: Math.max(0, a.memMib - b.memMib),
  diskMib: Math.max(0, a.diskMib - b.diskMib),
  gpus: Math.max(0, a.gpus - b.gpus),
  ports: without(a.ports, b.ports),
});

function isSame(a: Amounts, b: Amounts): boolean {
  const areEqual = a.cpusMilli === b.cpusMilli && a.memMib === b.memMib && a.diskMib === b.diskMib && a.gpus === b.gpus;
  return areEqual && (a.ports === b.ports || areSamePorts(sorted(a.ports), sorted(b.ports)));
}

/** The same ports, however they are cut into ranges. */
function areSamePorts(a: readonly Range[], b: readonly Range[]): boolean {
  let [left, right] = [0, 0];
  while (left < a.length && right < b.length) {
    if (a[left]!.begin !== b[right]!.begin) return false;
    let [end, other] = [a[left++]!.end, b[right++]!.end];
    for (; left < a.length && a[left]!.begin <= end + 1; left++) end = Math.max(end, a[left]!.end);
    for (; right < b.length && b[right]!.begin <= other + 1; right++) other = Math.max(other, b[right]!.end);
    if (end !== other) return false;
  }
  return left === a.length && right === b.length;
}

/** Nearly always they are in order already. */
const sorted = (ranges: readonly Range[]): readonly Range[] => (isInOrder(ranges) ? ranges : [...ranges].sort((a, b) => a.begin - b.begin));

function isInOrder(ranges: readonly Range[]): boolean {
  for (let index = 1; index < ranges.length; index++) if (ranges[index - 1]!.begin > ranges[index]!.begin) return false;
  return true;
}

/** Ports in more than one of the ranges. */
function twice(ranges: readonly Range[]): Range[] {
  const doubled: Range[] = [];
  let end = Number.NEGATIVE_INFINITY;
  for (const range of sorted(ranges)) {
    if (range.begin <= end) doubled.push({ begin: range.begin, end: Math.min(end, range.end) });
    end = Math.max(end, range.end);
  }
  return doubled;
}

/** Ports of `ranges` that are in none of `others`. One walk over both. */
function without(ranges: readonly Range[], others: readonly Range[]): Range[] {
  const holes = sorted(others);
  const left: Range[] = [];
  let from = 0;
  for (const { begin: first, end } of sorted(ranges)) {
    let begin = first;
    while ((holes[from]?.end ?? Number.POSITIVE_INFINITY) < begin) from += 1;
    for (let index = from; begin <= end; index += 1) {
      const hole = holes[index];
      if (hole === undefined || hole.begin > end) {
        left.push({ begin, end });
        break;
      }
      if (hole.begin > begin) left.push({ begin, end: hole.begin - 1 });
      begin = Math.max(begin, hole.end + 1);
    }
  }
  return left;
}

const print = (ranges: readonly Range[]): string =>
  ranges
    .slice(0, 5)
    .map(({ begin, end }) => (begin === end ? String(begin) : `${begin}-${end}`))
    .join(' ');
