/** What most scenarios say: the app they use, its check, and that all is as it was asked for and no promise is broken. */
import { appId, type Instance } from '@ekiden/model';
import type { SchedulerCall } from '@ekiden/mesos';
import { breaches } from '../invariants.js';
import type { SimProcess } from '../world/sim-process.js';
import type { World } from '../world/world.js';

export const WEB = appId('/shop/web');
export const CART = appId('/shop/cart');

/** Ports, and a check that asks the process behind the first of them, every two seconds; it never kills. */
export const CHECKED = {
  portDefinitions: [{ port: 0, name: 'http' }],
  healthChecks: [
    {
      protocol: 'MESOS_HTTP',
      path: '/',
      portIndex: 0,
      gracePeriodSeconds: 1,
      intervalSeconds: 2,
      timeoutSeconds: 1,
      delaySeconds: 0,
      maxConsecutiveFailures: 0,
    },
  ],
};

/** The same, and it kills at the `failures`-th failure in a row. */
export const killingAt = (failures: number) => ({
  ...CHECKED,
  healthChecks: CHECKED.healthChecks.map((check) => ({ ...check, maxConsecutiveFailures: failures })),
});

export const isLaunch = (call: SchedulerCall): boolean => call.type === 'ACCEPT' && (call.accept.operations ?? []).length > 0;

/** Commands of what really runs, sorted. */
export const commands = (world: World): string[] =>
  world
    .processes()
    .map(({ command }) => command)
    .sort();

export const copies = (count: number, command: string): string[] => Array.from({ length: count }, () => command);

/** It converges, exactly these commands run, and nothing is broken. */
export async function expectRight(world: World, expected: readonly string[], limitMs?: number): Promise<void> {
  await world.converged(limitMs);
  expect(commands(world)).toEqual([...expected].sort());
  expect(breaches(world)).toEqual([]);
}

export const taskIds = (world: World): string[] =>
  world
    .processes()
    .map(({ taskId }) => taskId as string)
    .sort();

/** The instance whose task this process is. */
export function instanceOf(world: World, process: SimProcess): Instance {
  const instance = world.api.view.instanceOfTask(process.taskId);
  if (instance === null) throw new Error(`${process.taskId} belongs to no instance`);
  return instance;
}

/** Ends this process as if it had crashed. */
export const crash = (world: World, process: SimProcess, code = 1): void => world.hosts.forEach(({ machine }) => machine.end(process.taskId, { code }));

export const makeSick = (process: SimProcess): void => void (process.sickUntil = Number.POSITIVE_INFINITY);

/** Everything that people are told about what an app waits for. */
export function reasons(world: World, id = WEB): string {
  const { view } = world.api;
  const plan = view.plan(id)?.waitingFor.map(({ text }) => text) ?? [];
  const queue = view.queue().flatMap((item) => [item.heldBecause ?? '', ...item.refusals.map(({ reason, text }) => `${reason}: ${text}`)]);
  return [...plan, ...queue, ...view.deployments().map(({ reason }) => reason)].join('\n');
}
