/** The list of faults. A new one is a file beside, and a line here. */
import { cutNetwork } from './cut-network.js';
import { cutWire } from './cut-wire.js';
import type { Fault } from './fault.js';
import { fillDisk } from './fill-disk.js';
import { killAgent, killAll, killApi, killMaster } from './kill-part.js';
import { killSupervisor, killTask } from './kill-task.js';
import { endSessions, restartPostgres } from './postgres.js';
import { stopAgent, stopApi, stopMaster } from './stop-part.js';

export const ALL_FAULTS: readonly Fault[] = [
  killMaster,
  killAgent,
  killApi,
  killAll,
  stopMaster,
  stopAgent,
  stopApi,
  killTask,
  killSupervisor,
  restartPostgres,
  endSessions,
  fillDisk,
  cutWire,
  cutNetwork,
];
