/** Placement: a launch goes where the app's constraints allow. Judged by Marathon's documentation, not by the planner's own rules. */
import { isOutdated, liveTask, type Constraint, type Instance, type TaskRef } from '@ekiden/model';
import type { Invariant } from './invariant.js';
import type { Sight } from './sight.js';

type Before = ReadonlyMap<Instance['id'], Instance | null>;

export const launchesKeepConstraints: Invariant = {
  id: 'api-g',
  name: 'a launch keeps its constraints',
  sentence: 'a commit that launches an instance of its app’s present version puts it where each constraint of that version allows, given where the others are',
  begin: (sight, report) => ({
    on: {
      committed: ({ before }) => {
        for (const [id, was] of before.instances) {
          const is = sight.database.instances.get(id);
          if (is?.condition.kind !== 'provisioned' || (was !== null && liveTask(was) !== null)) continue;
          const row = sight.database.apps.get(is.appId);
          const target = row === undefined ? undefined : sight.targetOf(is.appId);
          // The config that counts has changed in the same commit: what it was when the place was chosen is not known.
          if (target === undefined || row?.activeVersion !== is.version || target.spec.constraints.length === 0) continue;
          const others = othersOf(sight, is, target.configVersion, before.instances);
          for (const constraint of target.spec.constraints) {
            const problem = whyNot(constraint, is.condition.task, others);
            if (problem !== null)
              report(`${id} was launched on ${is.condition.task.hostname}: ${constraint.field} ${constraint.operator} ${constraint.value ?? ''}: ${problem}`);
          }
        }
      },
    },
  }),
};

interface Others {
  /** Certainly there when the place was chosen, or chosen in the same commit. */
  readonly sure: readonly TaskRef[];
  /** Those, and whoever came or went in this commit. */
  readonly all: readonly TaskRef[];
}

function othersOf(sight: Sight, one: Instance, configVersion: number, before: Before): Others {
  const counts = (instance: Instance | null): TaskRef | null => {
    if (instance === null || isOutdated(instance, configVersion)) return null;
    return instance.condition.kind === 'unreachable' && instance.condition.inactive ? null : liveTask(instance);
  };
  const sure: TaskRef[] = [];
  const all: TaskRef[] = [];
  const ids = new Set([...sight.committed.instances(one.appId).map(({ id }) => id), ...before.keys()]);
  ids.delete(one.id);
  for (const id of ids) {
    const is = sight.database.instances.get(id) ?? null;
    const was = before.has(id) ? (before.get(id) ?? null) : is;
    if ((is ?? was)?.appId !== one.appId) continue;
    const [now, then] = [counts(is), counts(was)];
    const isLaunch = is?.condition.kind === 'provisioned' && (was === null || liveTask(was) === null);
    if (now !== null && (isLaunch || then?.taskId === now.taskId)) sure.push(now);
    if (now !== null) all.push(now);
    // Ended, or ended and launched anew: it may have counted then.
    if (then !== null && then.taskId !== now?.taskId) all.push(then);
  }
  return { sure, all };
}

/** What is wrong with this place, or null. */
function whyNot({ field, operator, value }: Constraint, task: TaskRef, { sure, all }: Others): string | null {
  const here = valueOf(task, field);
  if (here === null) return operator === 'UNLIKE' ? null : 'it has no such field';
  const alike = (tasks: readonly TaskRef[]): number => tasks.filter((other) => valueOf(other, field) === here).length;
  switch (operator) {
    case 'UNIQUE':
      return alike(sure) === 0 ? null : `${alike(sure)} others are on ${here}`;
    case 'MAX_PER':
      return alike(sure) < Number(value) ? null : `${alike(sure)} others are on ${here}`;
    case 'CLUSTER': {
      if (value !== null && value !== '') return here === value ? null : `it is on ${here}`;
      // Where they are already in two places, by an agent that had been given up, each of them will do.
      return sure.length === 0 || alike(sure) > 0 ? null : `it is on ${here}, ${sure.length} others are not`;
    }
    case 'IS':
      return here === value ? null : `it is on ${here}`;
    case 'LIKE':
      return new RegExp(`^(?:${value ?? ''})$`).test(here) ? null : `it is on ${here}`;
    case 'UNLIKE':
      return new RegExp(`^(?:${value ?? ''})$`).test(here) ? `it is on ${here}` : null;
    case 'GROUP_BY': {
      if (alike(sure) === 0) return null;
      const groups = new Map<string, number>();
      for (const other of [...all, task]) {
        const group = valueOf(other, field);
        if (group !== null) groups.set(group, (groups.get(group) ?? 0) + 1);
      }
      if (groups.size < Number(value ?? 0)) return `${alike(sure)} others are on ${here}, and there are ${groups.size} groups only`;
      // A group whose last one went in this commit may have been none any more.
      const least = Math.min(...[...sure, task].flatMap((other) => groups.get(valueOf(other, field) ?? '') ?? []));
      return alike(sure) <= least ? null : `${alike(sure)} others are on ${here}, another group has ${least}`;
    }
  }
}

function valueOf(task: TaskRef, field: string): string | null {
  if (field === 'hostname' || field === '@hostname') return task.hostname;
  if (field === '@region') return task.region;
  if (field === '@zone') return task.zone;
  return task.attributes[field] ?? null;
}
