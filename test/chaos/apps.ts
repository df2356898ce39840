/** The apps of a run: small HTTP services (service.mjs) with roll-out budgets, checks and back-offs drawn for each version. */
import { join } from 'node:path';
import type { Chance } from '../sim/world/chance.js';

/** Never wanted with less than two healthy instances: there is always somebody to serve. */
export const SERVED: readonly string[] = ['/shop/web', '/shop/cart', '/media/api'];
/** They come and go. */
export const CHURNED: readonly string[] = ['/ops/cron', '/ops/probe', '/media/encode'];
const CPUS = 0.1;
const MEM_MIB = 48;

export type Body = Record<string, unknown>;

/** What a service is told: where its journal is, and how it shall behave. */
export const environment = (directory: string, revision: number, more: Readonly<Record<string, string>>): Record<string, string> => ({
  CHAOS_JOURNAL: join(directory, 'journal'),
  REVISION: String(revision),
  ...more,
});

/** A good definition. */
export function wholeApp(id: string, home: string, env: Readonly<Record<string, string>>, chance: Chance): Body {
  const isServed = SERVED.includes(id);
  return {
    id,
    cmd: `exec ${process.execPath} --max-semi-space-size=1 ${join(home, 'test/chaos/service.mjs')}`,
    env,
    cpus: CPUS,
    mem: MEM_MIB,
    disk: 0,
    instances: isServed ? chance.int(3, 5) : chance.int(1, 3),
    portDefinitions: [{ name: 'http', port: 0 }],
    healthChecks: [
      {
        protocol: 'HTTP',
        path: '/health',
        portIndex: 0,
        delaySeconds: 0,
        gracePeriodSeconds: 60,
        intervalSeconds: 2,
        timeoutSeconds: 15,
        maxConsecutiveFailures: 10,
      },
    ],
    upgradeStrategy: isServed
      ? { minimumHealthCapacity: chance.pick([0.6, 0.75, 1]), maximumOverCapacity: chance.pick([0, 0.34, 1]) }
      : { minimumHealthCapacity: chance.pick([0, 0.5, 1]), maximumOverCapacity: chance.pick([0, 0.5, 1]) },
    unreachableStrategy: chance.pick([
      { inactiveAfterSeconds: 0, expungeAfterSeconds: 0 },
      { inactiveAfterSeconds: 5, expungeAfterSeconds: 30 },
      { inactiveAfterSeconds: 60, expungeAfterSeconds: 120 },
    ]),
    killSelection: chance.pick(['YOUNGEST_FIRST', 'OLDEST_FIRST']),
    constraints: isServed ? [['hostname', 'GROUP_BY']] : [],
    drainSeconds: isServed ? 2 : 0,
    taskKillGracePeriodSeconds: 5,
    backoffSeconds: 1,
    backoffFactor: 1.5,
    maxLaunchDelaySeconds: 15,
    progressDeadlineSeconds: 120,
  };
}
