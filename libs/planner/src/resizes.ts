/**
 * Which running instances get the new size of their app next, where they run.
 *
 * Nothing goes down by it, so promise 4 asks for nothing. They come in batches all the same, as many as a roll-out would replace at
 * once, and while those that have the size are seen not to work, no other one gets it. One for which a change is under way gets
 * the newest size at once. Where the master cannot do it, each is said to be unable, and is replaced as one of an older config is.
 * Absent on purpose: room on the agent, and the patience with which it is waited for (paas-api's resize-loop.ts).
 */
import { isOutdated, liveTask, smallerSize, type Resize } from '@ekiden/model';
import type { Budget } from './budget.js';
import { isUsable } from './health.js';
import type { AppView, InstanceView, Step } from './view.js';

type Target = NonNullable<AppView['target']>;

export interface ResizePlan {
  readonly steps: readonly Step[];
  /** All that have not got their size yet, those under way among them. */
  readonly due: readonly InstanceView[];
}

/** `current`: the instances of the target's config that are to stay. */
export function planResizes(view: AppView, target: Target, current: readonly InstanceView[], budget: Budget, proving: number | null): ResizePlan {
  const due = current.filter((one) => isDue(one, target));
  const able = due.filter(({ instance }) => instance.condition.kind === 'running' && instance.stop === null);
  const { sizeVersion: revision = 0 } = target;
  const underWay = able.filter(({ instance }) => instance.resize !== undefined);
  const outstripped = underWay.filter(({ instance }) => instance.resize?.revision !== revision);
  const fresh = able.filter(({ instance }) => instance.resize === undefined).sort((a, b) => (a.instance.id < b.instance.id ? -1 : 1));
  const refusal = view.resizeRefusal ?? null;
  const room = Math.max(1, budget.maxTotal - budget.minHealthy) - underWay.length - current.filter((one) => isProving(one, view, target, proving)).length;
  const next = refusal === null ? [...outstripped, ...fresh.slice(0, Math.max(0, room))] : able;
  return { steps: next.map((one) => stepOf(one, target, revision, refusal)), due };
}

/** Runs, or is on its way to, with another size than the app's. */
export const isDue = ({ instance }: InstanceView, { sizeVersion, configVersion }: Target): boolean =>
  sizeVersion !== undefined && instance.version < sizeVersion && !isOutdated(instance, configVersion) && liveTask(instance) !== null;

function stepOf({ instance, spec: own }: InstanceView, { spec, version }: Target, revision: number, refusal: string | null): Step {
  const size = { cpusMilli: spec.cpusMilli, memMib: spec.memMib };
  // With the version it would get a check that its agent has never run.
  const isOtherwise = JSON.stringify(own.readinessCheck) !== JSON.stringify(spec.readinessCheck);
  const now = { cpusMilli: own.cpusMilli, memMib: own.memMib };
  const before = instance.resize;
  const least = before === undefined ? now : smallerSize(before.least, before.size);
  const resize: Resize = { version, revision, size, least, refused: refusal ?? (isOtherwise ? 'its readiness check has changed since it was launched' : null) };
  return { kind: 'resize', instanceId: instance.id, resize };
}

/** Has the size, was launched, and has not (or no longer) shown that it works with it. One that waits for an offer proves nothing. */
function isProving(one: InstanceView, { now }: AppView, { sizeVersion = 0 }: Target, proving: number | null): boolean {
  const { version, incarnation, condition, stop } = one.instance;
  if (version < sizeVersion || incarnation === 0 || stop !== null || isUsable(one, proving)) return false;
  return condition.kind !== 'scheduled' || condition.notBefore > now;
}
