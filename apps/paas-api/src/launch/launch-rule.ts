/**
 * What a plain Mesos can be told about an app, and what it cannot (decision 1).
 *
 * A master that announces EKIDEN_TASK_DATA passes on everything. Another one runs one health check a task and kills by
 * itself when it fails; what an app needs beyond that must not get lost in silence, so such an app is not launched there.
 */
import type { Connection } from '@ekiden/framework-sdk';
import { EKIDEN_RESIZE, EKIDEN_TASK_DATA } from '@ekiden/mesos';
import type { AppSpec } from '@ekiden/model';
import type { ChangeResult } from '../paas-api.js';

/** Why tasks of this spec cannot be launched at the present master, or null. */
export type LaunchRule = (spec: AppSpec) => string | null;

/** Null: this master takes every task, or none is connected, and there is nothing to say. */
export const launchRuleOf = (connection: Connection | null): LaunchRule | null =>
  connection === null || connection.capabilities.has(EKIDEN_TASK_DATA) ? null : whyNotPlain;

/** What the present master cannot do, for plans. */
export interface MasterRules {
  readonly launch: LaunchRule | null;
  /** Why no running task can get another size; null: it can, or nobody is connected, and there is nothing to say. */
  readonly resizeRefusal: string | null;
}

export const NO_RULES: MasterRules = { launch: null, resizeRefusal: null };
const CANNOT_RESIZE = 'this master cannot change the size of a running task (it does not say EKIDEN_RESIZE)';

export const rulesOf = (connection: Connection | null): MasterRules => ({
  launch: launchRuleOf(connection),
  resizeRefusal: connection === null || connection.capabilities.has(EKIDEN_RESIZE) ? null : CANNOT_RESIZE,
});

/** What was accepted and will wait is told to who sent it (decision 16). */
export function withLaunchWarnings(result: ChangeResult, rule: LaunchRule | null): ChangeResult {
  const refused = result.apps.flatMap(({ version }) => {
    const why = rule?.(version.spec) ?? null;
    return why === null ? [] : [`${version.appId} cannot be launched now: ${why}`];
  });
  return refused.length === 0 ? result : { ...result, warnings: [...result.warnings, ...refused] };
}

/** What of a spec goes beyond what Mesos knows, and the way out; null when nothing does. */
export function whyNotPlain(spec: AppSpec): string | null {
  const [first, ...more] = spec.healthChecks;
  const beyond = [
    ...(more.length > 0 ? [`${spec.healthChecks.length} health checks`] : []),
    ...(first !== undefined && first.maxConsecutiveFailures === 0 ? ['a health check that never kills (maxConsecutiveFailures 0)'] : []),
    ...(first !== undefined && !hasTarget(first, spec) ? ['a health check of a port that the app does not have'] : []),
    ...(spec.readinessCheck === null ? [] : ['a readiness check']),
    ...(spec.isolation === undefined ? [] : ['isolation of its own']),
  ];
  if (beyond.length === 0) return null;
  return `this master does not carry Ekiden's task data: ${beyond.join(', ')}; use one health check without more, or a master that does`;
}

function hasTarget(check: AppSpec['healthChecks'][number], { portDefinitions, ownNetwork }: AppSpec): boolean {
  const count = ownNetwork === undefined ? portDefinitions.length : ownNetwork.portMappings.length;
  return check.protocol === 'COMMAND' || check.port !== null || (check.portIndex !== null && check.portIndex < count);
}
