/** Replacing 20 instances, 4 at a time. PM2 reloads 4 in parallel and checks nothing. */
import { deployersOf, turn, type Context, type Figure } from '../context.js';
import { SLEEP } from '../contender.js';

const INSTANCES = 20;
const BATCH = 4;

export const rolling: Figure = {
  name: 'rolling',
  async run(context: Context) {
    for (let round = 0; round < context.rounds; round++) {
      for (const who of deployersOf(context)) {
        await turn(context, who, 'rolling update', async () => {
          await who.start(INSTANCES, SLEEP);
          context.sample({ figure: 'rolling', what: `${INSTANCES}, ${BATCH} at a time`, unit: 'ms', of: who.name, value: await who.roll(BATCH) });
          await who.clear();
        });
      }
    }
  },
};
