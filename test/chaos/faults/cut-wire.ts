/** One way between two parts is cut, stalled, slowed or half closed: an agent and a master, an API and a master, a part and Postgres. */
import { DISTURBANCES } from '../wire.js';
import { always, duration, seconds, type Fault } from './fault.js';

const MEAN_MS = 8_000;
const MAX_MS = 40_000;

export const cutWire: Fault = {
  name: 'cut-wire',
  weight: 5,
  whyNot: always,
  async run({ cluster, pause }, chance) {
    const first = chance.pick(cluster.wires);
    const how = chance.pick(DISTURBANCES);
    const ms = duration(chance, MEAN_MS, MAX_MS);
    // Often all ways of one part at once, as when its machine is cut off.
    const owner = first.name.split('→')[0] ?? '';
    const wires = chance.hit(0.5) ? cluster.wires.filter(({ name }) => name.startsWith(`${owner}→`)) : [first];
    for (const wire of wires) wire.disturb(how);
    await pause(ms);
    for (const wire of wires) wire.heal();
    return `${how}: ${wires.map(({ name }) => name).join(', ')} for ${seconds(ms)}`;
  },
};
