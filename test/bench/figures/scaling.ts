/** 50 → 100 → 50 instances. */
import { deployersOf, turn, type Context, type Figure } from '../context.js';
import { SLEEP } from '../contender.js';

const FEW = 50;
const MANY = 100;

export const scaling: Figure = {
  name: 'scaling',
  async run(context: Context) {
    for (let round = 0; round < context.rounds; round++) {
      for (const who of deployersOf(context)) {
        await turn(context, who, 'scaling', async () => {
          await who.start(FEW, SLEEP);
          context.sample({ figure: 'scaling', what: `${FEW} → ${MANY}`, unit: 'ms', of: who.name, value: await who.scale(MANY) });
          context.sample({ figure: 'scaling', what: `${MANY} → ${FEW}`, unit: 'ms', of: who.name, value: await who.scale(FEW) });
          await who.clear();
        });
      }
    }
  },
};
