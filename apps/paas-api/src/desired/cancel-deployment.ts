/**
 * A running deployment is undone by a new one, or stopped where it is.
 */
import { EkidenError, type DeploymentId } from '@ekiden/model';
import type { Draft } from '../ledger/draft.js';
import type { DeploymentReceipt } from '../paas-api.js';
import type { DeploymentRow } from '../store/paas-store.js';
import { applyTargets, type DesireContext, type Target } from './apply-targets.js';
import { asDefinition } from './definitions.js';
import { CANCELLED, endDeployment } from './deployment-rows.js';
import { receiptOf } from './replace-app.js';

/** `force`: stopped in place, answers null. Throws `deployment-not-found`. */
export function cancelDeployment(draft: Draft, id: DeploymentId, force: boolean, context: DesireContext): DeploymentReceipt | null {
  const row = draft.deployment(id);
  if (row === null) throw new EkidenError('deployment-not-found', `DeploymentPlan ${id} does not exist`, { deploymentId: id });
  if (!force) return rollbackDeployment(draft, row, CANCELLED, context);
  endDeployment(draft, row, 'cancelled', CANCELLED);
  settleInPlace(draft, row);
  return null;
}

/**
 * The apps it changed go back to what they were before it: changed ones as a new version, new ones are deleted, deleted
 * ones return. Instances that still run the former definition are kept.
 */
export function rollbackDeployment(draft: Draft, row: DeploymentRow, reason: string, context: DesireContext): DeploymentReceipt {
  const targets = row.changes.map(({ appId, from }): Target => {
    const former = from === null ? null : draft.version(appId, from);
    return { appId, definition: former === null ? null : asDefinition(former.definition), imageDigest: former?.imageDigest };
  });
  const end = { id: row.id, state: 'rolled-back' as const, reason };
  const applied = applyTargets(draft, targets, { force: true, rollbackOf: row.id, endConflicts: end }, context);
  // Nothing of it is left to undo (its change has been undone by hand): it ends all the same.
  const rest = draft.deployment(row.id);
  if (rest !== null) {
    endDeployment(draft, rest, 'rolled-back', reason);
    settleInPlace(draft, rest);
  }
  return receiptOf(applied);
}

/** Without the deployment, what users asked for is what counts are kept at; old instances stay (Marathon: the mixture stays). */
function settleInPlace(draft: Draft, row: DeploymentRow): void {
  for (const { appId } of row.changes) {
    const app = draft.app(appId);
    if (app === null) continue;
    draft.putApp({ ...app, activeVersion: draft.desired(appId)?.version ?? null });
  }
}
