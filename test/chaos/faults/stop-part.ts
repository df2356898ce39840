/** SIGSTOP of one part for a while: it keeps its connections, its locks and its belief that it leads, and wakes with them. */
import type { PartKind } from '../part.js';
import { signal } from '../processes.js';
import { always, duration, seconds, type Fault } from './fault.js';

const MEAN_MS = 9_000;
const MAX_MS = 30_000;

const stopping = (kind: PartKind, weight: number): Fault => ({
  name: `stop-${kind}`,
  weight,
  whyNot: always,
  async run({ cluster, pause }, chance) {
    const part = chance.pick(cluster.of(kind));
    const ms = duration(chance, MEAN_MS, MAX_MS);
    const pid = part.pause();
    if (pid === null) return null;
    await pause(ms);
    signal(pid, 'SIGCONT');
    return `${part.name} for ${seconds(ms)}`;
  },
});

export const stopMaster = stopping('master', 2);
export const stopAgent = stopping('agent', 3);
export const stopApi = stopping('api', 3);
