/**
 * The deployments that are interrupted at every step, each with what it may do: how many processes it starts and ends, how
 * many instances and versions it makes. A crash of Ekiden changes none of these numbers.
 */
import { appId, type AppId } from '@ekiden/model';
import type { PaasApi, PaasView } from '../../../apps/paas-api/src/paas-api.js';
import type { DeploymentState } from '../../../apps/paas-api/src/store/paas-store.js';
import { CALLER, type World } from '../world/world.js';
import type { Effects, Expected } from './effects.js';
import type { Request } from './patient-client.js';

type Body = Readonly<Record<string, unknown>>;

export interface Deployment {
  readonly name: string;
  /** What is there before. */
  readonly before: readonly Body[];
  /** Made anew for each run. */
  readonly requests: (world: World) => readonly Request[];
  /** Happens by itself meanwhile. */
  readonly meanwhile?: (world: World) => void;
  readonly expected: Expected;
  /** Its recoveries from a crash are interrupted as well. */
  readonly isInterruptedTwice?: boolean;
}

const WEB = appId('/shop/web');
const CART = appId('/shop/cart');
export const APPS = [WEB, CART];
const CHECK = { protocol: 'MESOS_HTTP', path: '/', portIndex: 0, delaySeconds: 0, gracePeriodSeconds: 5, intervalSeconds: 5, timeoutSeconds: 1 };
/** An agent that is away for a while keeps its instances, and is waited for. */
const PATIENT = { inactiveAfterSeconds: 600, expungeAfterSeconds: 1_200 };

const app = (id: AppId, cmd: string, instances: number, more: Body = {}): Body => ({
  id,
  cmd,
  instances,
  cpus: 0.1,
  mem: 32,
  portDefinitions: [{ port: 0, name: 'http' }],
  healthChecks: [{ ...CHECK, maxConsecutiveFailures: 0 }],
  unreachableStrategy: PATIENT,
  upgradeStrategy: { minimumHealthCapacity: 1, maximumOverCapacity: 0.34 },
  ...more,
});

const times = (count: number, command: string): string[] => Array.from({ length: count }, () => command);

/** PUT of some apps, in full. */
function put(what: string, bodies: readonly Body[], force = false): Request {
  const changes = bodies.map((body) => ({ id: appId(String(body['id'])), body, partial: false, expect: 'any' as const }));
  return {
    what,
    send: (api) => api.changeApps(changes, { force, caller: CALLER }),
    isTaken: (view) => bodies.every((body) => isDesired(view, body)),
  };
}

function isDesired(view: PaasView, body: Body): boolean {
  const id = appId(String(body['id']));
  const version = view.app(id)?.desiredVersion ?? null;
  const definition = version === null ? null : (view.version(id, version)?.definition ?? null);
  return definition !== null && definition['cmd'] === body['cmd'] && definition['instances'] === body['instances'];
}

const isStuck = (view: PaasView): boolean => view.deployments().some((row) => row.stuckSince !== null);

/** Three tasks get twice the cpus and half the memory, or the other way round. */
const resizeTo = (cpus: number, mem: number): Request => ({
  ...put('resize', [app(WEB, 'run v1', 3, { cpus, mem, resizeInPlace: true })]),
  isTaken: (view) => view.version(WEB, view.app(WEB)?.desiredVersion ?? 0)?.definition['cpus'] === cpus,
});

const sizedAs =
  (cpusMilli: number, memMib: number) =>
  (_effects: Effects, world: World): string[] =>
    world
      .processes()
      .flatMap(({ taskId, size }) => (size.cpusMilli === cpusMilli && size.memMib === memMib ? [] : [`${taskId} has ${size.cpusMilli}/${size.memMib}`]));

/** Cancels a deployment, which rolls it back. */
const rollBack: Request = {
  what: 'roll back',
  when: (view) => isStuck(view) || view.deployments().every((row) => row.rollbackOf !== null),
  send: async (api) => {
    const stuck = api.view.deployments().find((row) => row.rollbackOf === null);
    // A repetition of what was taken: nothing is left to be cancelled.
    if (stuck !== undefined) await api.cancelDeployment(stuck.id, { force: false });
  },
  isTaken: (view) => isDesired(view, app(WEB, 'run v1', 3)),
};

/** One of three is killed, and the app wants one less from now on. */
function killAndScale(world: World, force: boolean): Request {
  const victim = world.api.view.instances(WEB)[1]?.id ?? '';
  return {
    what: `kill ${victim} and scale${force ? ', by force' : ''}`,
    send: (api) => api.killTasks([victim], { scale: true, wipe: false, force }),
    isTaken: (view) => view.version(WEB, view.app(WEB)?.desiredVersion ?? 0)?.definition['instances'] === 2,
  };
}

const restart: Request = {
  what: 'restart',
  send: (api: PaasApi) => api.restartApp(WEB, { force: false }),
  isTaken: (view) => view.deploymentsOf(WEB).length > 0,
};

const remove: Request = {
  what: 'DELETE',
  send: (api: PaasApi) => api.deleteApp(WEB, { force: true }),
  isTaken: (view) => (view.app(WEB)?.desiredVersion ?? null) === null,
};

const DONE: readonly DeploymentState[] = ['succeeded'];
const V1 = app(WEB, 'run v1', 3);
const ROLLED = { starts: 3, ends: 3, instances: 3, versions: 1, deployments: DONE, commands: times(3, 'run v2'), survivors: 0 };
const ROLLED_BACK = { starts: 1, ends: 1, instances: 1, commands: times(3, 'run v1'), survivors: 3, mayBeFutile: true };
const KILLED = { starts: 0, ends: 1, instances: 0, versions: 1, deployments: DONE, commands: times(2, 'run v1'), survivors: 2 };

/** The later app is touched only when all of the earlier one is new. */
function inOrder(effects: Effects): string[] {
  const lastCart = effects.started.findLastIndex((one) => one.command === 'cart v2');
  const firstWeb = effects.started.findIndex((one) => one.command === 'run v2');
  return firstWeb < lastCart ? ['4. an app was rolled before the one that it depends on'] : [];
}

const IMAGE = 'shop/web:1';
const ofImage = (instances: number): Body => app(WEB, 'run v1', instances, { container: { type: 'DOCKER', docker: { image: IMAGE } } });
/** As the machine sees its command. */
const IN_IMAGE = '/bin/sh -c run v1';

function runOneImage(_effects: Effects, world: World): string[] {
  const images = new Set(world.processes().map(({ spec }) => spec.container?.image.registryDigest));
  return images.size === 1 ? [] : [`one version runs ${images.size} images`];
}

const FRONT = app(WEB, 'run v1', 2, { dependencies: [CART] });

export const DEPLOYMENTS: readonly Deployment[] = [
  {
    name: 'create',
    isInterruptedTwice: true,
    before: [],
    requests: () => [put('create', [V1])],
    expected: { starts: 3, ends: 0, instances: 3, versions: 1, deployments: DONE, commands: times(3, 'run v1'), survivors: 0 },
  },
  {
    name: 'scale up',
    before: [app(WEB, 'run v1', 2)],
    requests: () => [put('scale to 4', [app(WEB, 'run v1', 4)])],
    expected: { starts: 2, ends: 0, instances: 2, versions: 1, deployments: DONE, commands: times(4, 'run v1'), survivors: 2 },
  },
  {
    name: 'scale down',
    isInterruptedTwice: true,
    before: [app(WEB, 'run v1', 4)],
    requests: () => [put('scale to 2', [app(WEB, 'run v1', 2)])],
    expected: { starts: 0, ends: 2, instances: 0, versions: 1, deployments: DONE, commands: times(2, 'run v1'), survivors: 2 },
  },
  {
    name: 'roll',
    isInterruptedTwice: true,
    before: [V1],
    requests: () => [put('roll', [app(WEB, 'run v2', 3)])],
    expected: ROLLED,
  },
  {
    name: 'roll back',
    isInterruptedTwice: true,
    before: [V1],
    requests: () => [put('roll to a bad version', [app(WEB, 'run unhealthy', 3, { progressDeadlineSeconds: 10 })]), rollBack],
    expected: { ...ROLLED_BACK, versions: 2, deployments: ['rolled-back', 'succeeded'] },
  },
  {
    name: 'roll back by itself',
    before: [V1],
    requests: () => [put('roll to a bad version', [app(WEB, 'run unhealthy', 3, { progressDeadlineSeconds: 10, rollbackWhenStuck: true })])],
    expected: { ...ROLLED_BACK, versions: 2, deployments: ['rolled-back', 'succeeded'] },
  },
  {
    name: 'delete',
    isInterruptedTwice: true,
    before: [V1],
    requests: () => [remove],
    expected: { starts: 0, ends: 3, instances: 0, versions: 0, deployments: DONE, commands: [], survivors: 0, also: allIsGone },
  },
  {
    name: 'roll with a dependency',
    before: [app(CART, 'cart v1', 2), FRONT],
    requests: () => [put('roll both', [app(CART, 'cart v2', 2), { ...FRONT, cmd: 'run v2' }])],
    expected: {
      starts: 4,
      ends: 4,
      instances: 4,
      versions: 2,
      deployments: DONE,
      commands: [...times(2, 'cart v2'), ...times(2, 'run v2')],
      survivors: 0,
      also: inOrder,
    },
  },
  { name: 'kill and scale', before: [V1], requests: (world) => [killAndScale(world, false)], expected: KILLED },
  { name: 'kill and scale by force', before: [V1], requests: (world) => [killAndScale(world, true)], expected: KILLED },
  {
    name: 'restart',
    before: [V1],
    requests: () => [restart],
    expected: { ...ROLLED, commands: times(3, 'run v1') },
  },
  {
    name: 'resize',
    isInterruptedTwice: true,
    before: [app(WEB, 'run v1', 3, { mem: 64, resizeInPlace: true })],
    requests: () => [resizeTo(0.2, 32)],
    expected: { starts: 0, ends: 0, instances: 0, versions: 1, deployments: DONE, commands: times(3, 'run v1'), survivors: 3, also: sizedAs(200, 32) },
  },
  {
    name: 'create of an image',
    isInterruptedTwice: true,
    before: [],
    requests: () => [put('create', [ofImage(3)])],
    expected: { starts: 3, ends: 0, instances: 3, versions: 1, deployments: DONE, commands: times(3, IN_IMAGE), survivors: 0, also: runOneImage },
  },
  {
    name: 'scale up of an image whose tag has moved',
    before: [ofImage(1)],
    requests: (world) => {
      world.registry.push(IMAGE);
      return [put('scale to 3', [ofImage(3)])];
    },
    expected: { starts: 2, ends: 0, instances: 2, versions: 1, deployments: DONE, commands: times(3, IN_IMAGE), survivors: 1, also: runOneImage },
  },
  {
    name: 'roll while an agent restarts',
    before: [V1],
    requests: () => [put('roll', [app(WEB, 'run v2', 3)])],
    meanwhile: (world) => {
      const host = world.hosts[1];
      world.clock.after(20, () => host?.process != null && world.killAgent(host));
      world.clock.after(400, () => host?.process === null && world.startAgent(host));
    },
    expected: ROLLED,
  },
];

function allIsGone(_effects: Effects, world: World): string[] {
  const { apps, instances, versions } = world.paasDatabase;
  return apps.size + instances.size + versions.size === 0 ? [] : ['1. rows of a deleted app are left'];
}
