/**
 * A deployment's row from its birth to its end, and what subscribers hear of it.
 *
 * Locks are derived from running rows (`conflictsOf`): there is no second record that could leak.
 */
import { deploymentFailed, deploymentSuccess, type WirePlan } from '@ekiden/marathon-api';
import { deploymentId, EkidenError, isoTime, type AppId, type DeploymentId, type Ids, type InstanceId, type Instant } from '@ekiden/model';
import type { Draft } from '../ledger/draft.js';
import { addEvent } from '../ledger/record-step.js';
import type { StateReader } from '../ledger/paas-state.js';
import type { DeploymentAction, DeploymentChange, DeploymentRow, DeploymentState } from '../store/paas-store.js';

export interface NewDeployment {
  readonly version: Instant;
  readonly steps: readonly (readonly DeploymentAction[])[];
  readonly changes: readonly DeploymentChange[];
  readonly sentenced: readonly InstanceId[];
  readonly rollbackOf: DeploymentId | null;
}

/** Records it; one without steps has succeeded already. */
export function openDeployment(draft: Draft, ids: Ids, deployment: NewDeployment): DeploymentRow {
  const isDone = deployment.steps.length === 0;
  const row: DeploymentRow = {
    id: deploymentId(ids.uuid()),
    ...deployment,
    state: isDone ? 'succeeded' : 'running',
    reason: isDone ? 'nothing had to be changed' : null,
    currentStep: 0,
    startedAt: draft.now,
    progressAt: draft.now,
    stuckSince: null,
    endedAt: isDone ? draft.now : null,
  };
  draft.putDeployment(row);
  if (isDone) addEvent(draft, deploymentSuccess(draft.now, wirePlan(row)));
  return row;
}

export function endDeployment(draft: Draft, row: DeploymentRow, state: Exclude<DeploymentState, 'running'>, reason: string | null): void {
  draft.putDeployment({ ...row, state, reason, endedAt: draft.now });
  addEvent(draft, state === 'succeeded' ? deploymentSuccess(draft.now, wirePlan(row)) : deploymentFailed(draft.now, wirePlan(row), reason));
}

export const wirePlan = (row: DeploymentRow): WirePlan => ({
  id: row.id,
  version: isoTime(row.version),
  steps: row.steps.map((actions) => wireStep(actions)),
});

export const wireStep = (actions: readonly DeploymentAction[]) => ({ actions: actions.map(({ action, appId }) => ({ action, app: appId })) });

export const CANCELLED = 'The upgrade has been cancelled';

/** Running deployments that change one of these apps. */
export const conflictsOf = (reader: StateReader, apps: ReadonlySet<AppId>): readonly DeploymentRow[] =>
  reader.deployments().filter((row) => row.changes.some((change) => apps.has(change.appId)));

export function refuseLocked(conflicts: readonly DeploymentRow[]): void {
  if (conflicts.length === 0) return;
  throw new EkidenError(
    'app-locked',
    "App is locked by one or more deployments. Override with the option '?force=true'. View details at '/v2/deployments/<DEPLOYMENT_ID>'.",
    { deployments: conflicts.map((row) => row.id) },
  );
}

/** Changes whose steps are not behind it. */
export function unfinishedChanges(row: DeploymentRow): readonly DeploymentChange[] {
  const ahead = new Set(row.steps.slice(row.currentStep).flatMap((step) => step.map((action) => action.appId)));
  return row.changes.filter((change) => ahead.has(change.appId));
}
