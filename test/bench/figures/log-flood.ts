/** An agent that is asked for its health while a task writes 10,000 lines a second: how much later does it answer than at rest? */
import type { Context, Figure } from '../context.js';
import { LoneAgent } from '../lone-agent.js';
import { percentile } from '../statistics.js';

const LINES_A_SECOND = 10_000;
/** In ten pieces a second. */
const FLOOD = `while :; do seq 1 ${LINES_A_SECOND / 10}; sleep 0.1; done`;
const REQUESTS = 300;
const QUICK_REQUESTS = 50;
const PAUSE_MS = 10;

export const logFlood: Figure = {
  name: 'log-flood',
  isAlone: true,
  async run(context: Context) {
    const agent = await LoneAgent.open('process');
    context.endings.add('the agent beside a flood of lines', () => agent.end());
    const count = context.quick ? QUICK_REQUESTS : REQUESTS;
    await ask(agent, QUICK_REQUESTS); // the first ones are slow by themselves
    const atRest: number[][] = [];
    for (let round = 0; round < context.rounds; round += 1) atRest.push(await ask(agent, count));
    await agent.launch(1, FLOOD);
    for (let round = 0; round < context.rounds; round += 1) {
      const beside = await ask(agent, count);
      for (const [what, p] of [
        ['an answer, p50', 0.5],
        ['an answer, p99', 0.99],
      ] as const) {
        const rest = percentile(atRest[round] ?? [], p);
        const flood = percentile(beside, p);
        const say = (when: string, unit: 'ms' | '×', value: number): void =>
          context.sample({ figure: 'log-flood', what: `${what}, ${when}`, unit, of: 'process', value });
        say('at rest', 'ms', rest);
        say(`beside ${LINES_A_SECOND} lines/s`, 'ms', flood);
        say('beside by at rest', '×', flood / rest);
      }
    }
  },
};

async function ask(agent: LoneAgent, count: number): Promise<number[]> {
  const took: number[] = [];
  for (let at = 0; at < count; at += 1) {
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
    const began = performance.now();
    await (await fetch(`${agent.url}/health`)).arrayBuffer();
    took.push(performance.now() - began);
  }
  return took;
}
