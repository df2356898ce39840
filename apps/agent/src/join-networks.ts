/** Networks that plugins and engines have made, as one: each task's is found with whoever has made it, new ones are made by `current`. */
import type { EngineNetworks } from '@ekiden/isolation';
import type { NetworkPort } from './agent-ports.js';

/** `ofPlugins` null: this machine has none. `current` null: nobody makes any. */
export function joinNetworks(ofEngine: EngineNetworks, ofPlugins: NetworkPort | null, current: () => NetworkPort | null): NetworkPort {
  return {
    async attach(wish) {
      const maker = current();
      if (maker === null) throw new Error('this agent gives tasks no networks of their own');
      return await maker.attach(wish);
    },
    async detach(taskId) {
      await (ofEngine.has(taskId) ? ofEngine : ofPlugins)?.detach(taskId);
    },
    find: (taskId) => ofEngine.find(taskId) ?? ofPlugins?.find(taskId) ?? null,
    async sweep(known) {
      const left = await Promise.all([ofEngine.sweep(known), ofPlugins?.sweep(known) ?? 0]);
      return left.reduce((sum, each) => sum + each, 0);
    },
    traffic(taskIds) {
      return new Map([...(ofPlugins?.traffic(taskIds) ?? []), ...ofEngine.traffic(taskIds)]);
    },
  };
}
