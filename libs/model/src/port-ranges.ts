/**
 * Sets of ports as sorted, disjoint, inclusive ranges, as Mesos writes them.
 *
 * Every function returns a normalised value: sorted by `begin`, neither overlapping nor touching.
 */
export interface PortRange {
  readonly begin: number;
  readonly end: number;
}
export type PortRanges = readonly PortRange[];

export const NO_PORTS: PortRanges = [];

export function normalizePorts(ranges: Iterable<PortRange>): PortRanges {
  const sorted = [...ranges].filter((range) => range.begin <= range.end).sort((a, b) => a.begin - b.begin);
  const merged: PortRange[] = [];
  for (const range of sorted) {
    const last = merged[merged.length - 1];
    if (last && range.begin <= last.end + 1) merged[merged.length - 1] = { begin: last.begin, end: Math.max(last.end, range.end) };
    else merged.push(range);
  }
  return merged;
}

export const portsOf = (...ports: readonly number[]): PortRanges => normalizePorts(ports.map((port) => ({ begin: port, end: port })));

/** One walk over both: they are in order already. */
export function addPorts(a: PortRanges, b: PortRanges): PortRanges {
  if (a.length === 0) return b;
  if (b.length === 0) return a;
  const merged: PortRange[] = [];
  let last: PortRange | null = null;
  for (let [left, right] = [0, 0]; left < a.length || right < b.length;) {
    const [mine, other]: readonly (PortRange | undefined)[] = [a[left], b[right]];
    const isMine: boolean = mine !== undefined && (other === undefined || mine.begin <= other.begin);
    const next: PortRange = (isMine ? mine : other)!;
    if (isMine) left += 1;
    else right += 1;
    if (last === null || next.begin > last.end + 1) merged.push((last = next));
    else if (next.end > last.end) merged[merged.length - 1] = last = { begin: last.begin, end: next.end };
  }
  return merged;
}

/** `a` without `b`; what is in `b` and not in `a` is ignored. */
export function subtractPorts(a: PortRanges, b: PortRanges): PortRanges {
  if (b.length === 0) return a;
  const result: PortRange[] = [];
  for (const range of a) {
    let begin = range.begin;
    for (const hole of b) {
      if (hole.end < begin) continue;
      if (hole.begin > range.end) break;
      if (hole.begin > begin) result.push({ begin, end: hole.begin - 1 });
      begin = Math.max(begin, hole.end + 1);
    }
    if (begin <= range.end) result.push({ begin, end: range.end });
  }
  return result;
}

export const containsPort = (ranges: PortRanges, port: number): boolean => ranges.some((range) => port >= range.begin && port <= range.end);

export const containsPorts = (outer: PortRanges, inner: PortRanges): boolean =>
  inner.every((range) => outer.some((candidate) => candidate.begin <= range.begin && range.end <= candidate.end));

export const countPorts = (ranges: PortRanges): number => ranges.reduce((sum, range) => sum + range.end - range.begin + 1, 0);
