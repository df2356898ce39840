/** One app is rolled back to a stored version, restarted, or deleted. */
import { EkidenError, isoTime, type AppId, type Instant } from '@ekiden/model';
import type { Draft } from '../ledger/draft.js';
import type { DeploymentReceipt } from '../paas-api.js';
import { applyTargets, type Applied, type DesireContext } from './apply-targets.js';
import { appNotFound } from './change-apps.js';
import { asDefinition } from './definitions.js';

/** The stored definition becomes a new version, with the image that its tasks ran. Throws `app-not-found`, `version-not-found`, `app-locked`. */
export function rollbackApp(draft: Draft, id: AppId, version: Instant, options: { readonly force: boolean }, context: DesireContext): DeploymentReceipt {
  if (draft.desired(id) === null) throw appNotFound(id);
  const stored = draft.version(id, version);
  if (stored === null) throw new EkidenError('version-not-found', `App '${id}' does not exist in version ${isoTime(version)}`, { appId: id, version });
  return receiptOf(applyTargets(draft, [{ appId: id, definition: asDefinition(stored.definition), imageDigest: stored.imageDigest }], options, context));
}

/** Every task is replaced by one of the same definition. Throws `app-not-found`, `app-locked`. */
export function restartApp(draft: Draft, id: AppId, options: { readonly force: boolean }, context: DesireContext): DeploymentReceipt {
  const current = draft.desired(id);
  if (current === null) throw appNotFound(id);
  return receiptOf(applyTargets(draft, [{ appId: id, definition: asDefinition(current.definition), restart: true }], options, context));
}

/** Its instances are stopped, then its rows go. Throws `app-not-found`, `app-locked`. */
export function deleteApp(draft: Draft, id: AppId, options: { readonly force: boolean }, context: DesireContext): DeploymentReceipt {
  if (draft.desired(id) === null) throw appNotFound(id);
  return receiptOf(applyTargets(draft, [{ appId: id, definition: null }], options, context));
}

export const receiptOf = ({ deployment }: Applied): DeploymentReceipt => ({ version: deployment.version, deploymentId: deployment.id });
