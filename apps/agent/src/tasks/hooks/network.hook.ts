/**
 * Gives a task its network before the start, and takes it away before its end is told: its ports lead nowhere by then.
 *
 * Last before the launch, since a network that nobody uses still holds an address. What was made is on disk before it is made, apart from
 * the checkpoint (libs/isolation, networks/): a task that was never started has one to give back, too.
 */
import { NO_DOCKER_OPTIONS, type Log } from '@ekiden/model';
import type { NetworkPort } from '../../agent-ports.js';
import { hostnameOf } from '../host-name.js';
import type { TaskHook } from './task-hook.js';

export function networkHook(networks: NetworkPort | null, log: Log): TaskHook {
  return {
    name: 'network',
    preStart: async (task) => {
      const wanted = task.plan.container?.networks ?? [];
      if (wanted.length === 0 || task.inContainer === null) return;
      if (networks === null) throw new Error('this agent gives tasks no networks of their own');
      const { argv, spec } = task.inContainer;
      const hostname = spec.options?.hostname ?? hostnameOf(task.taskId);
      const network = await networks.attach({ taskId: task.taskId, networks: wanted, names: { ...(spec.options ?? NO_DOCKER_OPTIONS), hostname } });
      task.network = network;
      task.inContainer = { argv, spec: { ...spec, network: { ...network, hostname } } };
    },
    release: (task) => {
      const wanted = task.plan.container?.networks ?? [];
      if (wanted.length === 0 || networks === null) return null;
      // What cannot be taken away is tried again by the sweep, and its ports are refused to others meanwhile.
      return networks.detach(task.taskId).catch((error: unknown) => log.warn('network-left', { taskId: task.taskId, why: String(error) }));
    },
  };
}
