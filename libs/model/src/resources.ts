/**
 * Quantities of a machine, in integers of the smallest unit, since sums of floats over-commit.
 *
 * cpus in thousandths, memory and disk in MiB, whole gpus, ports as ranges. Mesos' own arithmetic has three decimals,
 * so nothing is lost at the border for cpus; memory is rounded up to a MiB when asked for and down when offered.
 */
import { addPorts, containsPorts, countPorts, NO_PORTS, subtractPorts, type PortRanges } from './port-ranges.js';

export interface Resources {
  readonly cpusMilli: number;
  readonly memMib: number;
  readonly diskMib: number;
  readonly gpus: number;
  readonly ports: PortRanges;
}

/** What of a running task can change without a restart. */
export interface TaskSize {
  readonly cpusMilli: number;
  readonly memMib: number;
}

/** The larger one in each: what a task may use while it changes from one to the other. */
export const largerSize = (a: TaskSize, b: TaskSize): TaskSize => ({
  cpusMilli: Math.max(a.cpusMilli, b.cpusMilli),
  memMib: Math.max(a.memMib, b.memMib),
});

export const smallerSize = (a: TaskSize, b: TaskSize): TaskSize => ({
  cpusMilli: Math.min(a.cpusMilli, b.cpusMilli),
  memMib: Math.min(a.memMib, b.memMib),
});

export const isSameSize = (a: TaskSize, b: TaskSize): boolean => a.cpusMilli === b.cpusMilli && a.memMib === b.memMib;

/** For people: `2 cpus, 256 MiB`. */
export const describeSize = ({ cpusMilli, memMib }: TaskSize): string => `${cpusMilli / 1000} cpus, ${memMib} MiB`;

export const NO_RESOURCES: Resources = { cpusMilli: 0, memMib: 0, diskMib: 0, gpus: 0, ports: NO_PORTS };

export const addResources = (a: Resources, b: Resources): Resources => ({
  cpusMilli: a.cpusMilli + b.cpusMilli,
  memMib: a.memMib + b.memMib,
  diskMib: a.diskMib + b.diskMib,
  gpus: a.gpus + b.gpus,
  ports: addPorts(a.ports, b.ports),
});

/** max(0, a − b) in each quantity: a deficit shows as nothing, never as less than nothing. */
export const subtractResources = (a: Resources, b: Resources): Resources => ({
  cpusMilli: Math.max(0, a.cpusMilli - b.cpusMilli),
  memMib: Math.max(0, a.memMib - b.memMib),
  diskMib: Math.max(0, a.diskMib - b.diskMib),
  gpus: Math.max(0, a.gpus - b.gpus),
  ports: subtractPorts(a.ports, b.ports),
});

export const containsResources = (outer: Resources, inner: Resources): boolean =>
  outer.cpusMilli >= inner.cpusMilli &&
  outer.memMib >= inner.memMib &&
  outer.diskMib >= inner.diskMib &&
  outer.gpus >= inner.gpus &&
  containsPorts(outer.ports, inner.ports);

export const isNoResources = (r: Resources): boolean => r.cpusMilli === 0 && r.memMib === 0 && r.diskMib === 0 && r.gpus === 0 && r.ports.length === 0;

export const sumResources = (all: Iterable<Resources>): Resources => {
  let sum = NO_RESOURCES;
  for (const one of all) sum = addResources(sum, one);
  return sum;
};

/** For people: `0.5 cpus, 64 MiB, 0 MiB disk, 2 ports`. */
export const describeResources = (r: Resources): string =>
  [
    `${r.cpusMilli / 1000} cpus`,
    `${r.memMib} MiB`,
    ...(r.diskMib > 0 ? [`${r.diskMib} MiB disk`] : []),
    ...(r.gpus > 0 ? [`${r.gpus} gpus`] : []),
    ...(r.ports.length > 0 ? [`${countPorts(r.ports)} ports`] : []),
  ].join(', ');
