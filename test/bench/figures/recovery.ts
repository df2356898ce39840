/** From SIGKILL of a task's process to the first deed of its replacement, without back-off. */
import { contendersOf, turn, type Context, type Figure } from '../context.js';
import type { Contender } from '../contender.js';
import { StartPipe } from '../start-pipe.js';
import { percentile } from '../statistics.js';

const INSTANCES = 8;
/** Over all rounds. */
const KILLS = 51;
const QUICK_KILLS = 12;
/** Between two kills, so that each meets a system at rest. */
const REST_MS = 60;

export const recovery: Figure = {
  name: 'recovery',
  async run(context: Context) {
    const kills = Math.ceil((context.quick ? QUICK_KILLS : KILLS) / context.rounds);
    const samples = new Map<Contender, number[]>();
    for (let round = 0; round < context.rounds; round++) {
      for (const who of contendersOf(context)) {
        await turn(context, who, 'recovery', async () => {
          samples.set(who, [...(samples.get(who) ?? []), ...(await killsOf(who, kills))]);
        });
      }
    }
    for (const [who, values] of samples) {
      context.sample({ figure: 'recovery', what: 'p50', unit: 'ms', of: who.name, value: percentile(values, 0.5) });
      context.sample({ figure: 'recovery', what: 'p99', unit: 'ms', of: who.name, value: percentile(values, 0.99) });
    }
  },
};

async function killsOf(who: Contender, kills: number): Promise<number[]> {
  const pipe = new StartPipe();
  try {
    await who.start(INSTANCES, pipe.line);
    const pids: number[] = [];
    while (pids.length < INSTANCES) pids.push((await pipe.next()).pid);
    const samples: number[] = [];
    while (samples.length < kills) {
      await new Promise((resolve) => setTimeout(resolve, REST_MS));
      const victim = pids.shift();
      if (victim === undefined) throw new Error('no task left to kill');
      const began = performance.now();
      process.kill(victim, 'SIGKILL');
      const { pid, at } = await pipe.next();
      samples.push(at - began);
      pids.push(pid);
    }
    await who.clear();
    return samples;
  } finally {
    pipe.end();
  }
}
