/** Cpus and memory in a TaskInfo and in the limits of its launch. Pure. */
import type { LaunchLimits, Limit } from '@ekiden/isolation';
import type { TaskInfo, WireResource } from '@ekiden/mesos';
import type { TaskSize } from '@ekiden/model';

/** What a task asks for; a fraction of a MiB counts as a whole one. */
export const sizeOf = ({ resources }: Pick<TaskInfo, 'resources'>): TaskSize => ({
  cpusMilli: Math.round(sumOf(resources, 'cpus') * 1000),
  memMib: Math.ceil(sumOf(resources, 'mem')),
});

/** The same task with this size; what else it has stays. */
export function withSize(task: TaskInfo, { cpusMilli, memMib }: TaskSize): TaskInfo {
  const entry = (name: 'cpus' | 'mem', value: number): WireResource => {
    const former = task.resources?.find((resource) => resource.name === name);
    return { ...former, name, type: 'SCALAR', scalar: { value } };
  };
  const others = (task.resources ?? []).filter(({ name }) => name !== 'cpus' && name !== 'mem');
  return { ...task, resources: [entry('cpus', cpusMilli / 1000), entry('mem', memMib), ...others] };
}

export type ResizedLimits = { readonly kind: 'limits'; readonly limits: LaunchLimits } | { readonly kind: 'refused'; readonly why: string };

/** Limits above the request stay; one that would be below the new request refuses it. */
export function limitsOfSize(limits: LaunchLimits, size: TaskSize): ResizedLimits {
  const isBelow = (limit: Limit | undefined, request: number): limit is number => typeof limit === 'number' && limit < request;
  const { cpuLimitMilli: cpus, memLimitMib: mem } = limits;
  if (isBelow(cpus, size.cpusMilli)) return { kind: 'refused', why: `its limit of ${cpus / 1000} cpus is less than ${size.cpusMilli / 1000}` };
  if (isBelow(mem, size.memMib)) return { kind: 'refused', why: `its limit of ${mem} MiB of memory is less than ${size.memMib}` };
  return { kind: 'limits', limits: { ...limits, ...size } };
}

export function sumOf(resources: readonly WireResource[] | undefined, name: string): number {
  let sum = 0;
  for (const resource of resources ?? []) if (resource.name === name) sum += resource.scalar?.value ?? 0;
  return sum;
}
