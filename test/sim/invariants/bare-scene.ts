/** A scene with a database and nothing else: for whoever has commits and no world. */
import type { Master } from '../../../apps/master/src/master-ports.js';
import { MemoryMasterDatabase } from '../../../apps/master/src/store/memory-master-store.js';
import type { PaasApi } from '../../../apps/paas-api/src/paas-api.js';
import type { MemoryPaasDatabase } from '../../../apps/paas-api/src/store/memory-store.js';
import { PAAS_CONFIG } from '../world/configs.js';
import type { Scene } from './sight.js';

export function bareScene(paasDatabase: MemoryPaasDatabase, now: () => number): Scene {
  return {
    clock: { now, after: () => undefined },
    hosts: [],
    paasDatabase,
    masterDatabase: new MemoryMasterDatabase(),
    hasMaster: false,
    get master(): Master {
      throw new Error('no master is here');
    },
    hasApi: false,
    get api(): PaasApi {
      throw new Error('no paas-api is here');
    },
    apiName: '',
    hasExtensions: true,
    areCallsSafe: true,
    isStoreAway: false,
    network: { isTroubled: () => false, wires: [] },
    limits: PAAS_CONFIG,
  };
}
