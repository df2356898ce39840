/** The kernel's own cut: the cable between an agent's network and the master is down, deaf one way, or slow. Its services serve on. */
import { NETWORK_FAULTS } from '../agent-network.js';
import type { Cluster } from '../cluster.js';
import { duration, seconds, type Fault } from './fault.js';

const MEAN_MS = 12_000;
const MAX_MS = 45_000;

export const cutNetwork: Fault = {
  name: 'cut-network',
  weight: 3,
  whyNot: (cluster: Cluster) => (cluster.network === null ? 'only root with the programs ip and tc (Debian: iproute2) can make a network' : null),
  async run({ cluster, pause }, chance) {
    const { network } = cluster;
    if (network === null) return null;
    const how = chance.pick(NETWORK_FAULTS);
    const ms = duration(chance, MEAN_MS, MAX_MS);
    network.disturb(how);
    await pause(ms);
    network.heal();
    return `agent-2: ${how} for ${seconds(ms)}`;
  },
};
