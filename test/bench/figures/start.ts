/** From the request to N running instances of `sleep`. */
import { contendersOf, turn, type Context, type Figure } from '../context.js';
import { SLEEP } from '../contender.js';

const COUNTS = [10, 50, 100, 200];
const QUICK_COUNTS = [10, 50];

export const start: Figure = {
  name: 'start',
  async run(context: Context) {
    for (let round = 0; round < context.rounds; round++) {
      for (const count of context.quick ? QUICK_COUNTS : COUNTS) {
        for (const who of contendersOf(context)) {
          await turn(context, who, `start ${count}`, async () => {
            const value = await who.start(count, SLEEP);
            context.sample({ figure: 'start', what: `${count} instances`, unit: 'ms', of: who.name, value });
            await who.clear();
          });
        }
      }
    }
  },
};
