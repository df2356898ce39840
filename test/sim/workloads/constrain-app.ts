/** Placement: each of the seven operators, on host names and attributes, and host ports that have to be these. */
import { isForced } from './clients.js';
import { thisPort } from './image-shapes.js';
import { userAct } from './user-act.js';

const FIRST_PORT = 31_000;
const LAST_PORT = 31_020;

const CONSTRAINTS: readonly (readonly string[])[] = [
  ['hostname', 'UNIQUE'],
  ['rack', 'UNIQUE'],
  ['hostname', 'CLUSTER'],
  ['hostname', 'CLUSTER', 'agent-1'],
  ['rack', 'CLUSTER'],
  ['hostname', 'GROUP_BY'],
  ['rack', 'GROUP_BY', '2'],
  ['hostname', 'LIKE', 'agent-[12]'],
  ['rack', 'LIKE', 'r.*'],
  ['hostname', 'UNLIKE', 'agent-1'],
  ['disk', 'UNLIKE', 'ssd'],
  ['hostname', 'MAX_PER', '2'],
  ['rack', 'MAX_PER', '1'],
  ['rack', 'IS', 'r2'],
  ['disk', 'IS', 'ssd'],
];

export const constrainApp = userAct('a user asks for constraints', 2, (clients, id, chance) => {
  const constraints = chance.hit(0.8) ? [chance.pick(CONSTRAINTS)] : [chance.pick(CONSTRAINTS), chance.pick(CONSTRAINTS)];
  clients.change(id, { constraints, instances: chance.int(1, clients.traits.maxInstances) }, isForced(chance));
});

export const freeApp = userAct('a user takes constraints away', 1, (clients, id, chance) => {
  clients.change(id, { constraints: [], requirePorts: false }, isForced(chance));
});

export const requirePorts = userAct('a user requires host ports', 1, (clients, id, chance) => {
  const version = clients.world.api.view.app(id)?.desiredVersion ?? null;
  const spec = version === null ? null : (clients.world.api.view.version(id, version)?.spec ?? null);
  clients.change(id, { ...thisPort(spec, chance.int(FIRST_PORT, LAST_PORT)), instances: chance.int(1, 2) }, isForced(chance), { mayBeOutdated: true });
});
