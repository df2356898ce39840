/** Somebody hears nothing, or is not heard, for a while; or one connection breaks, stalls, or is over for one of its ends only. */
import type { Happening } from '../happening.js';
import { awayMs } from '../parts.js';
import type { Stage } from '../stage.js';
import type { Chance } from '../world/chance.js';
import type { Cutoff } from '../world/virtual-wire.js';
import type { End, Wire } from '../world/virtual-wire.js';
import type { World } from '../world/world.js';

const MAX_STALL_MS = 120_000;

export const agentIsCutOff: Happening = {
  name: 'an agent is cut off',
  meanMs: 20_000,
  happen(stage, chance) {
    isolate(stage, chance, chance.pick(stage.world.hosts).name);
  },
};

export const apiIsCutOff: Happening = {
  name: 'paas-api is cut off',
  meanMs: 40_000,
  happen(stage, chance) {
    isolate(stage, chance, 'paas-api');
  },
};

export const connectionBreaks: Happening = {
  name: 'a connection breaks',
  meanMs: 10_000,
  happen({ world }, chance) {
    const names = [...world.network.wires].map((wire) => wire.by).concat(world.hosts.map((host) => host.name));
    world.network.cut(chance.pick(names), 'connection reset');
  },
};

export const connectionStalls: Happening = {
  name: 'a connection stalls',
  meanMs: 20_000,
  happen({ world }, chance) {
    const wire = aWire(world, chance);
    if (wire !== null) world.network.stall(wire, stallMs(chance), chance.pick<Cutoff>(['both', 'toMaster', 'fromMaster']));
  },
};

export const connectionIsHalfClosed: Happening = {
  name: 'one end of a connection learns that it is over',
  meanMs: 20_000,
  happen({ world }, chance) {
    const wire = aWire(world, chance);
    if (wire !== null) world.network.halfClose(wire, chance.pick<End>(['opener', 'master']));
  },
};

export const connectionIsCutOff: Happening = {
  name: 'nothing gets through on one connection',
  meanMs: 20_000,
  happen({ world }, chance) {
    const wire = aWire(world, chance);
    if (wire !== null) world.network.cutOffWire(wire, chance.pick<Cutoff>(['both', 'toMaster', 'fromMaster']), stallMs(chance));
  },
};

function aWire(world: World, chance: Chance): Wire | null {
  const wires = [...world.network.wires];
  return wires.length === 0 ? null : chance.pick(wires);
}

/** Often a moment, sometimes longer than any time-out. */
const stallMs = (chance: Chance): number => Math.min(MAX_STALL_MS, chance.around(chance.pick([300, 5_000, 60_000])));

function isolate({ world }: Stage, chance: Chance, name: string): void {
  world.network.isolate(name, chance.pick<Cutoff>(['both', 'both', 'toMaster', 'fromMaster']));
  world.clock.after(awayMs(chance), () => world.network.heal(name));
}
