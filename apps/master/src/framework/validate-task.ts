/**
 * Judges one task of a LAUNCH against the pool that is left of its offers. Pure.
 *
 * A problem becomes TASK_ERROR for that task; the others go on (reference: 1.10). Custom executors and resources other
 * than cpus, mem, disk, gpus and ports are refused by name: no agent of ours could honour them.
 */
import { resourcesToModel, type TaskInfo, type WireResource } from '@ekiden/mesos';
import { containsResources, describeResources, isNoResources, taskId, type Resources } from '@ekiden/model';
import type { Framework } from '../cluster/core.js';
import { problemOf } from './framework-info.js';

const SCALARS: ReadonlySet<string> = new Set(['cpus', 'mem', 'disk', 'gpus']);
/** The largest number of ports one range may begin or end at. */
const MAX_PORT = 65_535;

export interface LaunchPlace {
  readonly agentId: string;
  readonly pool: Resources;
  readonly framework: Framework;
}

export type JudgedTask = { readonly kind: 'fine'; readonly resources: Resources } | { readonly kind: 'problem'; readonly text: string };

export function validateTask(info: TaskInfo, { agentId, pool, framework }: LaunchPlace): JudgedTask {
  const id = info.task_id.value;
  const idProblem = problemOf(() => taskId(id));
  if (idProblem !== null) return problem(idProblem);
  if (isTaken(framework, id)) return problem(`Task has duplicate ID: ${id}`);
  if (info.agent_id.value !== agentId) return problem(`Task uses agent ${info.agent_id.value}, its offers are of ${agentId}`);
  if (info.executor !== undefined) return problem('Task has an executor of its own; only tasks with a `command` are supported');
  if (info.command === undefined) return problem('Task should have a `command`');
  const text = resourceProblem(info.resources ?? []) ?? limitProblem(info) ?? durationProblem(info);
  if (text !== null) return problem(text);
  const resources = askedResources(info.resources ?? []);
  if (isNoResources(resources)) return problem('Task uses no resources');
  if (!containsResources(pool, resources)) return problem(`Task uses more resources ${describeResources(resources)} than available ${describeResources(pool)}`);
  return { kind: 'fine', resources };
}

/** What a task asks for, whole MiB rounded up: never less than it will use. */
export const askedResources = (wire: readonly WireResource[]): Resources =>
  resourcesToModel(
    wire.map((resource) =>
      resource.scalar !== undefined && resource.name !== 'cpus' ? { ...resource, scalar: { value: Math.ceil(resource.scalar.value) } } : resource,
    ),
  );

function isTaken(framework: Framework, id: string): boolean {
  const key = taskId(id);
  return framework.tasks.has(key) || framework.unreachable.has(key);
}

function resourceProblem(resources: readonly WireResource[]): string | null {
  for (const { name, type, scalar, ranges, role, reservations } of resources) {
    if (role !== undefined && role !== '*') return `Resource '${name}' is reserved for role '${role}'; only unreserved resources are offered`;
    if (reservations !== undefined && reservations.length > 0) return `Resource '${name}' has reservations; only unreserved resources are offered`;
    if (SCALARS.has(name)) {
      if (type !== 'SCALAR' || scalar === undefined || !Number.isFinite(scalar.value) || scalar.value < 0)
        return `Resource '${name}' needs a scalar of at least 0`;
      if (name === 'gpus' && !Number.isInteger(scalar.value)) return `Resource 'gpus' has to be a whole number, not ${scalar.value}`;
    } else if (name === 'ports') {
      if (type !== 'RANGES') return "Resource 'ports' needs ranges";
      for (const { begin, end } of ranges?.range ?? [])
        if (!(Number.isInteger(begin) && Number.isInteger(end) && begin >= 0 && begin <= end && end <= MAX_PORT)) return `Ports [${begin}-${end}] are no range`;
    } else return `Resource '${name}' is not offered here`;
  }
  return null;
}

const LIMITED: readonly string[] = ['cpus', 'mem'];

function limitProblem({ limits = {}, resources = [] }: TaskInfo): string | null {
  for (const [name, { value }] of Object.entries(limits)) {
    if (!LIMITED.includes(name)) return `Task has a limit of '${name}'; only 'cpus' and 'mem' can have one`;
    const request = resources.reduce((sum, resource) => sum + (resource.name === name ? (resource.scalar?.value ?? 0) : 0), 0);
    if (value !== 'Infinity' && value < request) return `Task has a limit of ${value} ${name}, which is less than its request of ${request}`;
  }
  return null;
}

function durationProblem({ kill_policy: killPolicy, max_completion_time: maxCompletion }: TaskInfo): string | null {
  if ((killPolicy?.grace_period?.nanoseconds ?? 0) < 0) return "'kill_policy.grace_period' must not be negative";
  if ((maxCompletion?.nanoseconds ?? 0) < 0) return "'max_completion_time' must not be negative";
  return null;
}

const problem = (text: string): JudgedTask => ({ kind: 'problem', text });
