/**
 * What each input does to one instance: the only place where its condition changes.
 *
 * A step is pure: `(instance, input, { now, spec }) → the instance as it has to be recorded`, or null when it is to be
 * forgotten. An input that makes no sense (an old task's status, a launch of what runs) changes nothing and says so.
 * The task of a forgotten instance may still run on an agent that is away; `judgeUnknownTask` ends it when it returns.
 * Conditions follow Marathon's table of Mesos states, with two differences: time moves an unreachable instance on at the
 * moment that is due instead of at the next status, and "unknown task" proves nothing about a launch under way
 * (docs/decisions: `never-launched` is the input for what is proven).
 * Absent on purpose: sending anything. `ask: 'kill'` is a wish to be carried out after the commit.
 */
import {
  assertNever,
  isTerminal,
  liveTask,
  withoutResize,
  type AppSpec,
  type CheckResult,
  type Condition,
  type Instance,
  type Instant,
  type ReadinessResult,
  type Resize,
  type StopReason,
  type TaskId,
  type TaskRef,
  type TaskState,
  type TerminalReason,
} from '@ekiden/model';
import { isRunLongEnough, nextBackoff } from './backoff.js';
import { isKillable, isOfferGone, provesNothingAboutLaunch, readTaskState } from './task-verdict.js';

/** A status update as it arrived, already converted from the wire. */
export interface ObservedStatus {
  readonly taskId: TaskId;
  readonly state: TaskState;
  readonly message: string;
  /** Mesos' `REASON_…`, or null. */
  readonly reason: string | null;
  /** Ekiden's own data: one entry a health check; null on a plain Mesos. */
  readonly checks: readonly (CheckResult | null)[] | null;
  /** Mesos' single health flag; used only where `checks` is null. */
  readonly healthy: boolean | null;
  readonly readiness: ReadinessResult | null;
  readonly exitCode: number | null;
  readonly signal: string | null;
  readonly ipAddresses: readonly string[];
  /** The newest change of its task's size whose outcome is known to the agent; absent: none. */
  readonly resize?: { readonly revision: number; readonly refused: string | null };
  /** Of the image that its task runs, or is about to; absent: its agent does not say, or does not know yet. */
  readonly imageDigest?: string;
  /** When it happened, by our own clock. Only `unreachable` counts from it. */
  readonly at: Instant;
}

export type InstanceInput =
  /** The launch is about to be recorded; `version`, if given, is the version that the task will run. */
  | { readonly kind: 'launch'; readonly task: TaskRef; readonly version?: Instant }
  | { readonly kind: 'status'; readonly status: ObservedStatus }
  /** It is proven that the launch never happened (decision 2). */
  | { readonly kind: 'never-launched'; readonly taskId: TaskId; readonly why: string }
  /** `drainMs` counts only for a running task: nobody sends requests to another one. */
  | { readonly kind: 'stop'; readonly reason: StopReason; readonly drainMs: number; readonly decommission: boolean }
  /** Its running task is to get another size, or cannot. */
  | { readonly kind: 'resize'; readonly resize: Resize }
  /** Time has passed: see `nextWakeOf`. */
  | { readonly kind: 'tick' }
  | { readonly kind: 'reset-backoff' };

export interface MachineContext {
  readonly now: Instant;
  /** The spec whose back-off and unreachable policy count (the app's newest one), with the health checks of this instance. */
  readonly spec: AppSpec;
}

export interface InstanceStep {
  /** Null: to be forgotten; delete the row. */
  readonly instance: Instance | null;
  readonly changed: boolean;
  /** Set when this input ended a task. */
  readonly ended: TerminalReason | null;
  /** The end is to be written as the app's last task failure. */
  readonly failure: boolean;
  /** A task that should not run (any more) may be alive: kill it after the commit. */
  readonly ask: 'kill' | null;
  /** The input was about a task or a state that this instance has left: acknowledge, change nothing. */
  readonly stale: boolean;
}

/** One step. Never throws; an input that does not fit answers `changed: false`. */
export function stepInstance(instance: Instance, input: InstanceInput, context: MachineContext): InstanceStep {
  switch (input.kind) {
    case 'launch':
      return launch(instance, input.task, input.version ?? instance.version, context.now);
    case 'status':
      return observe(instance, input.status, context);
    case 'never-launched':
      if (instance.condition.kind !== 'provisioned' || instance.condition.task.taskId !== input.taskId) return stale(instance);
      return instance.goal === 'decommissioned' ? forgotten() : moved(scheduled(instance, context.now, context.now, instance.backoffMs));
    case 'stop':
      return stop(instance, input, context.now);
    case 'resize':
      return resize(instance, input.resize);
    case 'tick':
      return tick(instance, context);
    case 'reset-backoff':
      return resetBackoff(instance, context.now);
  }
  return assertNever(input);
}

/**
 * The earliest moment after `after` at which time alone changes something: end of a back-off, end of a drain, inactive,
 * expunged. Null: nothing is due. Without `after`, moments already past are answered too.
 */
export function nextWakeOf(instance: Instance, after: Instant = Number.NEGATIVE_INFINITY): Instant | null {
  const { condition, stop } = instance;
  const due: Instant[] = [];
  if (condition.kind === 'scheduled') due.push(condition.notBefore);
  if (condition.kind === 'unreachable') {
    if (condition.inactiveAt !== null && !condition.inactive) due.push(condition.inactiveAt);
    if (condition.expungeAt !== null) due.push(condition.expungeAt);
  }
  if (stop !== null) due.push(stop.killAt);
  const ahead = due.filter((instant) => instant > after);
  return ahead.length === 0 ? null : Math.min(...ahead);
}

/** What to do about a status whose task belongs to no instance. */
export const judgeUnknownTask = (state: TaskState): 'acknowledge' | 'kill' =>
  isTerminal(state) || state === 'TASK_UNREACHABLE' || state === 'TASK_UNKNOWN' ? 'acknowledge' : 'kill';

function launch(instance: Instance, task: TaskRef, version: Instant, now: Instant): InstanceStep {
  if (instance.condition.kind !== 'scheduled' || instance.goal !== 'running') return stale(instance);
  return moved({ ...instance, version, incarnation: instance.incarnation + 1, condition: { kind: 'provisioned', since: now, task }, stop: null });
}

function observe(instance: Instance, status: ObservedStatus, context: MachineContext): InstanceStep {
  const task = liveTask(instance);
  if (task === null || task.taskId !== status.taskId) return { ...stale(instance), ask: judgeUnknownTask(status.state) === 'kill' ? 'kill' : null };
  const launching = instance.condition.kind === 'provisioned';
  if (launching && provesNothingAboutLaunch(status.state, status.reason)) return unchanged(instance);
  const reading = readTaskState(status.state, status.reason, status.message);
  switch (reading) {
    case 'ended':
      return end(instance, status, context);
    case 'unreachable':
      return lose(instance, task, status, context);
    case 'staging':
      return stage(instance, task, status, context.now);
    case 'running':
      return run(instance, task, status, context);
    case 'killing':
      return instance.condition.kind === 'unreachable' ? run(instance, task, status, context) : unchanged(instance);
  }
  return assertNever(reading);
}

/** A task on its way to run; one that runs already does not go back. */
function stage(instance: Instance, task: TaskRef, status: ObservedStatus, now: Instant): InstanceStep {
  const { condition } = instance;
  if (condition.kind !== 'provisioned' && condition.kind !== 'unreachable' && condition.kind !== 'staging') return overdueKill(unchanged(instance), now);
  const before = condition.kind === 'staging' ? condition : null;
  const known = withImage(task, status);
  const says = status.state === 'TASK_STARTING' && status.message !== '' ? status.message : (before?.note ?? null);
  if (before !== null && says === (before.note ?? null) && known === task) return overdueKill(unchanged(instance), now);
  return alive(instance, { kind: 'staging', since: before?.since ?? now, task: known, ...(says === null ? {} : { note: says }) }, now);
}

function run(instance: Instance, task: TaskRef, status: ObservedStatus, { now, spec }: MachineContext): InstanceStep {
  const before = instance.condition.kind === 'running' ? instance.condition : null;
  const condition: Condition = {
    kind: 'running',
    since: before?.since ?? now,
    task: withImage(task, status),
    checks: checksOf(status, before?.checks ?? [], spec, now),
    readiness: status.readiness ?? before?.readiness ?? null,
    ipAddresses: status.ipAddresses.length > 0 ? status.ipAddresses : (before?.ipAddresses ?? []),
  };
  const sized = learnSize(instance, status);
  if (sized === instance && before !== null && isSame(before, condition)) return overdueKill(unchanged(instance), now);
  return alive(sized, condition, now);
}

/** What it was launched with is what it runs; else its agent's word counts. */
const withImage = (task: TaskRef, { imageDigest }: ObservedStatus): TaskRef =>
  imageDigest === undefined || task.imageDigest !== undefined ? task : { ...task, imageDigest };

/** It has its size, or its agent says why it cannot. What was given up and came true all the same is true. */
function learnSize(instance: Instance, { resize: outcome }: ObservedStatus): Instance {
  const { resize: wanted } = instance;
  if (outcome === undefined || wanted === undefined || outcome.revision !== wanted.revision) return instance;
  if (outcome.refused === null) return { ...withoutResize(instance), version: Math.max(instance.version, wanted.version) };
  return wanted.refused === null ? { ...instance, resize: { ...wanted, refused: outcome.refused } } : instance;
}

/** Only of a task that runs, and never back to an older size. */
function resize(instance: Instance, wanted: Resize): InstanceStep {
  const { resize: before, condition, stop, goal } = instance;
  if (condition.kind !== 'running' || stop !== null || goal !== 'running') return stale(instance);
  const isNews = before === undefined || wanted.revision > before.revision || (wanted.revision === before.revision && wanted.refused !== null);
  return isNews && (before?.refused ?? null) === null ? moved({ ...instance, resize: wanted }) : stale(instance);
}

/** Plain values, compared as they are written: most statuses of a running task say what is known. */
function isSame(a: unknown, b: unknown): boolean {
  if (Object.is(a, b)) return true;
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false;
  const keys = Object.keys(a);
  if (keys.length !== Object.keys(b).length) return false;
  for (const key of keys) if (!(key in b) || !isSame(Reflect.get(a, key), Reflect.get(b, key))) return false;
  return true;
}

/** One entry a check: as reported; from Mesos' one flag, where there is nothing else; as before; or not known. */
function checksOf(status: ObservedStatus, before: readonly (CheckResult | null)[], spec: AppSpec, now: Instant): readonly (CheckResult | null)[] {
  if (status.checks !== null) return status.checks;
  const { healthy } = status;
  if (healthy === null) return before.length === spec.healthChecks.length ? before : spec.healthChecks.map(() => null);
  return spec.healthChecks.map((_check, index) => {
    const last = before[index] ?? null;
    if (last !== null && last.alive === healthy) return last;
    return healthy
      ? { ...(last ?? NEVER_CHECKED), alive: true, consecutiveFailures: 0, exhausted: false, firstSuccess: last?.firstSuccess ?? now, lastSuccess: now }
      : { ...(last ?? NEVER_CHECKED), alive: false, consecutiveFailures: 1, lastFailure: now, lastFailureCause: status.message };
  });
}

const NEVER_CHECKED: CheckResult = {
  alive: false,
  consecutiveFailures: 0,
  firstSuccess: null,
  lastSuccess: null,
  lastFailure: null,
  lastFailureCause: null,
  exhausted: false,
};

function lose(instance: Instance, task: TaskRef, status: ObservedStatus, { now, spec }: MachineContext): InstanceStep {
  // Its kill cannot be confirmed any more: it is forgotten, and killed as an unknown task if it ever returns.
  if (instance.goal === 'decommissioned') return forgotten();
  if (instance.condition.kind === 'unreachable') return unchanged(instance);
  const since = Math.min(status.at, now);
  const policy = spec.unreachable;
  const expungeAt = policy.kind === 'replace' ? since + policy.expungeAfterMs : null;
  if (expungeAt !== null && expungeAt <= now) return forgotten();
  const inactiveAt = policy.kind === 'replace' ? since + policy.inactiveAfterMs : null;
  const inactive = inactiveAt !== null && inactiveAt <= now;
  return moved({ ...instance, condition: { kind: 'unreachable', since, task, inactiveAt, expungeAt, inactive } });
}

function end(instance: Instance, status: ObservedStatus, { now, spec }: MachineContext): InstanceStep {
  const ended: TerminalReason = {
    state: status.state,
    message: status.message,
    reason: status.reason,
    exitCode: status.exitCode,
    signal: status.signal,
  };
  const stopReason = instance.stop?.reason ?? null;
  const killedForHealth = stopReason === 'health-check' || (stopReason === null && status.state === 'TASK_KILLED' && status.healthy === false);
  const wanted = stopReason !== null && !killedForHealth;
  const isNoFault = status.state === 'TASK_FINISHED' || status.state === 'TASK_KILLED' || isOfferGone(status.state, status.reason);
  const failure = !wanted && (killedForHealth || !isNoFault);
  if (instance.goal === 'decommissioned') return { ...forgotten(), ended, failure };

  const previous = isRunLongEnough(ranFor(instance, now), spec.backoff) ? 0 : instance.backoffMs;
  const earnsDelay = failure || (!wanted && status.state === 'TASK_FINISHED') || stopReason === 'overdue';
  const backoffMs = earnsDelay ? nextBackoff(previous, spec.backoff) : previous;
  return { ...moved(scheduled(instance, now, earnsDelay ? now + backoffMs : now, backoffMs)), ended, failure };
}

function ranFor({ condition }: Instance, now: Instant): number {
  if (condition.kind === 'running') return now - condition.since;
  return condition.kind === 'unreachable' ? now - condition.task.stagedAt : 0;
}

function stop(instance: Instance, input: Extract<InstanceInput, { kind: 'stop' }>, now: Instant): InstanceStep {
  const { condition } = instance;
  const goal = input.decommission ? 'decommissioned' : instance.goal;
  const hasTask = condition.kind !== 'scheduled' && condition.kind !== 'terminal';
  // Nothing to kill, or nobody who could: an unreachable task is killed as an unknown one when its agent returns.
  if (goal === 'decommissioned' && (!hasTask || condition.kind === 'unreachable')) return forgotten();
  if (!hasTask) return unchanged(instance);
  const killAt = condition.kind === 'running' ? now + Math.max(0, input.drainMs) : now;
  const before = instance.stop;
  if (before !== null && before.killAt <= killAt && goal === instance.goal) return overdueKill(unchanged(instance), now);
  // The first reason stays: it is why the task ends. A later stop may only hasten it.
  const next = before === null ? { since: now, killAt, reason: input.reason } : { ...before, killAt: Math.min(before.killAt, killAt) };
  return overdueKill(moved({ ...instance, goal, stop: next }), now);
}

function tick(instance: Instance, { now }: MachineContext): InstanceStep {
  const { condition } = instance;
  if (condition.kind === 'terminal') return instance.goal === 'decommissioned' ? forgotten() : moved(scheduled(instance, now, now, instance.backoffMs));
  if (condition.kind !== 'unreachable') return overdueKill(unchanged(instance), now);
  if (condition.expungeAt !== null && condition.expungeAt <= now) return forgotten();
  if (condition.inactiveAt === null || condition.inactive || condition.inactiveAt > now) return unchanged(instance);
  return moved({ ...instance, condition: { ...condition, inactive: true } });
}

function resetBackoff(instance: Instance, now: Instant): InstanceStep {
  const { condition } = instance;
  if (condition.kind === 'scheduled' && condition.notBefore > now) return moved({ ...instance, backoffMs: 0, condition: { ...condition, notBefore: now } });
  return instance.backoffMs === 0 ? unchanged(instance) : moved({ ...instance, backoffMs: 0 });
}

const scheduled = (instance: Instance, since: Instant, notBefore: Instant, backoffMs: number): Instance => ({
  ...withoutResize(instance),
  condition: { kind: 'scheduled', since, notBefore },
  stop: null,
  backoffMs,
});

const unchanged = (instance: Instance): InstanceStep => ({ instance, changed: false, ended: null, failure: false, ask: null, stale: false });
const moved = (instance: Instance): InstanceStep => ({ ...unchanged(instance), changed: true });
const stale = (instance: Instance): InstanceStep => ({ ...unchanged(instance), stale: true });
const forgotten = (): InstanceStep => ({ instance: null, changed: true, ended: null, failure: false, ask: null, stale: false });
const alive = (instance: Instance, condition: Condition, now: Instant): InstanceStep => overdueKill(moved({ ...instance, condition }), now);

/** A task whose drain is over has to be killed, whenever it is heard of; one out of reach cannot be. */
function overdueKill(step: InstanceStep, now: Instant): InstanceStep {
  const { instance } = step;
  if (instance === null || instance.stop === null || instance.stop.killAt > now || !isKillable(instance)) return step;
  return { ...step, ask: 'kill' };
}
