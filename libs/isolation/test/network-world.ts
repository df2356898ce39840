/** What tests of networks need of a machine with a network of their own (`own-network.ts`): its tools, containers to join networks, agents that make them. */
import { join } from 'node:path';
import { createTaskNetworks, machineNetwork, pluginRunner, probeContainers, probeNetworks, type TaskNetworks } from '../src/index.js';
import { probeRuntimes } from '../src/probe-runtimes.js';
import { realTasks, silentLog, type RealTasks } from './real-tasks.js';

type NetworkOptions = Parameters<typeof createTaskNetworks>[0];

export interface NetworkWorld {
  readonly tools: Extract<Awaited<ReturnType<typeof probeNetworks>>, { kind: 'ready' }>;
  /** The networks of an agent, named by one letter, in a directory below; the same name again is its next life. */
  open(agent: string, change?: Partial<NetworkOptions>): TaskNetworks;
  tasks(): Promise<RealTasks>;
}

/** `dir`: where images and agents are. Throws naming what is missing. */
export async function networkWorld(dir: string): Promise<NetworkWorld> {
  const probed = await probeContainers(dir);
  if (probed.kind === 'missing') throw new Error(probed.reasons.join('; '));
  const tools = await probeNetworks([]);
  if (tools.kind === 'missing') throw new Error(tools.reasons.join('; '));
  return {
    tools,
    open: (agent, change = {}) =>
      createTaskNetworks({
        dir: join(dir, `agent-${agent}`),
        instance: `00000000000${agent}`,
        bootId: 'boot',
        pluginDirs: tools.pluginDirs,
        machine: machineNetwork(tools.tools),
        runPlugin: pluginRunner(tools.tools.setpriv),
        subnet: null,
        nameservers: [],
        configured: () => null,
        log: silentLog,
        ...change,
      }),
    async tasks() {
      const { cgroup, reasons } = await probeRuntimes();
      if (cgroup === null) throw new Error(`containers need control groups: ${reasons.join('; ')}`);
      return realTasks('cgroup', cgroup, true, probed.machine);
    },
  };
}
