/**
 * One deployment, and the crashes that interrupt it: whoever dies is started again, and everything has to become what was
 * asked for, without a step done twice.
 */
import { breaches, leftovers } from '../invariants.js';
import { isRight } from '../simulate.js';
import { tellStory } from '../story.js';
import type { Traits } from '../traits.js';
import { LOOK_INTERVAL_MS, Watch } from '../watch.js';
import { Clients } from '../workloads/clients.js';
import { World } from '../world/world.js';
import { CrashTrap, type Crash } from './crash-trap.js';
import { APPS, type Deployment } from './deployments.js';
import { Effects } from './effects.js';
import { PatientClient } from './patient-client.js';

/** How long a dead part stays away: it is started again at once, or when the others have noticed. */
export type Absence = 'short' | 'long';

export const AGENTS = 2;
const SEED = 1;
const SHORT_ABSENCE_MS = 100;
/** The others have noticed, and tried what they try for a while. */
const LONG_ABSENCE_MS = 20_000;
/** The master gives an agent up after 75 s. */
const LONG_ABSENCE_OF_AGENT_MS = 80_000;
/** Liveness: when everybody is back, all is as asked for within this virtual time. */
const CONVERGENCE_LIMIT_MS = 120_000;
/** What had become right has to stay so for a while. */
const AFTERGLOW_MS = 2_000;
/** Before the deployment: the last statuses are acknowledged, and everybody has written everything down. */
const QUIET_LIMIT_MS = 30_000;
/** Whether all is right is asked this often: the answer costs more than a step. */
const QUIET_LOOK_MS = 10;
const MAX_TOLD = 5;

export interface CrashRun {
  /** None: every promise was kept, and no step was done twice. */
  readonly breaches: readonly string[];
  readonly trap: CrashTrap;
  /** From the last return of a part (or the request) until all was right. */
  readonly convergedInMs: number;
  /** Of the whole run; of a failed one, until the breach. */
  readonly virtualMs: number;
  /** Who believes what at the end, and the last lines of all. */
  readonly story: () => string;
}

export async function crashRun(deployment: Deployment, crashes: readonly Crash[], absence: Absence): Promise<CrashRun> {
  const world = await World.start(SEED, AGENTS);
  const began = world.clock.now();
  const clients = new Clients(world, NO_USERS);
  const watch = new Watch(world, clients);
  const stray: string[] = [];
  const onStray = (error: unknown): void => void stray.push(`an unhandled rejection: ${error instanceof Error ? error.stack : String(error)}`);
  process.on('unhandledRejection', onStray);
  every(world, LOOK_INTERVAL_MS, () => watch.look());
  const check = (): void => {
    if (watch.breaches.length + stray.length > 0) throw new Broken([...watch.breaches, ...stray]);
  };
  await prepare(world, deployment);

  const effects = new Effects(world, APPS.join(' and '));
  let calmSince = world.clock.now();
  const trap = new CrashTrap(world, crashes, (part) => {
    calmSince = Number.POSITIVE_INFINITY;
    world.clock.after(absenceOf(part, absence), () => {
      startAgain(world, part);
      calmSince = world.clock.now();
    });
  });
  const client = new PatientClient(world, deployment.requests(world));
  deployment.meanwhile?.(world);
  let convergedInMs = Number.NaN;
  let broken: readonly string[] = [];
  try {
    client.look();
    let right = NOT_RIGHT;
    let lookAt = 0;
    while (world.clock.now() < right.since + AFTERGLOW_MS) {
      const limit = Math.min(calmSince, world.clock.now()) + CONVERGENCE_LIMIT_MS;
      if (!(await world.clock.step(limit))) throw new Broken([`still not right ${CONVERGENCE_LIMIT_MS / 1000} s after everybody was back`]);
      check();
      client.look();
      if (client.breaches.length > 0) throw new Broken(client.breaches);
      if (right.deaths !== trap.deaths) right = NOT_RIGHT;
      if (right !== NOT_RIGHT || !client.isDone || world.clock.now() < lookAt) continue;
      lookAt = world.clock.now() + QUIET_LOOK_MS;
      if (isQuiet(world)) right = { since: world.clock.now(), deaths: trap.deaths };
    }
    convergedInMs = right.since - calmSince;
    watch.look();
    await new Promise((resolve) => setImmediate(resolve));
    check();
    const wrong = [...(isQuiet(world) ? [] : ['what was right fell apart again']), ...breaches(world), ...effects.judge(deployment.expected)];
    if (wrong.length > 0) throw new Broken(wrong);
  } catch (error) {
    broken = error instanceof Broken ? error.breaches.slice(0, MAX_TOLD) : [error instanceof Error ? (error.stack ?? error.message) : String(error)];
  } finally {
    process.off('unhandledRejection', onStray);
    world.portTrap = null;
  }
  return { breaches: broken, trap, convergedInMs, virtualMs: world.clock.now() - began, story: () => tellStory(world, clients, began, broken) };
}

/** Since when all is right, and after how many deaths. */
const NOT_RIGHT = { since: Number.POSITIVE_INFINITY, deaths: 0 };

/** Nobody but the one client of the deployment does anything. */
const NO_USERS: Traits = {
  agents: AGENTS,
  mayLoseMachines: false,
  isTight: false,
  isPlainMesos: false,
  imageShare: 0,
  apps: APPS,
  maxInstances: 0,
  checkSeconds: 0,
  maxDelaySeconds: 0,
};

class Broken extends Error {
  constructor(readonly breaches: readonly string[]) {
    super(breaches.join('\n'));
  }
}

async function prepare(world: World, { before }: Deployment): Promise<void> {
  for (const body of before) await world.put(String(body['id']), { ...body });
  await world.clock.until('all is quiet', () => isQuiet(world), QUIET_LIMIT_MS);
}

function absenceOf(part: string, absence: Absence): number {
  if (absence === 'short') return SHORT_ABSENCE_MS;
  return part === 'master' || part === 'paas-api' ? LONG_ABSENCE_MS : LONG_ABSENCE_OF_AGENT_MS;
}

function startAgain(world: World, part: string): void {
  if (part === 'master') world.launchMaster();
  if (part === 'paas-api') world.bootApi();
  const host = world.hosts.find((one) => one.name === part);
  if (host !== undefined && host.process === null) world.startAgent(host);
}

/** Everybody is there, everything is as asked for, and nothing waits to be learnt or written down. */
function isQuiet(world: World): boolean {
  if (!isRight(world) || world.hosts.some((host) => host.process === null)) return false;
  const connected = world.master.state.agents().filter((agent) => agent.connected);
  return connected.length === world.hosts.length && leftovers(world).length === 0;
}

function every(world: World, ms: number, work: () => void): void {
  world.clock.after(ms, () => {
    work();
    every(world, ms, work);
  });
}
