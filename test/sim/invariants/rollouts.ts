/**
 * Promise 4, judged on each commit of paas-api, in the state that this very commit leaves.
 *
 * The arithmetic is written down once more here, from product.md, on purpose: the planner's own is what is being judged.
 */
import { isOutdated, liveTask, type AppId, type Instance, type InstanceId } from '@ekiden/model';
import type { DeploymentChange } from '../../../apps/paas-api/src/store/paas-store.js';
import type { RowsBefore } from '../world/sim-event.js';
import type { Invariant, Report } from './invariant.js';
import type { Sight } from './sight.js';

const ROLL_OUT_STEPS: ReadonlySet<string> = new Set(['scaling-down', 'upgrading', 'over-capacity']);
/** Absorbs what binary fractions add: 100 × 0.07 is 7. */
const ROUNDING = 1e-9;

/** Running, and the last result of each of its checks is a success. */
export function isHealthy(sight: Sight, one: Instance): boolean {
  const spec = sight.specOf(one);
  const { condition } = one;
  return spec !== undefined && condition.kind === 'running' && spec.healthChecks.every((_check, index) => condition.checks[index]?.alive === true);
}

/** Newly stopped, in this commit, by one of Ekiden's own steps. */
function isStopped(before: RowsBefore, one: Instance): boolean {
  const was = before.instances.get(one.id);
  return was !== undefined && was?.stop == null && one.stop !== null && ROLL_OUT_STEPS.has(one.stop.reason);
}

const isCounted = ({ goal, condition }: Instance): boolean => !(goal === 'running' && condition.kind === 'unreachable' && condition.inactive);

const appsIn = (sight: Sight, before: RowsBefore): Set<AppId> => {
  const apps = new Set<AppId>();
  for (const [id, was] of before.instances) {
    const appId = sight.database.instances.get(id)?.appId ?? was?.appId;
    if (appId !== undefined) apps.add(appId);
  }
  return apps;
};

/** Of the running deployment whose present step acts on this app. */
function baselineOf(sight: Sight, id: AppId): DeploymentChange['baseline'] {
  for (const row of sight.committed.deployments(id)) {
    const baseline = row.changes.find((change) => change.appId === id)?.baseline ?? null;
    if (baseline !== null && row.steps[row.currentStep]?.some((action) => action.appId === id) === true) return baseline;
  }
  return null;
}

const onEachApp = (sight: Sight, report: Report, judge: (sight: Sight, id: AppId, before: RowsBefore, report: Report) => void) => ({
  on: {
    committed: ({ before }: { readonly before: RowsBefore }) => {
      for (const id of appsIn(sight, before)) judge(sight, id, before, report);
    },
  },
});

export const healthyInstancesStay: Invariant = {
  id: '4a',
  name: 'minimum capacity',
  sentence: 'no step takes healthy instances below min(healthy at the start, ceil(minimumHealthCapacity × target))',
  begin: (sight, report) => onEachApp(sight, report, judgeMinimum),
};

function judgeMinimum(sight: Sight, id: AppId, before: RowsBefore, report: Report): void {
  const target = sight.targetOf(id);
  if (target === undefined) return; // The app is to go, by a user's will.
  const healthy = sight.committed.instances(id).filter((one) => isHealthy(sight, one));
  const taken = healthy.filter((one) => isStopped(before, one));
  if (taken.length === 0) return;
  const { instances: wanted, upgrade } = target.spec;
  const baseline = baselineOf(sight, id);
  const least = Math.min(baseline?.healthyAtStart ?? Number.POSITIVE_INFINITY, Math.ceil(wanted * upgrade.minimumHealthCapacity - ROUNDING));
  const serving = healthy.filter((one) => one.stop === null).length;
  if (serving < least)
    report(`${id}: a step stopped healthy ${taken.map((one) => one.id).join(', ')} and left ${serving} healthy, at least ${least} of ${wanted} have to stay`);
}

export const totalsStayBounded: Invariant = {
  id: '4b',
  name: 'maximum capacity',
  sentence: 'no step raises the total above max(total at the start, floor((1 + maximumOverCapacity) × target)), or one more where that leaves no room',
  begin: (sight, report) => onEachApp(sight, report, judgeMaximum),
};

function judgeMaximum(sight: Sight, id: AppId, before: RowsBefore, report: Report): void {
  const target = sight.targetOf(id);
  const instances = sight.committed.instances(id);
  const added = instances.filter((one) => before.instances.get(one.id) === null);
  if (added.length === 0) return;
  if (target === undefined) return report(`${id}: ${added.length} instances were added to an app that is to have none`);
  const { instances: wanted, upgrade } = target.spec;
  const room = Math.floor(wanted * (1 + upgrade.maximumOverCapacity) + ROUNDING);
  const isReplacing = instances.some((one) => isOutdated(one, target.configVersion));
  const isTight = isReplacing && Math.ceil(wanted * upgrade.minimumHealthCapacity - ROUNDING) >= room;
  const most = Math.max(baselineOf(sight, id)?.totalAtStart ?? 0, room + (isTight ? 1 : 0));
  const counted = instances.filter(isCounted).length;
  if (counted > most) report(`${id}: a step added ${added.length} and raised the total to ${counted}, at most ${most} for ${wanted} may be`);
}

export const healthKillsSpareTheHealthy: Invariant = {
  id: '4c',
  name: 'a kill for failed health takes no healthy instance',
  sentence: 'what is stopped for its health has failed so often that it is to be killed, and is not healthy at that commit',
  begin: (sight, report) => ({
    on: {
      committed: ({ before }) => {
        for (const [id, was] of before.instances) {
          const is = sight.database.instances.get(id);
          if (is === undefined || is.stop?.reason !== 'health-check' || was?.stop != null) continue;
          const { condition } = is;
          const isExhausted = condition.kind === 'running' && condition.checks.some((check) => check !== null && !check.alive && check.exhausted);
          if (isHealthy(sight, is) || !isExhausted)
            report(
              `${is.appId}: ${liveTask(is)?.taskId ?? id} is stopped for its health, and is ${isHealthy(sight, is) ? 'healthy' : `${condition.kind}, no check of it is exhausted`}`,
            );
        }
      },
    },
  }),
};

export const baselinesAreTrue: Invariant = {
  id: '4d',
  name: 'baselines are what was there',
  sentence: 'when a step begins, healthyAtStart is not less than what is healthy and totalAtStart not more than what is there',
  begin: (sight, report) => ({
    on: {
      committed: ({ writes, before }) => {
        for (const write of writes) {
          if (write.kind !== 'put-deployment' || write.row.state !== 'running') continue;
          const was = before.deployments.get(write.row.id);
          for (const change of write.row.changes) {
            const former = was?.changes.find((one) => one.appId === change.appId)?.baseline ?? null;
            if (change.baseline !== null && former === null) judgeBaseline(sight, change.appId, change.baseline, before, report);
          }
        }
      },
    },
  }),
};

function judgeBaseline(sight: Sight, id: AppId, baseline: NonNullable<DeploymentChange['baseline']>, before: RowsBefore, report: Report): void {
  const target = sight.targetOf(id);
  const isProven = (one: Instance): boolean => {
    const spec = sight.specOf(one);
    if (target === undefined || spec === undefined || spec.readinessCheck === null || one.version < target.configVersion) return true;
    return one.condition.kind === 'running' && one.condition.readiness?.ready === true;
  };
  const instances = sight.committed.instances(id);
  const serves = (one: Instance): boolean => isHealthy(sight, one) && (one.stop === null || isStopped(before, one)) && isProven(one);
  const healthy = instances.filter(serves).length;
  const deleted = [...before.instances].filter(([one, was]: [InstanceId, Instance | null]) => was?.appId === id && !sight.database.instances.has(one)).length;
  const total = instances.filter(isCounted).length + deleted;
  if (baseline.healthyAtStart < healthy) report(`${id}: a step began with healthyAtStart ${baseline.healthyAtStart}, ${healthy} are healthy`);
  if (baseline.totalAtStart > total) report(`${id}: a step began with totalAtStart ${baseline.totalAtStart}, ${total} are there`);
}
