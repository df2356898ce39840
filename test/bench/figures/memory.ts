/** Memory of each part idle and with 200 tasks, and what a task costs beyond the user's own process. */
import { turn, type Context, type Figure } from '../context.js';
import { SLEEP, type Contender } from '../contender.js';
import type { EkidenContender } from '../ekiden-contender.js';
import { partsOf } from '../parts.js';
import { descendantsOf, memoryOf, type Memory } from '../processes.js';

const TASKS = 200;
const PROGRAM = 'sleep';

export const memory: Figure = {
  name: 'memory',
  async run(context: Context) {
    const { pm2 } = context;
    if (pm2 !== null)
      await turn(context, pm2, 'memory', () =>
        weigh(
          context,
          pm2,
          () => ({ daemon: [pm2.pid] }),
          () => descendantsOf(pm2.pid),
        ),
      );
    for (const who of [context.ekiden, context.ekidenCgroup]) {
      if (who !== null)
        await turn(context, who, 'memory', () =>
          weigh(
            context,
            who,
            () => partsOf(who),
            () => helpersOf(who),
          ),
        );
    }
  },
};

/** What stands around the tasks: forker and supervisors. */
function helpersOf(who: EkidenContender): ReturnType<typeof descendantsOf> {
  return who.ekiden.parts('agent').flatMap((pid) => descendantsOf(pid));
}

async function weigh(
  context: Context,
  who: Contender,
  parts: () => Readonly<Record<string, readonly number[]>>,
  around: () => ReturnType<typeof descendantsOf>,
): Promise<void> {
  const say = (what: string, value: number): void => context.sample({ figure: 'memory', what, unit: 'MiB', of: who.name, value });
  const idle = report(parts(), 'idle', say);
  await who.start(TASKS, SLEEP);
  const loaded = report(parts(), `with ${TASKS}`, say);
  const helpers = around().filter(({ program }) => program !== PROGRAM);
  const helperPss = helpers.reduce((sum, { pid }) => sum + memoryOf(pid).pssMib, 0);
  say('a task: helpers, PSS', helperPss / TASKS);
  // Negative when the garbage of the start has been collected meanwhile.
  say('a task: growth of the control plane, PSS', (loaded.pssMib - idle.pssMib) / TASKS);
  await who.clear();
}

/** Answers the sum without Postgres. */
function report(parts: Readonly<Record<string, readonly number[]>>, when: string, say: (what: string, value: number) => void): Memory {
  let all: Memory = { rssMib: 0, pssMib: 0 };
  for (const [part, pids] of Object.entries(parts)) {
    const sum = pids.map(memoryOf).reduce(add, { rssMib: 0, pssMib: 0 });
    say(`${part} ${when}, RSS`, sum.rssMib);
    say(`${part} ${when}, PSS`, sum.pssMib);
    if (part !== 'postgres' && part !== 'up') all = add(all, sum);
  }
  say(`control plane ${when}, RSS`, all.rssMib);
  return all;
}

const add = (a: Memory, b: Memory): Memory => ({ rssMib: a.rssMib + b.rssMib, pssMib: a.pssMib + b.pssMib });
