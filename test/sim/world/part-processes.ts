/** A process of paas-api and one of the master: with the store that it opened, and the core that it runs. */
import type { Master } from '../../../apps/master/src/master-ports.js';
import type { MemoryMasterStore } from '../../../apps/master/src/store/memory-master-store.js';
import type { PaasApi } from '../../../apps/paas-api/src/paas-api.js';
import type { MemoryPaasStore } from '../../../apps/paas-api/src/store/memory-store.js';
import type { VirtualProcess } from './virtual-process.js';

export interface ApiProcess {
  readonly process: VirtualProcess;
  readonly store: MemoryPaasStore;
  readonly core: PaasApi;
}

export interface MasterProcess {
  readonly process: VirtualProcess;
  readonly store: MemoryMasterStore;
  readonly core: Master;
  /** `lost`: another one leads, and it does not know. */
  lead: 'none' | 'present' | 'lost';
}
