/** A real agent that was killed with SIGKILL, from the start of the next one until it has told its master of every task. */
import type { Context, Figure } from '../context.js';
import { SLEEP } from '../contender.js';
import { LoneAgent } from '../lone-agent.js';

const COUNTS = [100, 500];
const QUICK_COUNTS = [100];

export const agentRestart: Figure = {
  name: 'agent-restart',
  isAlone: true,
  async run(context: Context) {
    for (const runtime of ['process', 'cgroup'] as const) {
      const agent = await LoneAgent.open(runtime).catch((error: unknown) => context.note(`agent-restart: ${runtime}: ${String(error)}`));
      if (!agent) continue;
      let hasEnded = false;
      const end = async (): Promise<void> => {
        if (!hasEnded) await agent.end();
        hasEnded = true;
      };
      context.endings.add(`the agent (${runtime})`, end);
      for (const count of context.quick ? QUICK_COUNTS : COUNTS) {
        await agent.launch(count - agent.running.size, SLEEP);
        for (let round = 0; round < context.rounds; round += 1) {
          await agent.kill();
          const { ms, tasks } = await agent.start();
          if (tasks !== count) throw new Error(`${tasks} of ${count} tasks came back`);
          context.sample({ figure: 'agent-restart', what: `${count} tasks known again`, unit: 'ms', of: runtime, value: ms });
        }
      }
      await end();
    }
  },
};
