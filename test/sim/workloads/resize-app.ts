/** More or fewer cpus, more or less memory, for tasks that go on where they run; some hold so much memory that they cannot have less. */
import { isForced } from './clients.js';
import { userAct } from './user-act.js';

const HELD_MIB = 48;

export const resizeApp = userAct('a user resizes an app in place', 6, (clients, id, chance) => {
  const size = { cpus: chance.pick([0.02, 0.05, 0.08, 0.1]), mem: chance.pick([32, 40, 64, 96, 128]), resizeInPlace: !chance.hit(0.05) };
  const scaled = chance.hit(0.2) ? { instances: chance.int(0, clients.traits.maxInstances) } : {};
  clients.change(id, { ...size, ...scaled }, isForced(chance));
});

/** A new command, as any: and one that the next smaller size may not suit. */
export const holdMemory = userAct('a user rolls out a version that holds memory', 1, (clients, id, chance) => {
  clients.change(id, { cmd: `run holds ${HELD_MIB} ${chance.int(1, 1_000_000)}`, mem: 64, resizeInPlace: true }, isForced(chance));
});
