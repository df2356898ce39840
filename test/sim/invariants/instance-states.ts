/**
 * The API's rules of an instance: from each commit to the next only by a legal transition.
 *
 * Written down here a second time, from Marathon's states and the model's comment, not from the machine that is judged. A commit
 * holds a batch, so what is listed is what one batch may do: `running` to `provisioned` is an end and the next launch together.
 */
import { isOutdated, liveTask, type ConditionKind, type Instance, type InstanceId, type StopReason } from '@ekiden/model';
import type { Write } from '../../../apps/paas-api/src/store/paas-store.js';
import type { Request, RowsBefore } from '../world/sim-event.js';
import type { Invariant } from './invariant.js';
import { OpenRequests } from './open-requests.js';
import type { Sight } from './sight.js';

type State = ConditionKind | 'none';

/** With the task that it has; with the next task; without one. */
const NEXT: Readonly<Record<State, readonly State[]>> = {
  none: ['scheduled'],
  scheduled: ['scheduled', 'provisioned', 'none'],
  provisioned: ['provisioned', 'staging', 'running', 'unreachable', 'scheduled', 'none'],
  staging: ['staging', 'running', 'unreachable', 'scheduled', 'provisioned', 'none'],
  running: ['running', 'unreachable', 'scheduled', 'provisioned', 'none'],
  unreachable: ['unreachable', 'running', 'staging', 'scheduled', 'provisioned', 'none'],
  // No commit leaves one: an end is recorded as what follows from it.
  terminal: [],
};

const stateOf = (instance: Instance | null | undefined): State => instance?.condition.kind ?? 'none';

export const instancesMoveLegally: Invariant = {
  id: 'api-a',
  name: 'the instance state machine',
  sentence: 'each commit takes each instance from a legal state to a legal state',
  begin: (sight, report) => ({
    on: {
      committed: ({ by, writes, before }) => {
        for (const [id, was] of before.instances) {
          const is = sight.database.instances.get(id) ?? null;
          const problem = NEXT[stateOf(was)].includes(stateOf(is))
            ? is === null
              ? whyNotForgotten(was)
              : whyIllegal(was, is, sight.now(), writes)
            : 'expected one of ' + NEXT[stateOf(was)].join(', ');
          if (problem !== null) report(`${id}: ${by} took it from ${describe(was)} to ${describe(is)}, ${problem}`);
        }
      },
    },
  }),
};

const describe = (instance: Instance | null): string => {
  if (instance === null) return 'nothing';
  const { condition, goal, incarnation, stop } = instance;
  const stopped = stop === null ? '' : `, stop ${JSON.stringify(stop)}`;
  return `${condition.kind} (goal ${goal}, incarnation ${incarnation}, ${liveTask(instance)?.taskId ?? 'no task'}${stopped})`;
};

/** A batch may stop and end it at once; what never had a task, or cannot be reached, needs no end. A wanted one stays. */
const whyNotForgotten = (was: Instance | null): string | null => (was === null ? 'it never was' : null);

function whyIllegal(was: Instance | null, is: Instance, now: number, writes: readonly Write[]): string | null {
  const task = liveTask(is);
  if (task !== null && task.taskId !== `${is.id}._app.${is.incarnation}`) return `expected task ${is.id}._app.${is.incarnation}`;
  if (is.goal === 'decommissioned' && task === null) return 'expected it to be forgotten: it has no task to wait for';
  if (is.stop !== null && task === null) return 'a stop without a task';
  if (is.backoffMs < 0) return `a back-off of ${is.backoffMs} ms`;
  const { condition } = is;
  if (condition.kind === 'unreachable' && condition.inactive && (condition.inactiveAt === null || condition.inactiveAt > now))
    return 'inactive before its time';
  if (condition.kind === 'scheduled' && condition.notBefore > now && is.backoffMs === 0) return 'it is held back, and has no back-off';
  return was === null ? (is.incarnation === 0 ? null : 'expected incarnation 0') : whyDiffers(was, is, writes);
}

function whyDiffers(was: Instance, is: Instance, writes: readonly Write[]): string | null {
  if (was.appId !== is.appId || was.createdAt !== is.createdAt) return 'it is another one';
  if (was.goal === 'decommissioned' && is.goal === 'running') return 'expected it to stay decommissioned';
  if (is.version < was.version) return `its version fell from ${was.version} to ${is.version}`;
  const isLaunched = is.condition.kind === 'provisioned' && is.incarnation === was.incarnation + 1;
  if (is.incarnation !== was.incarnation && !isLaunched) return 'expected the same incarnation, or the next one with a launch';
  if (isLaunched) return is.stop === null || is.stop.since >= is.condition.since ? null : 'a stop from before its launch';
  const before = liveTask(was);
  const after = liveTask(is);
  if (before === null && after !== null) return 'a task without a launch';
  if (before === null || after === null) return null;
  const learnt = before.imageDigest === undefined && after.imageDigest !== undefined ? { imageDigest: after.imageDigest } : {};
  if (JSON.stringify({ ...before, ...learnt }) !== JSON.stringify(after)) return `its task changed: ${JSON.stringify(before)} → ${JSON.stringify(after)}`;
  if (was.stop !== null && is.stop === null) return 'its stop was taken back';
  if (was.stop !== null && is.stop !== null && (is.stop.killAt > was.stop.killAt || is.stop.reason !== was.stop.reason)) return 'a stop may only be hastened';
  const isRunningOn = was.condition.kind === 'running' && is.condition.kind === 'running';
  if (!isRunningOn || was.condition.since === is.condition.since) return null;
  return wasAway(after.taskId, writes) ? null : 'expected the same beginning of its run';
}

/** It was out of reach, and came back, in the same commit: while the store was away, both waited. */
const wasAway = (taskId: string, writes: readonly Write[]): boolean =>
  writes.some((write) => {
    const payload: Readonly<Record<string, unknown>> = write.kind === 'add-event' && write.row.type === 'status_update_event' ? { ...write.row.payload } : {};
    return payload['taskId'] === taskId && payload['taskStatus'] === 'TASK_UNREACHABLE';
  });

export const stopsHaveCauses: Invariant = {
  id: 'api-b',
  name: 'a stop has a cause',
  sentence: 'a recorded stop is what its reason says: a user’s request, a roll-out, a delete, failed health, an overdue launch',
  begin: (sight, report) => {
    const requests = new OpenRequests();
    return {
      on: {
        ...requests.on,
        committed: ({ by, writes, before }) => {
          const asked = requests.appsAskedOf(by);
          for (const [id, was] of before.instances) {
            const is = sight.database.instances.get(id);
            if (is === undefined || is.stop === null || was?.stop != null) continue;
            if (!isCaused(sight, is, is.stop.reason, { asked, writes, before }))
              report(`${id}: ${by} recorded a stop for "${is.stop.reason}" of what is ${is.condition.kind}, and nothing calls for it`);
          }
        },
      },
    };
  },
};

interface Batch {
  readonly asked: ReadonlySet<string>;
  readonly writes: readonly Write[];
  readonly before: RowsBefore;
}

function isCaused(sight: Sight, { id, appId, version, condition }: Instance, reason: StopReason, { asked, writes, before }: Batch): boolean {
  const deployments = [...sight.committed.deployments(appId), ...writes.flatMap((write) => (write.kind === 'put-deployment' ? [write.row] : []))];
  switch (reason) {
    case 'user-request':
      return asked.has(appId) || deployments.some((row) => row.sentenced.includes(id));
    case 'upgrading':
    case 'scaling-down':
      return deployments.some((row) => row.changes.some((change) => change.appId === appId)) || isMixed(sight, appId);
    case 'over-capacity':
      return sight.committed.instances(appId).length > (sight.targetOf(appId)?.spec.instances ?? 0);
    case 'deleting-app': {
      const row = sight.database.apps.get(appId) ?? before.apps.get(appId) ?? null;
      return row === null || row.activeVersion === null;
    }
    case 'health-check':
      return condition.kind === 'running' && condition.checks.some((check) => check?.exhausted === true);
    case 'overdue':
      return sight.now() - condition.since >= sight.scene.limits.launchTimeoutMs;
    case 'other-image': {
      const pinned = sight.database.versions.get(appId)?.get(version)?.imageDigest;
      const runs = condition.kind === 'scheduled' ? undefined : condition.task.imageDigest;
      return pinned !== undefined && runs !== undefined && runs !== pinned;
    }
    case 'orphaned':
    case 'forced-rollback':
      return true;
  }
}

/** A roll-out that was stopped where it was leaves a mixture; what is old of it still goes, within the budget. */
const isMixed = (sight: Sight, appId: Instance['appId']): boolean => {
  const target = sight.targetOf(appId);
  return target !== undefined && sight.committed.instances(appId).some((one) => isOutdated(one, target.configVersion));
};

export const backoffIsKept: Invariant = {
  id: 'api-c',
  name: 'a back-off is kept',
  sentence:
    'an instance whose process ended by itself has no next one before its app’s initial back-off is over, and none before its recorded one is, whoever was restarted meanwhile, unless users step in',
  begin: (sight, report) => {
    const crashes = new Map<InstanceId, number>();
    /** App → when a user last asked for something of it, or was answered. */
    const touchedAt = new Map<string, number>();
    /** App → when a user last asked for its delays to be cut short. */
    const resetAt = new Map<string, number>();
    const touch = ({ apps, method }: Request): void => {
      for (const id of apps) touchedAt.set(id, sight.now());
      if (method === 'resetDelay') for (const id of apps) resetAt.set(id, sight.now());
    };
    return {
      on: {
        asked: ({ request }) => touch(request),
        answered: ({ request }) => touch(request),
        'process-ended': ({ process: { taskId, exit }, by }) => {
          const instance = sight.instanceOf(taskId);
          if (instance === undefined || liveTask(instance)?.taskId !== taskId || instance.stop !== null) return;
          if (exit?.code != null && by !== 'agent') crashes.set(instance.id, sight.now());
        },
        'process-started': ({ process: { taskId } }) => {
          const instance = sight.instanceOf(taskId);
          const endedAt = instance === undefined ? undefined : crashes.get(instance.id);
          if (instance === undefined || endedAt === undefined) return;
          crashes.delete(instance.id);
          const ms = sight.now() - endedAt;
          const { initialMs, maxMs } = sight.specOf(instance)?.backoff ?? { initialMs: 0, maxMs: 0 };
          const isTouched = (touchedAt.get(instance.appId) ?? Number.NEGATIVE_INFINITY) > endedAt - USER_TIME_MS;
          const least = Math.min(initialMs, maxMs);
          if (ms < least && !isTouched) report(`${taskId} was started ${ms} ms after its instance had crashed, expected ${least} ms at least`);
        },
        committed: ({ by, before }) => {
          for (const [id, was] of before.instances) {
            const is = sight.database.instances.get(id);
            if (is === undefined) crashes.delete(id);
            if (is === undefined || was?.condition.kind !== 'scheduled' || was.condition.notBefore <= sight.now()) continue;
            const isKept = is.condition.kind === 'scheduled' && is.condition.notBefore >= was.condition.notBefore;
            const isReset = (resetAt.get(is.appId) ?? Number.NEGATIVE_INFINITY) > sight.now() - USER_TIME_MS;
            if (!isKept && !isReset) report(`${id}: ${by} cut its back-off short, which was to last ${was.condition.notBefore - sight.now()} ms more`);
          }
        },
      },
    };
  },
};

/** What a user asked for may take this long to have its effect. */
const USER_TIME_MS = 10_000;
