/** The API's rules of deployments and versions. */
import type { AppId, Instant } from '@ekiden/model';
import type { DeploymentRow } from '../../../apps/paas-api/src/store/paas-store.js';
import type { Invariant, Report } from './invariant.js';
import type { Sight } from './sight.js';

export const deploymentsEndOnce: Invariant = {
  id: 'api-d',
  name: 'a deployment ends once',
  sentence: 'a deployment goes forward step by step, ends in one terminal state with a time, and never changes afterwards',
  begin: (_sight, report) => ({
    on: {
      committed: ({ by, writes, before }) => {
        for (const write of writes) {
          if (write.kind !== 'put-deployment') continue;
          const problem = whyIllegal(before.deployments.get(write.row.id) ?? null, write.row);
          if (problem !== null) report(`deployment ${write.row.id} (${write.row.state}, step ${write.row.currentStep}): ${by} committed it, ${problem}`);
        }
      },
    },
  }),
};

function whyIllegal(was: DeploymentRow | null, is: DeploymentRow): string | null {
  if (was !== null && was.state !== 'running') return `it had ended as ${was.state}`;
  if ((is.state === 'running') !== (is.endedAt === null)) return `its end is ${is.endedAt}`;
  if (is.currentStep > is.steps.length) return `it has ${is.steps.length} steps`;
  if (is.state === 'succeeded' && is.currentStep < is.steps.length) return `it succeeded with ${is.steps.length - is.currentStep} steps to go`;
  if (was === null) return null;
  if (is.currentStep < was.currentStep) return `it was at step ${was.currentStep}`;
  if (is.version !== was.version || JSON.stringify(is.steps) !== JSON.stringify(was.steps)) return 'its version or its steps have changed';
  return null;
}

export const oneDeploymentAnApp: Invariant = {
  id: 'api-e',
  name: 'one deployment an app',
  sentence: 'no commit leaves two running deployments that change the same app',
  begin: (sight, report) => ({
    on: {
      committed: ({ by, writes }) => {
        for (const write of writes) {
          if (write.kind !== 'put-deployment' || write.row.state !== 'running') continue;
          for (const { appId } of write.row.changes) {
            const rows = sight.committed.deployments(appId);
            if (rows.length > 1) report(`${appId}: ${by} left deployments ${rows.map((row) => row.id).join(' and ')} running`);
          }
        }
      },
    },
  }),
};

export const namedVersionsStay: Invariant = {
  id: 'api-f',
  name: 'a named version stays',
  sentence: 'a version that an app, an instance or a running deployment names is in the database',
  begin: (sight, report) => ({
    on: {
      committed: ({ writes }) => {
        for (const write of writes) {
          if (write.kind === 'put-instance') lookFor(sight, write.row.appId, write.row.version, `instance ${write.row.id}`, report);
          else if (write.kind === 'put-app') lookAtApp(sight, write.row.id, report);
          else if (write.kind === 'put-deployment' && write.row.state === 'running') lookAtDeployment(sight, write.row, report);
        }
      },
    },
    scan: () => {
      for (const id of sight.database.apps.keys()) lookAtApp(sight, id, report);
      for (const one of sight.database.instances.values()) lookFor(sight, one.appId, one.version, `instance ${one.id}`, report);
      for (const row of sight.committed.running.values()) lookAtDeployment(sight, row, report);
    },
  }),
};

function lookAtApp(sight: Sight, id: AppId, report: Report): void {
  const row = sight.database.apps.get(id);
  lookFor(sight, id, row?.desiredVersion ?? null, 'its desired version', report);
  lookFor(sight, id, row?.activeVersion ?? null, 'its active version', report);
}

function lookAtDeployment(sight: Sight, row: DeploymentRow, report: Report): void {
  for (const { appId, from, to } of row.changes) for (const version of [from, to]) lookFor(sight, appId, version, `deployment ${row.id}`, report);
}

function lookFor(sight: Sight, id: AppId, version: Instant | null, who: string, report: Report): void {
  if (version !== null && sight.database.versions.get(id)?.has(version) !== true) report(`${id}: ${who} names version ${version}, which is gone`);
}
