/**
 * Apps are created and changed: POST, PUT and PATCH of one or of many, and what a change would do.
 *
 * The body is normalised inside the decision, against the definition that holds at that moment: two PUTs at once are two
 * changes, one after the other, and neither is lost.
 */
import { apiPostEvent, checkIdText, invalidObject, normalizeApp, type AppDefinition } from '@ekiden/marathon-api';
import { EkidenError, isoTime, type AppId } from '@ekiden/model';
import type { Draft } from '../ledger/draft.js';
import { addEvent } from '../ledger/record-step.js';
import type { AppChange, Caller, ChangePreview, ChangeResult } from '../paas-api.js';
import { applyTargets, type AppliedTarget, type DesireContext, type Target } from './apply-targets.js';
import { asDefinition } from './definitions.js';

/** Decides the change of all of `changes` as one deployment, or throws and changes nothing. */
export function changeApps(
  draft: Draft,
  changes: readonly AppChange[],
  options: { readonly force: boolean; readonly caller: Caller },
  context: DesireContext,
): ChangeResult {
  const { targets, warnings, existed } = readTargets(draft, changes, context);
  const { deployment, targets: applied } = applyTargets(draft, targets, { force: options.force }, context);
  const apps = applied.flatMap(({ appId, version }) => (version === null ? [] : [{ version, created: !existed.has(appId) }]));
  const only = apps.length === 1 ? apps[0] : undefined;
  if (only !== undefined) {
    const appDefinition = { ...asDefinition(only.version.definition), version: isoTime(only.version.version) };
    addEvent(draft, apiPostEvent(draft.now, { ...options.caller, appDefinition }));
  }
  return { version: deployment.version, deploymentId: deployment.id, apps, warnings };
}

/** The same on a draft that nobody commits. */
export function previewApps(draft: Draft, changes: readonly AppChange[], context: DesireContext): ChangePreview {
  const { targets } = readTargets(draft, changes, context);
  const { targets: applied } = applyTargets(draft, targets, { force: true }, context);
  return { apps: applied.map((one) => preview(one, targets)) };
}

function preview(one: AppliedTarget, targets: readonly Target[]): ChangePreview['apps'][number] {
  const definition = one.version?.definition ?? targets.find((target) => target.appId === one.appId)?.definition ?? {};
  const { appId, changedFields, tasksToRestart, tasksToResize } = one;
  return { appId, changedFields, tasksToRestart, tasksToResize, definition, action: one.kind === 'policy' ? 'update-in-place' : one.kind };
}

interface ReadTargets {
  readonly targets: readonly Target[];
  readonly warnings: readonly string[];
  readonly existed: ReadonlySet<AppId>;
}

function readTargets(draft: Draft, changes: readonly AppChange[], context: DesireContext): ReadTargets {
  const targets: Target[] = [];
  const warnings: string[] = [];
  const existed = new Set<AppId>();
  for (const change of changes) {
    const id = change.id ?? idInBody(change.body);
    const current = id === null ? null : draft.desired(id);
    if (change.expect === 'present' && id !== null && current === null) throw appNotFound(id);
    const former: AppDefinition | null = current === null ? null : asDefinition(current.definition);
    const isPartial = change.partial && former !== null;
    const normalized = normalizeApp({ body: change.body, id: change.id, current: former, partial: isPartial }, { defaultRole: context.config.role });
    const appId = id ?? idInBody(normalized.definition);
    if (appId === null) throw invalidObject([{ path: '/id', errors: ['error.path.missing'] }]);
    if (change.expect === 'absent' && current !== null) throw new EkidenError('app-exists', `An app with id [${appId}] already exists.`, { appId });
    if (targets.some((target) => target.appId === appId)) throw invalidObject([{ path: '/id', errors: [`${appId} is in this request twice`] }]);
    if (current !== null) existed.add(appId);
    targets.push({ appId, definition: normalized.definition });
    warnings.push(...normalized.warnings);
  }
  return { targets, warnings, existed };
}

function idInBody(body: unknown): AppId | null {
  if (typeof body !== 'object' || body === null || !('id' in body) || typeof body.id !== 'string') return null;
  const checked = checkIdText(body.id);
  return 'id' in checked ? checked.id : null;
}

export const appNotFound = (id: AppId): EkidenError => new EkidenError('app-not-found', `App '${id}' does not exist`, { appId: id });
