/**
 * Which host ports an instance gets from an offer.
 *
 * The very number where the app insists on one (`requirePorts`, or `hostPort` of a mapping). Otherwise any: consecutive from a random start,
 * over the holes, so that the ports of one task are neighbours and two schedulers seldom want the same.
 */
import { containsPort, countPorts, portsOf, subtractPorts, wantedHostPorts, type PortRanges } from '@ekiden/model';
import type { AppSpec } from '@ekiden/model';

export type PortAssignment =
  | { readonly kind: 'assigned'; readonly ports: readonly number[] }
  | { readonly kind: 'missing'; readonly text: string; readonly needed: number; readonly free: number };

type PortNeeds = Pick<AppSpec, 'portDefinitions' | 'requirePorts' | 'ownNetwork'>;

/** Ports in the order of the definitions, or of the mappings that have one. `random` answers in [0, 1). */
export function assignPorts(offered: PortRanges, needs: PortNeeds, random: () => number): PortAssignment {
  const wanted = wantedHostPorts(needs);
  const needed = wanted.length;
  if (needed === 0) return { kind: 'assigned', ports: [] };
  const free = countPorts(offered);
  const exact = wanted.filter((port) => port !== 0);
  const absent = exact.find((port, index) => !containsPort(offered, port) || exact.indexOf(port) !== index);
  if (absent !== undefined) return { kind: 'missing', text: `needs port ${absent}, which is not free`, needed, free };
  const anyCount = needed - exact.length;
  if (free < needed) return { kind: 'missing', text: `needs ${needed} ports, ${free} are free`, needed, free };

  const any = anyCount === 0 ? [] : neighbours(exact.length === 0 ? offered : subtractPorts(offered, portsOf(...exact)), anyCount, random);
  let next = 0;
  const ports = wanted.map((port) => (port === 0 ? (any[next++] ?? 0) : port));
  return { kind: 'assigned', ports };
}

/** `count` free ports from a random one on, wrapping around. There are at least so many. */
function neighbours(free: PortRanges, count: number, random: () => number): number[] {
  let skip = Math.floor(random() * countPorts(free));
  let index = 0;
  for (let range = free[index]; range !== undefined && skip > range.end - range.begin; range = free[index]) {
    skip -= range.end - range.begin + 1;
    index = (index + 1) % free.length;
  }
  const ports: number[] = [];
  let port = (free[index]?.begin ?? 0) + skip;
  while (ports.length < count) {
    if (port > (free[index]?.end ?? port)) {
      index = (index + 1) % free.length;
      port = free[index]?.begin ?? 0;
    }
    ports.push(port);
    port += 1;
  }
  return ports;
}
