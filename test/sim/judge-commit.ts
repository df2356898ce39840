/** Promise 4 on one commit after another, for whoever replays them without a world (test/chaos). */
import type { Instance, InstanceId } from '@ekiden/model';
import type { MemoryPaasDatabase } from '../../apps/paas-api/src/store/memory-store.js';
import type { Write } from '../../apps/paas-api/src/store/paas-store.js';
import { bareScene } from './invariants/bare-scene.js';
import { Judge } from './invariants/judge.js';
import { healthKillsSpareTheHealthy, healthyInstancesStay, totalsStayBounded } from './invariants/rollouts.js';

const OF_A_COMMIT = [healthyInstancesStay, totalsStayBounded, healthKillsSpareTheHealthy];

/** `database`: after the commit; `before`: the written instances as they were. Answers breaches. */
export function judgeCommit(database: MemoryPaasDatabase, writes: readonly Write[], before: ReadonlyMap<InstanceId, Instance | null>): readonly string[] {
  const judge = new Judge(
    bareScene(database, () => 0),
    OF_A_COMMIT,
  );
  judge.see({ kind: 'committed', by: 'paas-api', epoch: 0, writes, before: { instances: before, apps: new Map(), deployments: new Map() } });
  return judge.breaches;
}
