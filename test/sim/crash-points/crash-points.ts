/**
 * Every step of every deployment: a faultless run numbers the calls that each part makes on its ports; then each call has a
 * run in which that part dies before its effect, while it is under way, and after it. Nothing is sampled.
 *
 * Double crashes: the process that comes back dies once more, at each of the first calls of its recovery.
 */
import type { CallMoment } from '../world/virtual-process.js';
import { crashRun, type Absence, type CrashRun } from './crash-run.js';
import type { Call, Crash } from './crash-trap.js';
import type { Deployment } from './deployments.js';

/** Calls of a recovery that are interrupted too. */
const RECOVERY_CALLS = 10;
/** A death at one of these is a death at rest: no double crash begins with it. */
const IDLE_CALLS: ReadonlySet<string> = new Set(['link.send ping', 'link.send pong', 'stream.event HEARTBEAT', 'probe.http', 'store.confirm']);

export interface Case {
  readonly deployment: Deployment;
  readonly crashes: readonly Crash[];
  readonly absence: Absence;
}

/** The calls of each part in a run without a crash. Throws when even that breaks something. */
export async function enumerate(deployment: Deployment): Promise<ReadonlyMap<string, readonly Call[]>> {
  const { trap, breaches, story } = await crashRun(deployment, [], 'short');
  if (breaches.length > 0) throw new Error(`${deployment.name} goes wrong without a crash:\n${story()}`);
  return new Map(trap.parts().map((part) => [part, trap.calls(part, 0)]));
}

/** One crash at each call. */
export function* singleCrashes(deployment: Deployment, calls: ReadonlyMap<string, readonly Call[]>, absence: Absence): Generator<Case> {
  for (const [part, all] of calls)
    for (const [index, call] of all.entries())
      for (const moment of momentsOf(call)) yield { deployment, absence, crashes: [{ part, life: 0, call: index + 1, moment }] };
}

/**
 * After each call that is not idle, and again at each call of the recovery from it; `before` one is as `after` the one before it.
 * The first crash is run to see what the recovery calls.
 */
export async function* doubleCrashes(deployment: Deployment, calls: ReadonlyMap<string, readonly Call[]>): AsyncGenerator<Case> {
  for (const [part, all] of calls) {
    for (const [index, call] of all.entries()) {
      if (IDLE_CALLS.has(call.name)) continue;
      const first: Crash = { part, life: 0, call: index + 1, moment: 'after' };
      const { trap } = await crashRun(deployment, [first], 'short');
      const recovery = trap.calls(part, 1).slice(0, RECOVERY_CALLS);
      for (const [at, second] of recovery.entries())
        for (const moment of momentsOf(second).slice(1)) yield { deployment, absence: 'short', crashes: [first, { part, life: 1, call: at + 1, moment }] };
    }
  }
}

/** One that is answered at once has no time in between. */
const momentsOf = ({ isLater }: Call): readonly CallMoment[] => (isLater ? ['before', 'during', 'after'] : ['before', 'after']);

/** Deployment, process, number and name of the call, moment. */
export function describe({ deployment, absence, crashes }: Case, { trap }: CrashRun): string {
  const points = crashes.map((crash) => {
    const port = trap.sprung.find((one) => one.crash === crash)?.port ?? 'which did not come';
    const life = crash.life === 0 ? '' : ', once started again,';
    return `${crash.part}${life} dies ${crash.moment} its call ${crash.call} (${port})`;
  });
  return `${deployment.name}: ${points.join('; ')}; it is away for a ${absence} time`;
}

/** For the command line: `agent-1:4:after` or, of a process that was started again, `agent-1/1:2:before`. */
export const writeCrash = ({ part, life, call, moment }: Crash): string => `${part}${life === 0 ? '' : `/${life}`}:${call}:${moment}`;

export function readCrash(text: string): Crash {
  const [, part = '', life = '0', call = '', moment = ''] = /^([\w-]+)(?:\/(\d+))?:(\d+):(before|during|after)$/.exec(text) ?? [];
  if (moment !== 'before' && moment !== 'during' && moment !== 'after') throw new Error(`"${text}" is no crash point: try agent-1:4:after`);
  return { part, life: Number(life), call: Number(call), moment };
}
