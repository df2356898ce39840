/**
 * Promise 4, across apps: a roll-out that changes everything at once keeps each app's budget, and still takes the service down.
 *
 * Judged on the commit that ends a step or begins one (deployment-steps.ts). What gets sick after its own step is over holds up nothing.
 */
import { liveTask, type AppId } from '@ekiden/model';
import type { DeploymentChange, DeploymentRow } from '../../../apps/paas-api/src/store/paas-store.js';
import type { Invariant, Report } from './invariant.js';
import { isHealthy } from './rollouts.js';
import type { Sight } from './sight.js';

export const dependenciesComeFirst: Invariant = {
  id: '4f',
  name: 'dependencies come first',
  sentence:
    'when an app’s step ends, the app is as asked for; when one begins, those of all that the app depends on are over; when an app is stopped, nothing that depended on it is left',
  begin: (sight, report) => ({
    on: {
      committed: ({ writes, before }) => {
        for (const write of writes) {
          if (write.kind !== 'put-deployment') continue;
          const { row } = write;
          const was = before.deployments.get(row.id) ?? null;
          for (const step of row.steps.slice(was?.currentStep ?? 0, row.currentStep))
            for (const { action, appId } of step) if (action !== 'StartApplication') judgeEnd(sight, row, appId, report);
          if (row.state !== 'running') continue;
          for (const change of beginning(row, was)) {
            if (change.to === null) judgeStop(sight, row, change, report);
            else judgeStart(sight, row, change, report);
          }
        }
      },
    },
  }),
};

/** Changes whose step this commit begins. */
function beginning(row: DeploymentRow, was: DeploymentRow | null): readonly DeploymentChange[] {
  const hadBegun = (id: AppId): boolean => was?.changes.some((change) => change.appId === id && change.baseline !== null) === true;
  return row.changes.filter((change) => change.baseline !== null && !hadBegun(change.appId));
}

function judgeEnd(sight: Sight, row: DeploymentRow, id: AppId, report: Report): void {
  const target = sight.targetOf(id);
  if (target === undefined) return;
  const good = sight.committed.instances(id).filter((one) => one.version >= target.configVersion && isHealthy(sight, one)).length;
  if (good < target.spec.instances) report(`${id}: its step of deployment ${row.id} ended with ${good} of ${target.spec.instances} healthy`);
}

function judgeStart(sight: Sight, row: DeploymentRow, { appId, to }: DeploymentChange, report: Report): void {
  const needs = to === null ? [] : (sight.database.versions.get(appId)?.get(to)?.spec.dependencies ?? []);
  const open = row.steps.slice(row.currentStep).flatMap((step) => step.flatMap(({ action, appId: id }) => (action === 'StartApplication' ? [] : [id])));
  for (const other of row.changes)
    if (other.to !== null && other.appId !== appId && needs.includes(other.appId) && open.includes(other.appId))
      report(`${appId} changes before ${other.appId}, on which it depends: that one’s step is not over`);
}

function judgeStop(sight: Sight, row: DeploymentRow, { appId }: DeploymentChange, report: Report): void {
  for (const { from, to, appId: id } of row.changes) {
    if (from === null || to !== null || sight.database.versions.get(id)?.get(from)?.spec.dependencies.includes(appId) !== true) continue;
    const left = sight.committed.instances(id).filter((one) => liveTask(one) !== null);
    if (left.length > 0) report(`${appId} is stopped, and ${id}, which depends on it, still runs ${left.length} tasks`);
  }
}
