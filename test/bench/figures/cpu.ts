/** Processor time that a launch costs each part. It says more than a clock where the machine is shared. */
import { turn, type Context, type Figure } from '../context.js';
import { SLEEP } from '../contender.js';
import { PARTS, cpuOf } from '../parts.js';

const INSTANCES = 200;

export const cpu: Figure = {
  name: 'cpu',
  async run(context: Context) {
    for (let round = 0; round < context.rounds; round++) {
      for (const who of [context.ekiden, context.ekidenCgroup]) {
        if (who === null) continue;
        await turn(context, who, 'cpu', async () => {
          const { ms } = await cpuOf(who, () => who.start(INSTANCES, SLEEP));
          for (const part of PARTS) context.sample({ figure: 'cpu', what: `a launch: ${part}`, unit: 'ms', of: who.name, value: ms[part] / INSTANCES });
          await who.clear();
        });
      }
    }
  },
};
