/**
 * What the planner sees of one app, read from a draft: the committed rows and what this batch has written so far.
 */
import { isoTime, type AppId, type AppSpec, type InstanceId, type Instant } from '@ekiden/model';
import type { AppView, InstanceView } from '@ekiden/planner';
import type { StateReader } from '../ledger/paas-state.js';
import { specOf } from '../ledger/record-step.js';
import { NO_RULES, type MasterRules } from '../launch/launch-rule.js';
import type { AppVersionRow, DeploymentRow } from '../store/paas-store.js';

const NOBODY: ReadonlySet<InstanceId> = new Set();

/** `deployment`: the running one whose current step is at this app, or null. `rules`: what the present master takes, if that is not all. */
export function readAppView(reader: StateReader, appId: AppId, now: number, deployment: DeploymentRow | null, rules: MasterRules = NO_RULES): AppView {
  const target = targetOf(reader, appId);
  const baseline = deployment?.changes.find((change) => change.appId === appId)?.baseline ?? null;
  return {
    now,
    appId,
    target: target === null ? null : targetView(target),
    instances: instanceViews(reader, appId),
    unreadable: unreadableTarget(reader, appId),
    rollout: baseline,
    launchRefusal: target === null ? null : (rules.launch?.(target.spec) ?? null),
    resizeRefusal: rules.resizeRefusal,
    holdsForImages: rules.launch === null,
    sentenced: deployment !== null && deployment.sentenced.length > 0 ? new Set(deployment.sentenced) : NOBODY,
  };
}

const targetView = ({ spec, version, configVersion, sizeVersion, imageDigest }: AppVersionRow): AppView['target'] => ({
  spec,
  version,
  configVersion,
  ...(sizeVersion === undefined ? {} : { sizeVersion }),
  ...(imageDigest === undefined ? {} : { imageDigest }),
});

/** The version that the reconciler drives this app towards; null: to nothing. */
export function targetOf(reader: StateReader, appId: AppId): AppVersionRow | null {
  const active = reader.app(appId)?.activeVersion ?? null;
  return active === null ? null : reader.version(appId, active);
}

/** Why the app's target cannot be read although it has one; null: it can, or the app is to go. */
export function unreadableTarget(reader: StateReader, appId: AppId): string | null {
  const active = reader.app(appId)?.activeVersion ?? null;
  return active === null || reader.version(appId, active) !== null ? null : describeLost(appId, active);
}

/** A deployment that cannot be carried on, since what it leads to is not stored: why; else null. */
export function unreadableChange(reader: StateReader, row: DeploymentRow): string | null {
  const lost = row.changes.find(({ appId, to }) => to !== null && reader.version(appId, to) === null);
  return lost === undefined ? null : describeLost(lost.appId, lost.to ?? 0);
}

const describeLost = (appId: AppId, version: Instant): string =>
  `version ${isoTime(version)} of ${appId} is named and not stored (a damaged database?): deploy the app again`;

/** The running deployment whose current step acts on this app. Locks see to it that there is one at most. */
export function activeDeployment(reader: StateReader, appId: AppId): DeploymentRow | null {
  for (const deployment of reader.deployments()) {
    const step = deployment.steps[deployment.currentStep];
    if (step?.some((action) => action.appId === appId && action.action !== 'StartApplication') === true) return deployment;
  }
  return null;
}

/** One whose own version is not kept any more must still be counted and stopped. */
function instanceViews(reader: StateReader, appId: AppId): readonly InstanceView[] {
  const specs = new Map<number, AppSpec | null>();
  return reader.instances(appId).flatMap((instance) => {
    let spec = specs.get(instance.version);
    if (spec === undefined) specs.set(instance.version, (spec = specOf(reader, instance)));
    return spec === null ? [] : [{ instance, spec }];
  });
}
