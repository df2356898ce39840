/** The disk under an agent's checkpoints and sandboxes is full to the last byte; sometimes the agent dies meanwhile. */
import type { Cluster } from '../cluster.js';
import { duration, seconds, type Fault } from './fault.js';

const MEAN_MS = 10_000;
const MAX_MS = 30_000;

export const fillDisk: Fault = {
  name: 'fill-disk',
  weight: 2,
  whyNot: (cluster: Cluster) => (cluster.disk === null ? 'only root can mount a small disk' : null),
  async run({ cluster, pause }, chance) {
    const { disk } = cluster;
    if (disk === null) return null;
    const ms = duration(chance, MEAN_MS, MAX_MS);
    const killsAgent = chance.hit(0.3);
    disk.fill();
    await pause(ms / 2);
    if (killsAgent) cluster.part('agent-3')?.kill(0);
    await pause(ms / 2);
    disk.free();
    return `of agent-3 for ${seconds(ms)}${killsAgent ? ', the agent killed meanwhile' : ''}`;
  },
};
