/**
 * The events of `/v2/events`: one builder a type, with Marathon's names and fields (section 11).
 *
 * Every payload carries `eventType` and `timestamp`. Plans are always the light form. `null` only where Marathon writes it.
 * Types that never occur here (pods, callbacks, framework messages) have no builder.
 */
import { isoTime, type Instant } from '@ekiden/model';
import type { AppDefinition } from './definition.js';

export interface EventPayload extends Readonly<Record<string, unknown>> {
  readonly eventType: string;
  readonly timestamp: string;
}

/** What subscribers can filter for. */
export const EVENT_TYPES = [
  'event_stream_attached',
  'event_stream_detached',
  'api_post_event',
  'group_change_success',
  'group_change_failed',
  'deployment_info',
  'deployment_step_success',
  'deployment_step_failure',
  'deployment_success',
  'deployment_failed',
  'status_update_event',
  'instance_changed_event',
  'unknown_instance_terminated_event',
  'instance_health_changed_event',
  'health_status_changed_event',
  'failed_health_check_event',
  'add_health_check_event',
  'remove_health_check_event',
  'unhealthy_instance_kill_event',
  'app_terminated_event',
  'scheduler_registered_event',
  'scheduler_reregistered_event',
  'scheduler_disconnected_event',
] as const;
export type EventType = (typeof EVENT_TYPES)[number];

/** Marathon's words for an instance's state (11.3). */
export type WireCondition =
  | 'Scheduled'
  | 'Provisioned'
  | 'Staging'
  | 'Starting'
  | 'Running'
  | 'Killing'
  | 'Killed'
  | 'Finished'
  | 'Failed'
  | 'Error'
  | 'Dropped'
  | 'Gone'
  | 'Unknown'
  | 'Unreachable'
  | 'UnreachableInactive';

export interface WireAction {
  readonly action: string;
  readonly app: string;
}
export interface WireStep {
  readonly actions: readonly WireAction[];
}
export interface WirePlan {
  readonly id: string;
  readonly steps: readonly WireStep[];
  readonly version: string;
}
export interface WireIpAddress {
  readonly ipAddress: string;
  readonly protocol: 'IPv4' | 'IPv6';
}

const build = (eventType: EventType, at: Instant, fields: Readonly<Record<string, unknown>>): EventPayload => ({
  ...fields,
  eventType,
  timestamp: isoTime(at),
});

export const eventStreamAttached = (at: Instant, remoteAddress: string): EventPayload => build('event_stream_attached', at, { remoteAddress });
export const eventStreamDetached = (at: Instant, remoteAddress: string): EventPayload => build('event_stream_detached', at, { remoteAddress });

export const apiPostEvent = (at: Instant, event: { readonly clientIp: string; readonly uri: string; readonly appDefinition: AppDefinition }): EventPayload =>
  build('api_post_event', at, { ...event });

/** `groupId` is the parent of what was changed. */
export const groupChangeSuccess = (at: Instant, groupId: string, version: Instant): EventPayload =>
  build('group_change_success', at, { groupId, version: isoTime(version) });

export type DeploymentStepEvent = 'deployment_info' | 'deployment_step_success' | 'deployment_step_failure';
export const deploymentStep = (at: Instant, type: DeploymentStepEvent, plan: WirePlan, currentStep: WireStep): EventPayload =>
  build(type, at, { plan, currentStep });
export const deploymentSuccess = (at: Instant, plan: WirePlan): EventPayload => build('deployment_success', at, { id: plan.id, plan });
export const deploymentFailed = (at: Instant, plan: WirePlan, reason: string | null): EventPayload =>
  build('deployment_failed', at, { id: plan.id, plan, ...(reason === null ? {} : { reason }) });

export interface StatusUpdate {
  readonly slaveId: string;
  readonly taskId: string;
  readonly taskStatus: string;
  readonly message: string;
  readonly appId: string;
  readonly host: string;
  readonly ipAddresses: readonly WireIpAddress[];
  readonly ports: readonly number[];
  /** Of the app that the task runs. */
  readonly version: Instant;
}
export const statusUpdate = (at: Instant, update: StatusUpdate): EventPayload =>
  build('status_update_event', at, { ...update, version: isoTime(update.version) });

export interface InstanceChange {
  readonly instanceId: string;
  readonly condition: WireCondition;
  readonly runSpecId: string;
  readonly agentId: string | null;
  readonly host: string | null;
  readonly runSpecVersion: Instant;
}
export const instanceChanged = (at: Instant, change: InstanceChange): EventPayload =>
  build('instance_changed_event', at, { ...change, runSpecVersion: isoTime(change.runSpecVersion) });

export const unknownInstanceTerminated = (at: Instant, instanceId: string, runSpecId: string, condition: WireCondition): EventPayload =>
  build('unknown_instance_terminated_event', at, { instanceId, runSpecId, condition });

/** `healthy` null: not known again. */
export const instanceHealthChanged = (
  at: Instant,
  event: { readonly instanceId: string; readonly runSpecId: string; readonly healthy: boolean | null; readonly runSpecVersion: Instant },
): EventPayload => build('instance_health_changed_event', at, { ...event, runSpecVersion: isoTime(event.runSpecVersion) });

export const healthStatusChanged = (
  at: Instant,
  event: { readonly appId: string; readonly instanceId: string; readonly version: Instant; readonly alive: boolean },
): EventPayload => build('health_status_changed_event', at, { ...event, version: isoTime(event.version) });

/** Marathon writes the instance id under `taskId` (quirk Q14). */
export const failedHealthCheck = (at: Instant, appId: string, instanceId: string, healthCheck: unknown): EventPayload =>
  build('failed_health_check_event', at, { appId, taskId: instanceId, healthCheck });

export interface UnhealthyKill {
  readonly appId: string;
  readonly taskId: string;
  readonly instanceId: string;
  readonly version: Instant;
  readonly reason: string;
  readonly host: string;
  readonly slaveId: string;
}
export const unhealthyInstanceKill = (at: Instant, kill: UnhealthyKill): EventPayload =>
  build('unhealthy_instance_kill_event', at, { ...kill, version: isoTime(kill.version) });

export const appTerminated = (at: Instant, appId: string): EventPayload => build('app_terminated_event', at, { appId });
export const schedulerRegistered = (at: Instant, frameworkId: string, master: string): EventPayload =>
  build('scheduler_registered_event', at, { frameworkId, master });
export const schedulerReregistered = (at: Instant, master: string): EventPayload => build('scheduler_reregistered_event', at, { master });
export const schedulerDisconnected = (at: Instant): EventPayload => build('scheduler_disconnected_event', at, {});
