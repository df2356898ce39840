/** Tasks crash, hang, get slow or sick for a while, do not listen to SIGTERM, end as they are told to; or cannot be started at all. */
import { parseTaskId } from '@ekiden/model';
import type { Happening } from '../happening.js';
import type { Chance } from '../world/chance.js';
import type { SimProcess } from '../world/sim-process.js';
import type { World } from '../world/world.js';

const SICK_MS = 3_000;
const WELL_MS = 3_000;
const MAX_FLAPS = 12;

export const taskCrashes: Happening = {
  name: 'a task crashes',
  meanMs: 20_000,
  happen({ world }, chance) {
    const { machine } = chance.pick(world.hosts);
    const alive = machine.alive();
    if (alive.length > 0) machine.end(chance.pick(alive).taskId, chance.pick([{ code: 1 }, { signal: 'SIGKILL' }, { code: 0 }]));
  },
};

export const taskGetsSick: Happening = {
  name: 'a task gets sick',
  meanMs: 20_000,
  happen({ world }, chance) {
    const alive = chance.pick(world.hosts).machine.alive();
    if (alive.length > 0) chance.pick(alive).sickUntil = world.clock.now() + chance.around(8_000);
  },
};

/** Sick and well again, over and over, all tasks of one machine at once. */
export const tasksFlap: Happening = {
  name: 'the health of a machine flaps',
  meanMs: 120_000,
  happen({ world, isOver }, chance) {
    const { machine } = chance.pick(world.hosts);
    const flap = (left: number): void => {
      if (left === 0 || isOver()) return;
      for (const process of machine.alive()) process.sickUntil = world.clock.now() + SICK_MS;
      world.clock.after(SICK_MS + chance.around(WELL_MS), () => flap(left - 1));
    };
    flap(chance.int(2, MAX_FLAPS));
  },
};

/** What all of them need does not answer: the health checks of all fail, and no restart helps. */
export const appGetsSick: Happening = {
  name: 'a dependency of an app is away',
  meanMs: 60_000,
  happen({ world }, chance) {
    const alive = world.processes();
    if (alive.length === 0) return;
    const app = parseTaskId(chance.pick(alive).taskId)?.appId;
    const until = world.clock.now() + chance.around(20_000);
    for (const process of alive) if (parseTaskId(process.taskId)?.appId === app) process.sickUntil = until;
  },
};

export const taskHangs: Happening = {
  name: 'a task hangs',
  meanMs: 30_000,
  happen({ world }, chance) {
    const process = someone(world, chance);
    if (process === null) return;
    process.hangsUntil = world.clock.now() + chance.around(15_000);
    process.ignoresTerm ||= chance.hit(0.5);
  },
};

export const taskGetsSlow: Happening = {
  name: 'a task gets slow',
  meanMs: 30_000,
  happen({ world }, chance) {
    const process = someone(world, chance);
    if (process === null) return;
    process.slowMs = chance.pick([100, 900, 1_500]);
    process.slowUntil = world.clock.now() + chance.around(15_000);
  },
};

export const taskIgnoresTerm: Happening = {
  name: 'a task does not listen to SIGTERM, or takes its time',
  meanMs: 20_000,
  happen({ world }, chance) {
    const process = someone(world, chance);
    if (process === null) return;
    if (chance.hit(0.5)) process.ignoresTerm = true;
    else process.stopMs = chance.int(1, 4_000);
  },
};

export const taskEndsAsItIsKilled: Happening = {
  name: 'a task ends at the very moment at which it is killed',
  meanMs: 20_000,
  happen({ world }, chance) {
    const process = someone(world, chance);
    if (process !== null) process.endsAtTerm = chance.pick([{ code: 0 }, { code: 1 }, { signal: 'SIGSEGV' }]);
  },
};

export const forksFail: Happening = {
  name: 'a machine cannot start anything',
  meanMs: 100_000,
  happen({ world }, chance) {
    const { machine } = chance.pick(world.hosts);
    machine.forkError = 'fork: resource temporarily unavailable';
    world.clock.after(chance.around(5_000), () => (machine.forkError = null));
  },
};

function someone(world: World, chance: Chance): SimProcess | null {
  const alive = chance.pick(world.hosts).machine.alive();
  return alive.length === 0 ? null : chance.pick(alive);
}
