/**
 * Writes what an instance's step changed: its row, its events, the app's last failure.
 *
 * Every change of an instance goes through here, whether a status, a plan or a user caused it, so that what subscribers
 * hear does not depend on the cause.
 */
import {
  failedHealthCheck,
  healthStatusChanged,
  instanceChanged,
  instanceHealthChanged,
  statusUpdate,
  unhealthyInstanceKill,
  type EventPayload,
  type WireCondition,
} from '@ekiden/marathon-api';
import { liveTask, type AppSpec, type CheckResult, type Instance, type Instant, type TaskRef, type TaskState } from '@ekiden/model';
import { healthOf, stepInstance, type InstanceInput, type InstanceStep } from '@ekiden/planner';
import type { Draft } from './draft.js';
import type { AppVersionRow } from '../store/paas-store.js';
import type { StateReader } from './paas-state.js';

/** An event as the draft keeps it. */
export function addEvent(draft: Draft, payload: EventPayload): void {
  draft.addEvent({ type: payload.eventType, at: draft.now, payload });
}

/** The spec that this instance runs: of its own version; of the app's present one, or any, where that one is not kept any more. */
export function specOf(reader: StateReader, instance: Instance): AppSpec | null {
  const own = reader.version(instance.appId, instance.version);
  if (own !== null) return own.spec;
  const app = reader.app(instance.appId);
  const version = app?.activeVersion ?? app?.desiredVersion ?? null;
  const present = version === null ? null : reader.version(instance.appId, version);
  return (present ?? newestOf(reader.versions(instance.appId)))?.spec ?? null;
}

/** The app's present word on what only we look at: drain, grace, back-off, what happens out of reach. It holds for older tasks too. */
export function policyOf(reader: StateReader, instance: Instance): AppSpec | null {
  const active = reader.app(instance.appId)?.activeVersion ?? null;
  const present = active === null ? newestOf(reader.versions(instance.appId)) : reader.version(instance.appId, active);
  return present?.spec ?? specOf(reader, instance);
}

function newestOf(rows: Iterable<AppVersionRow>): AppVersionRow | null {
  let newest: AppVersionRow | null = null;
  for (const row of rows) if (newest === null || row.version > newest.version) newest = row;
  return newest;
}

/** What the input does to the instance: its own health checks count, and the app's present policy. Null: no version of its app is stored. */
export function stepOf(reader: StateReader, instance: Instance, input: InstanceInput, now: Instant): InstanceStep | null {
  const own = specOf(reader, instance);
  const policy = policyOf(reader, instance);
  if (own === null || policy === null) return null;
  const spec = policy === own ? own : { ...policy, healthChecks: own.healthChecks };
  return stepInstance(instance, input, { now, spec });
}

/** Steps one instance and records the outcome. */
export function stepAndRecord(draft: Draft, instance: Instance, input: InstanceInput): InstanceStep | null {
  const step = stepOf(draft, instance, input, draft.now);
  if (step?.changed === true) recordStep(draft, instance, step, specOf(draft, instance));
  return step;
}

function recordStep(draft: Draft, before: Instance, step: InstanceStep, spec: AppSpec | null): void {
  const { instance: after } = step;
  if (after === null) draft.deleteInstance(before);
  else draft.putInstance(after);
  tellCondition(draft, before, step);
  tellStop(draft, before, after);
  if (after !== null && spec !== null) tellHealth(draft, before, after, spec);
  const task = liveTask(before);
  if (step.failure && step.ended !== null && task !== null) {
    const { state, message } = step.ended;
    draft.putFailure({
      appId: before.appId,
      taskId: task.taskId,
      hostname: task.hostname,
      agentId: task.agentId,
      state,
      message: failureMessage(before, message),
      version: before.version,
      at: draft.now,
    });
  }
}

/** What the agent said; after a kill for failed health, which to the agent is a kill like any other, the check's own words. */
function failureMessage({ stop, condition }: Instance, message: string): string {
  if (stop?.reason !== 'health-check') return message;
  const checks = condition.kind === 'running' ? condition.checks : [];
  const causes = checks.flatMap((check) => (check?.exhausted === true && check.lastFailureCause !== null ? [check.lastFailureCause] : []));
  return `Task was killed since health check failed${causes.length === 0 ? '' : `. Reason: ${causes.join('; ')}`}`;
}

/** Records a new instance and tells of it. */
export function recordNewInstance(draft: Draft, instance: Instance): void {
  draft.putInstance(instance);
  addEvent(draft, instanceChanged(draft.now, changeOf(instance, 'Scheduled', null)));
}

function tellCondition(draft: Draft, before: Instance, step: InstanceStep): void {
  const { instance: after, ended } = step;
  const task = liveTask(before);
  if (ended !== null) addEvent(draft, instanceChanged(draft.now, changeOf(before, endedCondition(ended.state), task)));
  if (after === null) {
    if (ended === null) addEvent(draft, instanceChanged(draft.now, changeOf(before, task === null ? 'Killed' : 'Unknown', task)));
    return;
  }
  const condition = conditionName(after);
  if (condition !== conditionName(before) || after.goal !== before.goal || (task !== null && after.version !== before.version)) {
    addEvent(draft, instanceChanged(draft.now, changeOf(after, condition, liveTask(after))));
  }
}

/** A stop is announced when it is recorded, before any signal is sent (decision 18): balancers take the task out now. */
function tellStop(draft: Draft, before: Instance, after: Instance | null): void {
  if (after === null || after.stop === null || before.stop !== null) return;
  const task = liveTask(after);
  if (task === null) return;
  addEvent(draft, statusEvent(draft, after, task, 'TASK_KILLING', `being stopped: ${after.stop.reason}`));
  if (after.stop.reason !== 'health-check') return;
  const failed = after.condition.kind === 'running' ? after.condition.checks.find((check) => check?.exhausted === true) : null;
  addEvent(
    draft,
    unhealthyInstanceKill(draft.now, {
      appId: after.appId,
      taskId: task.taskId,
      instanceId: after.id,
      version: after.version,
      reason: failed?.lastFailureCause ?? 'its health check failed too often',
      host: task.hostname,
      slaveId: task.agentId,
    }),
  );
}

export function statusEvent(draft: Draft, instance: Instance, task: TaskRef, state: TaskState, message: string): EventPayload {
  const ipAddresses = instance.condition.kind === 'running' ? instance.condition.ipAddresses : [];
  return statusUpdate(draft.now, {
    slaveId: task.agentId,
    taskId: task.taskId,
    taskStatus: state,
    message,
    appId: instance.appId,
    host: task.hostname,
    ipAddresses: ipAddresses.map((ipAddress) => ({ ipAddress, protocol: ipAddress.includes(':') ? 'IPv6' : 'IPv4' })),
    ports: task.ports,
    version: instance.version,
  });
}

function tellHealth(draft: Draft, before: Instance, after: Instance, spec: AppSpec): void {
  if (spec.healthChecks.length === 0) return;
  const ids = { appId: after.appId, instanceId: after.id, version: after.version };
  const was = before.condition.kind === 'running' ? before.condition.checks : [];
  const is = after.condition.kind === 'running' ? after.condition.checks : [];
  is.forEach((check, index) => {
    const former = was[index] ?? null;
    if (check === null) return;
    if (check.alive !== former?.alive) addEvent(draft, healthStatusChanged(draft.now, { ...ids, alive: check.alive }));
    if (failedAgain(former, check)) addEvent(draft, failedHealthCheck(draft.now, after.appId, after.id, wireCheckOf(draft, after, index)));
  });
  const health = healthOf({ instance: after, spec });
  if (health === healthOf({ instance: before, spec })) return;
  const healthy = health === 'unknown' ? null : health === 'healthy';
  addEvent(draft, instanceHealthChanged(draft.now, { instanceId: after.id, runSpecId: after.appId, healthy, runSpecVersion: after.version }));
}

const failedAgain = (former: CheckResult | null, check: CheckResult): boolean =>
  !check.alive && check.consecutiveFailures > (former?.alive === false ? former.consecutiveFailures : 0);

/** The check as its definition writes it. */
function wireCheckOf(draft: Draft, instance: Instance, index: number): unknown {
  const checks = draft.version(instance.appId, instance.version)?.definition['healthChecks'];
  return Array.isArray(checks) ? (checks[index] ?? {}) : {};
}

const changeOf = (instance: Instance, condition: WireCondition, task: TaskRef | null) => ({
  instanceId: instance.id,
  condition,
  runSpecId: instance.appId,
  agentId: task?.agentId ?? null,
  host: task?.hostname ?? null,
  runSpecVersion: instance.version,
});

/** Marathon's word for the condition. */
export function conditionName(instance: Instance): WireCondition {
  const { condition } = instance;
  if (instance.stop !== null && (condition.kind === 'running' || condition.kind === 'staging' || condition.kind === 'provisioned')) return 'Killing';
  switch (condition.kind) {
    case 'scheduled':
      return 'Scheduled';
    case 'provisioned':
      return 'Provisioned';
    case 'staging':
      return 'Staging';
    case 'running':
      return 'Running';
    case 'unreachable':
      return condition.inactive ? 'UnreachableInactive' : 'Unreachable';
    case 'terminal':
      return endedCondition(condition.why.state);
  }
}

export function endedCondition(state: TaskState): WireCondition {
  switch (state) {
    case 'TASK_FINISHED':
      return 'Finished';
    case 'TASK_FAILED':
      return 'Failed';
    case 'TASK_KILLED':
      return 'Killed';
    case 'TASK_ERROR':
      return 'Error';
    case 'TASK_DROPPED':
      return 'Dropped';
    case 'TASK_LOST':
    case 'TASK_GONE':
    case 'TASK_GONE_BY_OPERATOR':
      return 'Gone';
    case 'TASK_UNREACHABLE':
      return 'Unreachable';
    case 'TASK_UNKNOWN':
      return 'Unknown';
    case 'TASK_STAGING':
      return 'Staging';
    case 'TASK_STARTING':
      return 'Starting';
    case 'TASK_RUNNING':
      return 'Running';
    case 'TASK_KILLING':
      return 'Killing';
  }
}
