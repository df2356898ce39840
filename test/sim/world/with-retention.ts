/** The store of a simulated paas-api, whose past is forgotten now and then, as main.ts has it: in the background, while its process lives. */
import type { Later } from '@ekiden/queue';
import type { MemoryPaasStore } from '../../../apps/paas-api/src/store/memory-store.js';
import { keepPruning, knowingEpoch } from '../../../apps/paas-api/src/store/retention.js';
import { RETENTION } from './configs.js';
import type { VirtualProcess } from './virtual-process.js';

export function withRetention(process: VirtualProcess, inner: MemoryPaasStore): MemoryPaasStore {
  const { clock, log } = process.world();
  const led = knowingEpoch(inner);
  const later: Pick<Later, 'every'> = {
    every: async (_name, everyMs, work) => {
      const round = (): void => {
        work().catch(() => undefined); // The next round is the retry.
        clock.after(everyMs, round);
      };
      clock.after(everyMs, round);
    },
  };
  void keepPruning(later, led, RETENTION, log);
  return led.store;
}
