/**
 * Who goes first when instances have to go: one total order, whatever the reason.
 *
 * Never launched, then out of reach, then not running yet, then unhealthy, unknown, not ready, and last what works. Of
 * equals, the older config goes before the newer, then GROUP_BY takes from its fullest group, then the app's
 * killSelection decides by launch time, then the id. Marathon ignores health here and lets running instances die before
 * waiting ones; both are named defects.
 */
import { isOutdated, liveTask, type AppSpec, type Instance, type Instant, type TaskRef } from '@ekiden/model';
import { fieldValue } from './place.js';
import { healthOf, isReady } from './health.js';
import type { InstanceView } from './view.js';

/** What a choice needs to know besides the candidates. */
export interface VictimContext {
  readonly spec: AppSpec;
  readonly configVersion: Instant;
  readonly provingVersion: Instant | null;
  /** The instances among which GROUP_BY keeps its balance: those of the newest config that are to stay so far. */
  readonly balanced: readonly InstanceView[];
}

/** Lower goes first. */
export function rankOf(one: InstanceView, provingVersion: Instant | null): number {
  switch (one.instance.condition.kind) {
    case 'scheduled':
    case 'terminal':
      return 0;
    case 'unreachable':
      return 1;
    case 'provisioned':
    case 'staging':
      return 2;
    case 'running':
      break;
  }
  const health = healthOf(one);
  if (health === 'unhealthy') return 3;
  if (health === 'unknown') return 4;
  return isReady(one, provingVersion) ? 6 : 5;
}

/** The first `count` victims of the order, fewer when there are fewer candidates. */
export function chooseVictims(candidates: readonly InstanceView[], count: number, context: VictimContext): InstanceView[] {
  if (count <= 0) return [];
  const rank = new Map(candidates.map((one) => [one, rankOf(one, context.provingVersion)]));
  const isOld = (one: InstanceView): boolean => isOutdated(one.instance, context.configVersion);
  const coarse = (a: InstanceView, b: InstanceView): number => (rank.get(a) ?? 0) - (rank.get(b) ?? 0) || Number(isOld(b)) - Number(isOld(a));
  const fine = bySelection(context.spec);
  const sorted = [...candidates].sort((a, b) => coarse(a, b) || fine(a.instance, b.instance));
  const fields = context.spec.constraints.filter((constraint) => constraint.operator === 'GROUP_BY').map((constraint) => constraint.field);
  return fields.length === 0 ? sorted.slice(0, count) : balancedPick(sorted, count, coarse, new GroupCounts(fields, context.balanced));
}

/** killSelection by launch time, then id: never zero for two different instances. */
function bySelection(spec: AppSpec): (a: Instance, b: Instance) => number {
  const sign = spec.killSelection === 'YOUNGEST_FIRST' ? -1 : 1;
  return (a, b) => sign * (startOf(a) - startOf(b)) || (a.id < b.id ? -1 : a.id > b.id ? 1 : 0);
}

const startOf = (instance: Instance): Instant => liveTask(instance)?.stagedAt ?? instance.createdAt;

/** Among equals of the coarse order, takes each time from the fullest groups. */
function balancedPick(
  sorted: readonly InstanceView[],
  count: number,
  coarse: (a: InstanceView, b: InstanceView) => number,
  groups: GroupCounts,
): InstanceView[] {
  const left = [...sorted];
  const picked: InstanceView[] = [];
  while (picked.length < count && left.length > 0) {
    const first = left[0];
    if (first === undefined) break;
    let best = 0;
    let bestCrowd = groups.crowdOf(first);
    for (let index = 1; index < left.length; index += 1) {
      const one = left[index];
      if (one === undefined || coarse(first, one) !== 0) break;
      const crowd = groups.crowdOf(one);
      if (crowd > bestCrowd) [best, bestCrowd] = [index, crowd];
    }
    const [victim] = left.splice(best, 1);
    if (victim === undefined) break;
    groups.remove(victim);
    picked.push(victim);
  }
  return picked;
}

/** How many instances share each value of each GROUP_BY field. */
class GroupCounts {
  private readonly counts: ReadonlyMap<string, Map<string, number>>;

  constructor(fields: readonly string[], instances: readonly InstanceView[]) {
    this.counts = new Map(fields.map((field) => [field, new Map<string, number>()]));
    for (const one of instances) this.add(one, 1);
  }

  crowdOf(one: InstanceView): number {
    const task = liveTask(one.instance);
    let crowd = 0;
    if (task !== null) for (const [field, values] of this.counts) crowd += values.get(placeOf(task, field)) ?? 0;
    return crowd;
  }

  remove(one: InstanceView): void {
    this.add(one, -1);
  }

  private add(one: InstanceView, by: number): void {
    const task = liveTask(one.instance);
    if (task === null) return;
    for (const [field, values] of this.counts) values.set(placeOf(task, field), (values.get(placeOf(task, field)) ?? 0) + by);
  }
}

function placeOf(task: TaskRef, field: string): string {
  return fieldValue(task, field) ?? '';
}
