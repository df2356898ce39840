/**
 * The master's store in memory, for the simulator and for tests; it passes the same suite as the one in Postgres.
 *
 * `MemoryMasterDatabase` is what survives a crash; hand one to two stores and they compete for the lead.
 */
import { EkidenError, type AgentId, type FrameworkId } from '@ekiden/model';
import { MAX_CONFLICT_RETRIES } from '@ekiden/service';
import type { AgentEntry, MasterSnapshot, MasterStore } from '../master-ports.js';

type Led = { readonly epoch: number; readonly snapshot: MasterSnapshot };

/** `before`: the write is lost. `after`: only its answer is. `conflict`: it is rolled back for another transaction's sake, and sent again. */
export type WriteFault = 'before' | 'after' | 'conflict';

/** Calls under which a connection may break: nothing is done, but a `lead` has been given and cannot read what it leads. */
export type BreakableCall = 'lead' | 'confirm' | 'release';

interface Waiting {
  readonly owner: object;
  /** It reaches the database. */
  readonly isReady: () => boolean;
  readonly resolve: (led: Led) => void;
  readonly reject: (error: EkidenError) => void;
}

export class MemoryMasterDatabase {
  readonly agents = new Map<AgentId, AgentEntry>();
  readonly removedFrameworks = new Set<FrameworkId>();
  weights: Readonly<Record<string, number>> = {};
  epoch = 0;
  leader: object | null = null;
  readonly waiting: Waiting[] = [];

  /** `masterId` stays through fail-overs: agents and frameworks know the cluster by it. */
  constructor(readonly masterId = 'memory-master') {}

  electNext(): void {
    const at = this.leader === null ? this.waiting.findIndex((one) => one.isReady()) : -1;
    const [next] = at < 0 ? [] : this.waiting.splice(at, 1);
    if (!next) return;
    this.leader = next.owner;
    next.resolve({ epoch: ++this.epoch, snapshot: this.#snapshot() });
  }

  #snapshot(): MasterSnapshot {
    return { masterId: this.masterId, agents: [...this.agents.values()], removedFrameworks: [...this.removedFrameworks], weights: this.weights };
  }
}

export interface MemoryMasterStore extends MasterStore {
  readonly database: MemoryMasterDatabase;
  /** The next write suffers this. Faults queue up, one a write, conflicts one an attempt. */
  failNextWrite(fault: WriteFault): void;
  /** The next such call rejects with `store-unavailable`. */
  breakNext(call: BreakableCall): void;
  /** The session that holds the lock of the lead ends: the next in line leads; where nobody waits, this process has it again. */
  loseLock(): void;
  /** While false every call rejects with `store-unavailable`, as when Postgres is away, and a waiting `lead` waits on. */
  setAvailable(isAvailable: boolean): void;
  /** Nothing is wrong with it any more. */
  mend(): void;
  /** The process dies: its lead falls to the next in line, its waiting `lead` rejects. */
  crash(): void;
}

export function createMemoryMasterStore(database = new MemoryMasterDatabase()): MemoryMasterStore {
  const owner = {};
  const faults: WriteFault[] = [];
  const broken = new Set<BreakableCall>();
  let isAvailable = true;
  const assertAvailable = (call: BreakableCall): void => {
    if (!isAvailable || broken.delete(call)) throw unavailable();
  };
  const setAvailable = (available: boolean): void => {
    isAvailable = available;
    if (available) database.electNext();
  };
  const assertLeads = (epoch: number): void => {
    if (!isAvailable) throw unavailable();
    if (database.leader === null || database.epoch !== epoch) throw new EkidenError('stale-leader', `epoch ${epoch} does not lead any more`, { epoch });
  };
  const stepDown = (): void => {
    database.leader = null;
    database.electNext();
  };
  const write = async (epoch: number, work: () => void): Promise<void> => {
    assertLeads(epoch);
    const fault = afterConflicts(faults);
    if (fault !== 'before') work();
    if (fault !== undefined) throw unavailable();
  };
  return {
    database,
    failNextWrite: (fault) => void faults.push(fault),
    breakNext: (call) => void broken.add(call),
    loseLock: () => {
      if (database.leader === owner && database.waiting.length > 0) stepDown();
    },
    setAvailable,
    mend: () => {
      faults.length = 0;
      broken.clear();
      setAvailable(true);
    },
    crash() {
      for (const waiting of database.waiting.filter((one) => one.owner === owner)) {
        database.waiting.splice(database.waiting.indexOf(waiting), 1);
        waiting.reject(new EkidenError('no-leader', 'the wait for the lead was ended'));
      }
      if (database.leader === owner) stepDown();
    },
    async lead() {
      const led = await new Promise<Led>((resolve, reject) => {
        if (database.leader === owner) database.leader = null; // the same process starts a new term
        database.waiting.push({ owner, isReady: () => isAvailable, resolve, reject });
        database.electNext();
      });
      if (broken.delete('lead')) throw unavailable();
      return led;
    },
    saveAgent: (epoch, entry) => write(epoch, () => void database.agents.set(entry.agentId, entry)),
    saveRemovedFramework: (epoch, frameworkId) => write(epoch, () => void database.removedFrameworks.add(frameworkId)),
    saveWeights: (epoch, weights) => write(epoch, () => void (database.weights = { ...weights })),
    async confirm(epoch) {
      assertAvailable('confirm');
      assertLeads(epoch);
    },
    async release(epoch) {
      assertAvailable('release');
      if (database.leader === owner && database.epoch === epoch) stepDown();
    },
  };
}

const unavailable = (): EkidenError => new EkidenError('store-unavailable', 'the store did not answer; whether it wrote is unknown');

/** What a write suffers once its conflicts are over; one with too many of them has written nothing. */
function afterConflicts(faults: WriteFault[]): 'before' | 'after' | undefined {
  for (let attempt = 0; attempt <= MAX_CONFLICT_RETRIES; attempt++) {
    const fault = faults.shift();
    if (fault !== 'conflict') return fault;
  }
  return 'before';
}
