/**
 * What an app waits for, in sentences with numbers: every plan that is neither done nor has steps has at least one.
 *
 * A deployment that stands still is explained from these (promise 8); `kind` is for programs, `text` for people.
 */
import { liveTask } from '@ekiden/model';
import { healthOf, isReady } from './health.js';
import type { Budget } from './budget.js';
import { isImageOpen, scoutsWanted } from './image-scouts.js';
import { isDue } from './resizes.js';
import type { Census, RolloutSteps, Target } from './rollout.js';
import type { AppView, InstanceView, Waiting, WaitingFor } from './view.js';

export function describeWaiting(view: AppView, target: Target, census: Census, rollout: RolloutSteps, budget: Budget, proving: number | null): Waiting[] {
  const groups = new Map<WaitingFor, InstanceView[]>();
  const put = (kind: WaitingFor, one: InstanceView): void => {
    const group = groups.get(kind);
    if (group) group.push(one);
    else groups.set(kind, [one]);
  };
  const isHeld = view.holdsForImages === true && isHeldForImage(target, census);
  for (const one of census.current) {
    const kind = waitOf(one, view.now, proving, target);
    if (kind !== null) put(kind === 'offer' && isHeld ? 'image' : kind, one);
  }
  for (const one of census.leaving) put('stop', one);

  const refused = refusedLaunches(view, target, census, groups.get('offer') ?? []);
  if (refused !== null) groups.delete('offer');
  const wanted = target.spec.instances;
  const waiting = [...groups].map(([kind, members]): Waiting => ({
    kind,
    instanceIds: members.map((one) => one.instance.id),
    text: sentence(kind, members, wanted, view.now),
  }));
  if (refused !== null) waiting.push(refused);
  waiting.push(...unableToResize(census.old));
  const capacity = capacityText(view, census, rollout, budget);
  if (capacity !== null) waiting.push({ kind: 'capacity', instanceIds: census.old.map((one) => one.instance.id), text: capacity });
  return waiting;
}

/** Nothing is launched before it is known which image it is. */
const isHeldForImage = ({ spec, imageDigest }: Target, { current }: Census): boolean =>
  isImageOpen(spec, imageDigest) && scoutsWanted(current.map(({ instance }) => instance)) === 'none';

/** Why some are replaced although their size could be changed in place. */
function unableToResize(old: readonly InstanceView[]): Waiting[] {
  const unable = old.filter(({ instance }) => (instance.resize?.refused ?? null) !== null);
  const [first] = unable;
  if (first === undefined) return [];
  const text = `${unable.length} ${unable.length === 1 ? 'instance is' : 'instances are'} replaced instead of being resized in place: ${first.instance.resize?.refused ?? ''}`;
  return [{ kind: 'resize', instanceIds: unable.map(({ instance }) => instance.id), text }];
}

/** Instances that no offer would help, recorded or not, or null. */
function refusedLaunches(view: AppView, { spec }: Target, { current }: Census, waiting: readonly InstanceView[]): Waiting | null {
  const why = view.launchRefusal ?? null;
  const count = spec.instances - current.filter(({ instance }) => liveTask(instance) !== null).length;
  if (why === null || count <= 0) return null;
  const text = `${count} of ${spec.instances} ${spec.instances === 1 ? 'instance' : 'instances'} cannot be launched: ${why}`;
  return { kind: 'master', instanceIds: waiting.map(({ instance }) => instance.id), text };
}

function waitOf(one: InstanceView, now: number, proving: number | null, target: Target): WaitingFor | null {
  if (one.instance.stop !== null) return 'stop';
  const { condition } = one.instance;
  switch (condition.kind) {
    case 'scheduled':
      return condition.notBefore > now ? 'backoff' : 'offer';
    case 'provisioned':
    case 'staging':
      return 'start';
    case 'unreachable':
      return 'unreachable';
    case 'terminal':
      return 'stop';
    case 'running':
      break;
  }
  if (isDue(one, target)) return 'resize';
  if (healthOf(one) !== 'healthy') return 'health';
  return isReady(one, proving) ? null : 'readiness';
}

function sentence(kind: WaitingFor, members: readonly InstanceView[], wanted: number, now: number): string {
  const count = members.length;
  const of = `${count} of ${wanted} ${wanted === 1 ? 'instance' : 'instances'}`;
  const verb = (one: string, many: string): string => (count === 1 ? one : many);
  switch (kind) {
    case 'offer':
      return `${of} ${verb('waits', 'wait')} for an offer`;
    case 'image':
      return `${of} ${verb('waits', 'wait')} until the first one knows which image it is`;
    case 'backoff': {
      const ends = members.map(({ instance }) => (instance.condition.kind === 'scheduled' ? instance.condition.notBefore : now));
      return `${of} ${verb('waits', 'wait')} after a failure, the next launch is in ${seconds(Math.min(...ends) - now)}`;
    }
    case 'start':
      return `${of} ${verb('is', 'are')} starting${noteOf(members)}`;
    case 'health': {
      const failing = members.filter((one) => healthOf(one) === 'unhealthy').length;
      return `${of} ${verb('runs', 'run')} and ${verb('is', 'are')} not healthy yet (${failing} failing, ${count - failing} without a result)`;
    }
    case 'readiness':
      return `${of} ${verb('is', 'are')} healthy and not ready yet`;
    case 'resize': {
      const turns = members.filter(({ instance }) => instance.resize === undefined).length;
      const rest = turns === 0 ? '' : `, ${turns} of them once the others have shown that they work`;
      return `${of} ${verb('is', 'are')} to be resized in place${rest}`;
    }
    case 'stop':
      return `${count} ${verb('instance is', 'instances are')} being stopped`;
    case 'unreachable':
      return `${of} ${verb('is', 'are')} on an agent that is out of reach`;
    case 'version':
    case 'master':
    case 'capacity':
      break;
  }
  return of;
}

/** What the first that says anything is busy with. */
function noteOf(members: readonly InstanceView[]): string {
  const notes = members.flatMap(({ instance }) =>
    instance.condition.kind === 'staging' && instance.condition.note !== undefined ? [instance.condition.note] : [],
  );
  return notes[0] === undefined ? '' : ` (${notes[0]})`;
}

function capacityText(view: AppView, census: Census, { held, unplaced }: RolloutSteps, { minHealthy, maxTotal }: Budget): string | null {
  if (held === 0 && unplaced === 0) return null;
  const parts = [`${view.instances.length - census.away.length} instances exist and at most ${maxTotal} may`, `${minHealthy} have to stay healthy`];
  const subject =
    held > 0 ? `${held} old or surplus ${held === 1 ? 'instance has' : 'instances have'} to stay for now` : `${unplaced} more cannot be added yet`;
  return `${subject}: ${parts.join(', ')}`;
}

const seconds = (ms: number): string => `${Math.ceil(ms / 1000)} s`;
