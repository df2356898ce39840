/** Machines join, leave for good, reboot, come back with an empty disk, smaller, or with other attributes. */
import type { Happening } from '../happening.js';
import { awayMs } from '../parts.js';
import { SMALL_MACHINE } from '../world/world.js';

/** A run with more at its beginning has no more later. */
const MAX_MACHINES = 6;
/** All apps of a run that is not tight find room on so many. */
const MIN_MACHINES = 2;

export const machineReboots: Happening = {
  name: 'a machine reboots',
  meanMs: 80_000,
  happen({ parts }, chance) {
    parts.reboot(chance.pick(parts.hosts()), awayMs(chance));
  },
};

export const machineGetsNewDisk: Happening = {
  name: 'a machine gets a new disk',
  meanMs: 200_000,
  isFor: ({ mayLoseMachines }) => mayLoseMachines,
  happen({ parts }, chance) {
    parts.reinstall(chance.pick(parts.hosts()), awayMs(chance));
  },
};

export const machineLeaves: Happening = {
  name: 'a machine leaves for good',
  meanMs: 300_000,
  isFor: ({ mayLoseMachines }) => mayLoseMachines,
  happen({ parts }, chance) {
    const host = chance.pick(parts.hosts());
    if (parts.hosts().length > MIN_MACHINES) parts.remove(host);
  },
};

export const machineJoins: Happening = {
  name: 'a machine joins',
  meanMs: 200_000,
  happen({ world, parts, traits }) {
    if (parts.hosts().length >= Math.max(MAX_MACHINES, traits.agents)) return;
    const number = world.hosts.length + 1;
    world.addHost(`agent-${number}`, { rack: `r${number}` });
  },
};

export const machineShrinks: Happening = {
  name: 'a machine comes back with other resources',
  meanMs: 120_000,
  happen({ parts }, chance) {
    const host = chance.pick(parts.hosts());
    parts.killAgent(host, awayMs(chance));
    host.resources = { ...SMALL_MACHINE, cpusMilli: chance.pick([500, 2000, SMALL_MACHINE.cpusMilli]) };
  },
};

export const machineIsRelabelled: Happening = {
  name: 'a machine comes back with other attributes',
  meanMs: 200_000,
  happen({ parts, world }, chance) {
    const host = chance.pick(parts.hosts());
    parts.killAgent(host, awayMs(chance));
    host.attributes = { rack: `r${chance.int(1, world.hosts.length)}`, ...(chance.hit(0.5) ? { disk: 'ssd' } : {}) };
  },
};
