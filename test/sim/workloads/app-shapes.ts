/**
 * Random app definitions, good and bad, and which of them cannot be left as they are when everything has to become right.
 *
 * Commands are words of the simulated machine (`world/virtual-machine.ts`); `(bad)` marks what never becomes healthy. What is an image, and
 * in which network: `image-shapes.ts`.
 */
import type { AppSpec } from '@ekiden/model';
import type { Traits } from '../traits.js';
import type { Chance } from '../world/chance.js';
import { anyPort, aPlace, needsLuckyPorts } from './image-shapes.js';

export const BACKOFF_MS = 1_000;
const SMALL_CPUS = 0.1;
const BIG_CPUS = 0.7;
/** Fits on no machine. */
const HUGE_CPUS = 64;
const MAX_COMMANDS = 1_000_000;

export type Body = Readonly<Record<string, unknown>>;

/** A whole definition. */
export function aNewApp(chance: Chance, traits: Traits): Body {
  return {
    cmd: aGoodCommand(chance),
    cpus: traits.isTight ? BIG_CPUS : SMALL_CPUS,
    mem: 64,
    instances: chance.int(1, traits.maxInstances),
    ...aPlace(chance, traits),
    ...checks(chance, traits),
    drainSeconds: chance.hit(0.3) ? 3 : 0,
    upgradeStrategy: { minimumHealthCapacity: chance.pick([0, 0.5, 1]), maximumOverCapacity: chance.pick([0, 0.5, 1]) },
    unreachableStrategy: anUnreachableStrategy(chance, traits),
    killSelection: chance.pick(['YOUNGEST_FIRST', 'OLDEST_FIRST']),
    constraints: chance.hit(0.2) ? [['hostname', 'GROUP_BY']] : [],
    backoffSeconds: BACKOFF_MS / 1000,
    backoffFactor: 1.5,
    maxLaunchDelaySeconds: traits.maxDelaySeconds,
    progressDeadlineSeconds: 120,
  };
}

/** It says all that there is to say: what it leaves out is left out. */
export const isWhole = (body: Body): boolean => 'upgradeStrategy' in body;

export const aGoodCommand = (chance: Chance): string => `run ${aNumber(chance)}${chance.hit(0.15) ? ' ignore-term' : ''}`;

/** A new version that cannot succeed. */
export function aBadChange(chance: Chance): Body {
  const number = aNumber(chance);
  return chance.pick<Body>([
    { cmd: `exit 1 after ${chance.int(1, 3000)} (bad) ${number}` },
    { cmd: `exit 0 after ${chance.int(1, 3000)} (bad) ${number}` },
    { cmd: `run unhealthy (bad) ${number}` },
    { cmd: `cannot start (bad) ${number}` },
    { cpus: HUGE_CPUS },
    { cmd: `run unhealthy (bad) ${number}`, rollbackWhenStuck: true },
  ]);
}

/** What makes a bad app a good one. `spec`: what it is now; null: nothing. */
export const aMendedApp = (chance: Chance, { maxInstances }: Traits, spec: AppSpec | null): Body => ({
  cmd: aGoodCommand(chance),
  cpus: SMALL_CPUS,
  instances: chance.int(1, maxInstances),
  mem: 64,
  constraints: [],
  requirePorts: false,
  ...anyPort(spec),
});

/** It takes room that others need. */
export const mustGo = (spec: AppSpec): boolean => spec.cpusMilli > SMALL_CPUS * 1000;

/** It cannot become right as it is, or only where it has luck with the machines. */
export function needsMending(spec: AppSpec): boolean {
  return (
    spec.requirePorts ||
    needsLuckyPorts(spec) ||
    spec.constraints.some(({ operator, value }) => operator !== 'GROUP_BY' || value !== null) ||
    JSON.stringify(spec).includes('(bad)')
  );
}

/** Commands differ, so that each is a new version. */
const aNumber = (chance: Chance): number => chance.int(1, MAX_COMMANDS);

/** A plain Mesos knows no readiness, and kills a task when its only check fails. */
function checks(chance: Chance, { checkSeconds, isPlainMesos }: Traits): Body {
  const healthCheck = {
    protocol: 'MESOS_HTTP',
    path: '/',
    portIndex: 0,
    gracePeriodSeconds: checkSeconds,
    intervalSeconds: checkSeconds,
    timeoutSeconds: 1,
    maxConsecutiveFailures: chance.pick(isPlainMesos ? [1, 2] : [0, 2, 2]),
  };
  const readinessCheck = { name: 'ready', protocol: 'HTTP', path: '/', portName: 'http', intervalSeconds: 2, timeoutSeconds: 1 };
  return { readinessChecks: chance.hit(0.2) && !isPlainMesos ? [readinessCheck] : [], healthChecks: chance.hit(0.5) ? [healthCheck] : [] };
}

const anUnreachableStrategy = (chance: Chance, { mayLoseMachines }: Traits): unknown =>
  chance.pick<unknown>([
    { inactiveAfterSeconds: 0, expungeAfterSeconds: 0 },
    { inactiveAfterSeconds: 30, expungeAfterSeconds: 120 },
    mayLoseMachines ? { inactiveAfterSeconds: 0, expungeAfterSeconds: 60 } : 'disabled',
  ]);
