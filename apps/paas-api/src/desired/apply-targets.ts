/**
 * The common end of every change of what should be: new versions, locks, service ports, order, deployment.
 *
 * Callers say which definition each app is to have (null: none). What follows is the same for a POST, a scale by kill, a
 * roll-back or a delete. Everything happens in one decision, against the newest state.
 */
import {
  assignServicePorts,
  classifyChange,
  groupChangeSuccess,
  invalidObject,
  servicePortsOf,
  toAppSpec,
  type AppDefinition,
  type ChangeClass,
} from '@ekiden/marathon-api';
import { EkidenError, isOutdated, liveTask, type AppId, type DeploymentId, type Ids, type Instance, type InstanceId, type Instant } from '@ekiden/model';
import { isImageOpen, planDeployment, type ChangeKind } from '@ekiden/planner';
import type { Draft } from '../ledger/draft.js';
import type { PaasConfig } from '../paas-api.js';
import { addEvent } from '../ledger/record-step.js';
import type { AppVersionRow, DeploymentChange, DeploymentRow } from '../store/paas-store.js';
import { asDefinition } from './definitions.js';
import { CANCELLED, conflictsOf, endDeployment, openDeployment, refuseLocked, unfinishedChanges } from './deployment-rows.js';

export interface DesireContext {
  readonly config: PaasConfig;
  readonly ids: Ids;
}

/** What one app is to become. */
export interface Target {
  readonly appId: AppId;
  readonly definition: AppDefinition | null;
  /** Replace its tasks although nothing has changed. */
  readonly restart?: boolean;
  /** Of the stored version that it goes back to, whose image is run again. Absent: it goes back to none, or that is not known. */
  readonly imageDigest?: string | undefined;
}

export interface TargetOptions {
  readonly force: boolean;
  readonly sentenced?: readonly InstanceId[];
  readonly rollbackOf?: DeploymentId | null;
  /** Of a deployment that is cancelled by this one as a roll-back: how it ends. */
  readonly endConflicts?: { readonly id: DeploymentId; readonly state: 'rolled-back'; readonly reason: string };
}

export interface AppliedTarget {
  readonly appId: AppId;
  readonly kind: ChangeKind | 'nothing';
  readonly changedFields: readonly string[];
  /** The version after the change: the current one when nothing has changed, null for a deleted app. */
  readonly version: AppVersionRow | null;
  readonly tasksToRestart: number;
  /** Those that get another size where they run. */
  readonly tasksToResize: number;
}

export interface Applied {
  readonly deployment: DeploymentRow;
  readonly targets: readonly AppliedTarget[];
}

/** Throws `app-locked`, `too-many-deployments`, `invalid-object` (a cycle), `limit-exceeded` (service ports). */
export function applyTargets(draft: Draft, targets: readonly Target[], options: TargetOptions, context: DesireContext): Applied {
  const version = draft.nextVersion();
  const judged = targets.map((target) => judge(draft, target, context.config));
  const changing = judged.filter((one) => one.kind !== 'nothing');
  const taken = settleConflicts(draft, new Set(changing.map((one) => one.appId)), options);
  if (changing.length > 0 && draft.deployments().length >= context.config.maxRunningDeployments) {
    const max = context.config.maxRunningDeployments;
    throw new EkidenError('too-many-deployments', `Max number (${max}) of running deployments is achieved. Wait for existing deployments to complete`, { max });
  }
  const changes: DeploymentChange[] = [...taken];
  const applied = judged.map((one): AppliedTarget => {
    if (one.kind === 'nothing') return { ...one, version: one.current, tasksToRestart: 0, tasksToResize: 0 };
    const row = writeTarget(draft, one, version);
    changes.push({ appId: one.appId, from: one.current?.version ?? null, to: row?.version ?? null, baseline: null });
    const staying = row === null ? [] : draft.instances(one.appId).filter((i) => i.goal === 'running');
    const tasksToRestart = staying.filter((i) => isOutdated(i, row?.configVersion ?? 0)).length;
    const tasksToResize = staying.filter((i) => !isOutdated(i, row?.configVersion ?? 0) && i.version < (row?.sizeVersion ?? 0) && liveTask(i) !== null).length;
    return { appId: one.appId, kind: one.kind, changedFields: one.changedFields, version: row, tasksToRestart, tasksToResize };
  });
  const steps = changes.length === 0 ? [] : orderOf(draft, changes);
  const { sentenced = [], rollbackOf = null } = options;
  const deployment = openDeployment(draft, context.ids, { version, steps, changes, sentenced, rollbackOf });
  if (changing.length > 0) addEvent(draft, groupChangeSuccess(draft.now, changing.length === 1 ? parentOf(changing[0]?.appId ?? '/') : '/', version));
  return { deployment, targets: applied };
}

interface Judged {
  readonly appId: AppId;
  readonly current: AppVersionRow | null;
  readonly definition: AppDefinition | null;
  readonly kind: ChangeKind | 'nothing';
  readonly changedFields: readonly string[];
  readonly isRestart: boolean;
  readonly imageDigest: string | undefined;
}

function judge(draft: Draft, target: Target, config: PaasConfig): Judged {
  const { appId, imageDigest, restart: isRestart = false } = target;
  const current = draft.desired(appId);
  const base = { appId, current, imageDigest, isRestart };
  if (target.definition === null) return { ...base, definition: null, kind: current === null ? 'nothing' : 'delete', changedFields: [] };
  const former = current === null ? null : asDefinition(current.definition);
  const definition = withServicePorts(draft, appId, target.definition, former, config);
  if (former === null) return { ...base, definition, kind: 'create', changedFields: Object.keys(definition).sort() };
  const change = classifyChange(former, definition);
  const changedFields = [...change.restart, ...change.resize, ...change.policy, ...(change.scale ? ['instances'] : [])];
  // Its definition may be the present one, and its image another.
  const isOtherImage = imageDigest !== undefined && current?.imageDigest !== imageDigest;
  const replaces = change.restart.length > 0 || isRestart || isOtherImage;
  // Nothing is left to be replaced where no instance is wanted: a scale, as in Marathon the way out of everything.
  const kind = replaces ? (definition.instances === 0 ? 'scale' : 'restart') : kindInPlace(change);
  return { ...base, definition, kind, changedFields };
}

function kindInPlace({ resize, scale, policy }: ChangeClass): 'resize' | 'scale' | 'policy' | 'nothing' {
  if (resize.length > 0) return 'resize';
  if (scale) return 'scale';
  return policy.length > 0 ? 'policy' : 'nothing';
}

function withServicePorts(draft: Draft, appId: AppId, definition: AppDefinition, former: AppDefinition | null, config: PaasConfig): AppDefinition {
  if (servicePortsOf(definition).every((port) => port !== 0)) return definition;
  const { min, max } = config.servicePorts;
  return assignServicePorts({ definition, former, taken: draft.takenPorts(appId), min, max });
}

/** Cancels what is in the way, if allowed; answers what it leaves half done on other apps, to be taken over. */
function settleConflicts(draft: Draft, apps: ReadonlySet<AppId>, options: TargetOptions): readonly DeploymentChange[] {
  const conflicts = conflictsOf(draft, apps);
  if (!options.force) refuseLocked(conflicts);
  const taken: DeploymentChange[] = [];
  for (const row of conflicts) {
    const end = options.endConflicts?.id === row.id ? options.endConflicts : { state: 'cancelled' as const, reason: CANCELLED };
    endDeployment(draft, row, end.state, end.reason);
    taken.push(...unfinishedChanges(row).filter((change) => !apps.has(change.appId)));
  }
  return taken.map((change) => ({ ...change, baseline: null }));
}

function writeTarget(draft: Draft, one: Judged, version: Instant): AppVersionRow | null {
  const app = draft.app(one.appId);
  const base = { id: one.appId, generation: (app?.generation ?? 0) + 1, activeVersion: app?.activeVersion ?? null };
  if (one.definition === null) {
    draft.putApp({ ...base, desiredVersion: null });
    return null;
  }
  const { current } = one;
  const isChanged = one.kind === 'scale' && (one.changedFields.some((field) => field !== 'instances') || one.isRestart);
  const isNewConfig = current === null || one.kind === 'restart' || isChanged;
  const isRestart = one.kind === 'restart' && one.changedFields.length === 0;
  const isScaled = one.kind !== 'policy' && (one.kind !== 'resize' || one.changedFields.includes('instances'));
  const configVersion = isNewConfig ? configVersionOf(one, version) : current.configVersion;
  const sizeVersion = one.kind === 'resize' ? version : configVersion === version ? undefined : current?.sizeVersion;
  const image = configVersion === current?.configVersion ? current.imageDigest : one.imageDigest;
  const takesOver = (configVersion === version && !one.isRestart) || one.kind === 'resize';
  const { adopted, imageDigest } = takesOver ? adoptable(draft, one.appId, one.definition, image) : { adopted: [], imageDigest: image };
  const row: AppVersionRow = {
    appId: one.appId,
    version,
    configVersion,
    ...(sizeVersion === undefined ? {} : { sizeVersion }),
    scalingVersion: current !== null && (isRestart || !isScaled) ? current.scalingVersion : version,
    ...(imageDigest === undefined ? {} : { imageDigest }),
    spec: toAppSpec(one.definition),
    definition: one.definition,
  };
  draft.putVersion(row);
  draft.putApp({ ...base, desiredVersion: version });
  for (const instance of adopted) draft.putInstance({ ...instance, version });
  return row;
}

/** A scale with policy edits only is no new config. */
function configVersionOf(one: Judged, version: Instant): Instant {
  if (one.current === null || one.definition === null || one.kind === 'restart' || one.isRestart) return version;
  return classifyChange(asDefinition(one.current.definition), one.definition).restart.length > 0 ? version : one.current.configVersion;
}

/**
 * Instances that already run what the new version asks for belong to it, and are not replaced: after a change back, half
 * way through a roll-out or by a roll-back, those of the former version are simply kept. Of one whose size is being changed
 * nobody knows yet what it will have. They all run one image: the given one, else that of the newest of them.
 */
function adoptable(
  draft: Draft,
  appId: AppId,
  definition: AppDefinition,
  wanted: string | undefined,
): { readonly adopted: readonly Instance[]; readonly imageDigest: string | undefined } {
  const rows = new Map<Instant, AppVersionRow | null>();
  const same = draft.instances(appId).flatMap((instance) => {
    if (instance.goal !== 'running' || instance.resize !== undefined) return [];
    let own = rows.get(instance.version);
    if (own === undefined) {
      own = draft.version(appId, instance.version);
      if (own !== null && !isSameToTasks(classifyChange(asDefinition(own.definition), definition))) own = null;
      rows.set(instance.version, own);
    }
    return own === null ? [] : [{ instance, own }];
  });
  const newest = same.reduce<AppVersionRow | null>((best, { own }) => (best === null || own.version > best.version ? own : best), null);
  const imageDigest = wanted ?? newest?.imageDigest;
  const isOfImage = (own: AppVersionRow): boolean =>
    own.imageDigest === imageDigest && (!isImageOpen(own.spec, imageDigest) || own.configVersion === newest?.configVersion);
  return { adopted: same.flatMap(({ instance, own }) => (isOfImage(own) ? [instance] : [])), imageDigest };
}

const isSameToTasks = ({ restart, resize }: ChangeClass): boolean => restart.length === 0 && resize.length === 0;

function orderOf(draft: Draft, changes: readonly DeploymentChange[]): DeploymentRow['steps'] {
  const kinds = changes.map((change) => ({ appId: change.appId, kind: kindOf(draft, change) }));
  const dependencies = new Map<AppId, readonly string[]>();
  for (const id of new Set([...draft.dependentApps(), ...changes.map((change) => change.appId)])) {
    const needs = draft.desired(id)?.spec.dependencies ?? formerNeeds(draft, changes, id);
    if (needs.length > 0) dependencies.set(id, needs);
  }
  const plan = planDeployment({ changes: kinds, dependencies, apps: dependencies.size === 0 ? [] : [...draft.appIds()] });
  if (plan.kind === 'steps') return plan.steps;
  throw invalidObject([{ path: '/dependencies', errors: [`Dependency cycle: ${plan.path.join(' → ')}; remove one of these dependencies`] }]);
}

/** An app that goes is stopped before what it depended on. */
function formerNeeds(draft: Draft, changes: readonly DeploymentChange[], id: AppId): readonly string[] {
  const from = changes.find((change) => change.appId === id)?.from ?? null;
  return from === null ? [] : (draft.version(id, from)?.spec.dependencies ?? []);
}

function kindOf(draft: Draft, change: DeploymentChange): ChangeKind {
  if (change.to === null) return 'delete';
  const from = change.from === null ? null : draft.version(change.appId, change.from);
  const to = draft.version(change.appId, change.to);
  if (from === null || to === null) return 'create';
  if (to.configVersion > from.configVersion && to.spec.instances > 0) return 'restart';
  if (to.spec.instances !== from.spec.instances || to.configVersion !== from.configVersion) return 'scale';
  return to.sizeVersion === from.sizeVersion ? 'policy' : 'resize';
}

const parentOf = (id: string): string => id.slice(0, Math.max(1, id.lastIndexOf('/'))) || '/';
