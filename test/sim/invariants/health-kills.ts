/**
 * Promise 4: kills for failed health are spread out (decision 15).
 *
 * An instance is down for its health from the commit that stops it until it is healthy again, or until its next task has failed as
 * often: either way its restart is over then.
 */
import { isOutdated, type AppId, type Instance, type InstanceId } from '@ekiden/model';
import type { Invariant, Report } from './invariant.js';
import { isHealthy } from './rollouts.js';
import type { Sight } from './sight.js';

export const healthKillsAreSpread: Invariant = {
  id: '4e',
  name: 'kills for failed health are spread out',
  sentence: 'of the instances of one config at most max(1, reachable − minHealthy) are down for their health after a commit that stops one',
  begin: (sight, report) => {
    const down = new Set<InstanceId>();
    return {
      on: {
        committed: ({ before }) => {
          const hit = new Map<InstanceId, AppId>();
          for (const [id, was] of before.instances) {
            const is = sight.database.instances.get(id);
            if (is === undefined) down.delete(id);
            else if (is.stop?.reason === 'health-check' && was?.stop === null) hit.set(id, is.appId);
            else if (is.stop === null && isOver(sight, is)) down.delete(id);
          }
          for (const id of hit.keys()) down.add(id);
          for (const appId of new Set(hit.values())) judgeApp(sight, appId, down, hit, report);
        },
      },
    };
  },
};

const isOver = (sight: Sight, one: Instance): boolean =>
  isHealthy(sight, one) || (one.condition.kind === 'running' && one.condition.checks.some((check) => check?.exhausted === true));

function judgeApp(sight: Sight, id: AppId, down: ReadonlySet<InstanceId>, hit: ReadonlyMap<InstanceId, AppId>, report: Report): void {
  const target = sight.targetOf(id);
  if (target === undefined) return;
  const { instances: wanted, upgrade } = target.spec;
  const least = Math.min(wanted, Math.ceil(wanted * upgrade.minimumHealthCapacity));
  const mine = sight.committed.instances(id).filter((one) => one.goal === 'running' && one.condition.kind !== 'unreachable');
  for (const isNew of [true, false]) {
    const config = mine.filter((one) => !isOutdated(one, target.configVersion) === isNew);
    const most = Math.max(1, config.length - least);
    const count = config.filter((one) => down.has(one.id)).length;
    if (count > most && config.some((one) => hit.has(one.id)))
      report(`${id}: ${count} of ${config.length} instances of one config are down for their health, at most ${most} may be`);
  }
}
