/**
 * One run from one seed: a cluster, users, bad luck for a while; then nothing bad any more, and all has to become right.
 */
import { invariant } from '@ekiden/model';
import { breachesAtRest } from './invariants.js';
import { Chance } from './world/chance.js';
import { GROUPS, HAPPENINGS } from './happenings.js';
import { derive, drawSchedule, type Entry, type Schedule } from './schedule.js';
import { Stage } from './stage.js';
import { promiseOf, tellStory } from './story.js';
import type { Traits } from './traits.js';
import { LOOK_INTERVAL_MS, Watch } from './watch.js';
import { Clients } from './workloads/clients.js';
import { World } from './world/world.js';

/** Liveness: once the faults stop, everything is as asked for within this virtual time. */
const limitMs = ({ maxInstances }: Traits): number => (maxInstances + 1) * REPLACED_MS;
/** The slowest roll-out takes one instance at a time, each of which waits 15 s for its first check, is drained, and has its grace. */
const REPLACED_MS = 40_000;
/** After that the last acknowledgements and clean-ups have this long. */
const SETTLE_MS = 30_000;
/** The master waits 75 s for an agent that is away. */
const AGENT_GIVEN_UP_MS = 90_000;
/** A probe that began in the last moment of a task's trouble has failed by then, and its task has been killed for it. */
const PROBED_MS = 10_000;
const SUPERVISE_INTERVAL_MS = 500;
const MEND_INTERVAL_MS = 2_000;
const MAX_BREACHES_TOLD = 5;

export interface RunResult {
  readonly seed: number;
  /** Null: every promise was kept. Else the story: the promise broken, who believed what, the last events. */
  readonly failure: string | null;
  /** The number of the broken promise, or a word for what has none: what a smaller schedule has to break as well. */
  readonly promise: string | null;
  /** The breaches in words; none: every promise was kept. */
  readonly breaches: readonly string[];
  readonly hash: string;
  /** Of the whole run; of a failed one, until the breach. */
  readonly virtualMs: number;
  readonly convergedInMs: number | null;
  readonly facts: Readonly<Record<string, number>>;
}

/** Promises seen broken, in words. */
class Breach extends Error {
  constructor(readonly breaches: readonly string[]) {
    super(breaches.join('\n'));
  }
}

/** Runs `minutes` of virtual time with users and faults, then waits until all is right. Never rejects. */
export const simulate = (seed: number, minutes: number): Promise<RunResult> => play(drawSchedule(seed, minutes, GROUPS));

/** The same for a schedule that somebody has drawn, made smaller, or written. */
export async function play(schedule: Schedule): Promise<RunResult> {
  const { seed, traits, busyMs } = schedule;
  const world = await World.start(seed, traits.agents, { extensions: !traits.isPlainMesos });
  const began = world.clock.now();
  const clients = new Clients(world, traits);
  const watch = new Watch(world, clients);
  const stage = new Stage(world, traits, clients);
  const stray: string[] = [];
  const onStray = (error: unknown): void => void stray.push(`an unhandled rejection: ${error instanceof Error ? error.stack : String(error)}`);
  process.on('unhandledRejection', onStray);
  let convergedInMs: number | null = null;
  let broken: readonly string[] = [];
  const check = (): void => {
    const { judge } = world;
    if (judge.breaches.length > 0 || watch.breaches.length > 0 || stray.length > 0) throw new Breach([...judge.breaches, ...watch.breaches, ...stray]);
  };

  try {
    every(world, LOOK_INTERVAL_MS, () => watch.look());
    every(world, SUPERVISE_INTERVAL_MS, () => stage.parts.supervise());
    for (const entry of schedule.entries) world.clock.after(entry.at, () => happen(stage, entry));
    await run(world, began + busyMs, check, () => false);

    stage.calm();
    const calmSince = world.clock.now();
    const mending = new Chance(derive(seed, 'mending'));
    let isMended = false;
    every(world, MEND_INTERVAL_MS, () => (isMended = clients.mend(mending)));
    // An agent that lost its disk, or a task that hangs, is given up only now: what looks right may fall apart once more.
    const quietUntil = Math.max(troubledUntil(world) + PROBED_MS, traits.mayLoseMachines ? calmSince + AGENT_GIVEN_UP_MS : calmSince);
    let rightSince: number | null = null;
    const becomesRight = (): boolean => {
      if (!isMended || !isRight(world)) rightSince = null;
      else rightSince ??= world.clock.now();
      return rightSince !== null && world.clock.now() >= quietUntil;
    };
    if (!(await run(world, calmSince + limitMs(traits), check, becomesRight)) || rightSince === null)
      throw new Breach([`still not right ${limitMs(traits) / 1000} s after the faults stopped`]);
    convergedInMs = rightSince - calmSince;
    await run(world, world.clock.now() + SETTLE_MS, check, () => false);
    watch.look();
    check();
    const last = isRight(world) ? breachesAtRest(world) : ['what had converged fell apart again'];
    if (last.length > 0) throw new Breach(last);
  } catch (error) {
    broken = error instanceof Breach ? error.breaches.slice(0, MAX_BREACHES_TOLD) : [error instanceof Error ? (error.stack ?? error.message) : String(error)];
  } finally {
    process.off('unhandledRejection', onStray);
  }
  return {
    seed,
    failure: broken.length === 0 ? null : tellStory(world, clients, began, broken),
    promise: broken[0] === undefined ? null : promiseOf(broken[0]),
    breaches: broken,
    hash: world.log.hash(),
    virtualMs: world.clock.now() - began,
    convergedInMs,
    facts: {
      steps: world.clock.steps,
      commits: watch.commits,
      events: world.paasDatabase.events[world.paasDatabase.events.length - 1]?.seq ?? 0,
      processes: watch.processesStarted,
      acknowledged: clients.acknowledged,
      ...Object.fromEntries(stage.counts),
    },
  };
}

function happen(stage: Stage, { kind, seed }: Entry): void {
  const happening = HAPPENINGS.get(kind);
  invariant(happening !== undefined, `nothing is called "${kind}": see happenings.ts`);
  if (stage.isOver()) return;
  stage.note(kind);
  happening.happen(stage, new Chance(seed));
}

/** True when `done` held; false when the time was over first. */
function run(world: World, until: number, check: () => void, done: () => boolean): Promise<boolean> {
  return world.clock.drive(until, () => {
    check();
    return done();
  });
}

function every(world: World, ms: number, work: () => void): void {
  world.clock.after(ms, () => {
    work();
    every(world, ms, work);
  });
}

/** Until when tasks that run now hang, are slow or sick, but for those whose command is to be so for ever. */
function troubledUntil(world: World): number {
  const ends = world.processes().flatMap(({ hangsUntil, sickUntil, slowUntil }) => [hangsUntil, sickUntil, slowUntil]);
  return ends.filter(Number.isFinite).reduce((last, end) => Math.max(last, end), 0);
}

/** Nothing is under way, as the API itself sees it. */
export function isRight(world: World): boolean {
  if (!world.hasMaster || !world.hasApi || !world.api.isLeading || !world.api.isConnected) return false;
  const { view } = world.api;
  return view.deployments().length === 0 && view.apps().every((app) => view.plan(app.id)?.done === true);
}
