/** `kill -9` of one part, or of several at once; it comes back at once or after a while. */
import type { PartKind } from '../part.js';
import { always, duration, seconds, type Fault } from './fault.js';

const AWAY_MEAN_MS = 4_000;
const AWAY_MAX_MS = 25_000;
const AT_ONCE_MS = 0;

const killing = (kind: PartKind, weight: number): Fault => ({
  name: `kill-${kind}`,
  weight,
  whyNot: always,
  async run({ cluster, pause }, chance) {
    const part = chance.pick(cluster.of(kind));
    const awayMs = chance.hit(0.4) ? AT_ONCE_MS : duration(chance, AWAY_MEAN_MS, AWAY_MAX_MS);
    if (part.pid === null) return null;
    part.kill(awayMs);
    await pause(awayMs);
    return `${part.name}, back after ${seconds(awayMs)}`;
  },
});

export const killMaster = killing('master', 3);
export const killAgent = killing('agent', 4);
export const killApi = killing('api', 4);

/** A machine room without power for the control plane: everything but the tasks, at the same moment. */
export const killAll: Fault = {
  name: 'kill-all',
  weight: 1,
  whyNot: always,
  async run({ cluster, pause }, chance) {
    const parts = cluster.parts.filter(() => chance.hit(0.7));
    for (const part of parts) part.kill(AT_ONCE_MS);
    if (chance.hit(0.5)) cluster.database.crash('kill');
    await pause(AT_ONCE_MS);
    return parts.length === 0 ? null : parts.map(({ name }) => name).join(', ');
  },
};
