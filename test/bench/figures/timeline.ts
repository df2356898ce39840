/** Where the time goes, from the request or the kill: when each stage was first and last reached. Ekiden alone; see stages.ts. */
import { turn, type Context, type Figure } from '../context.js';
import { SLEEP } from '../contender.js';
import { APP, type EkidenContender } from '../ekiden-contender.js';
import { EventWatch, TIMELINE_TYPES, type ApiEvent } from '../event-watch.js';
import { epochNow, launchMoments, type Moment } from '../stages.js';
import { StartPipe } from '../start-pipe.js';
import { groupBy } from '../statistics.js';

const INSTANCES = 50;
const CRASHES = 15;
const QUICK_CRASHES = 3;
const REST_MS = 1_500;

export const timeline: Figure = {
  name: 'timeline',
  async run(context: Context) {
    for (const who of [context.ekiden, context.ekidenCgroup]) {
      if (who === null) continue;
      await turn(context, who, 'timeline', async () => {
        const watch = await EventWatch.open(who.ekiden.api, TIMELINE_TYPES);
        try {
          for (let round = 0; round < context.rounds; round++) await starting(context, who, watch);
          await crashing(context, who, watch);
        } finally {
          watch.end();
        }
      });
    }
  },
};

/** What an event says about our app, in the words of a timeline; null when it says nothing. */
function stageOf({ type, data }: ApiEvent): string | null {
  if (type === 'status_update_event' && data['appId'] === APP) return `event: ${String(data['taskStatus'])}`;
  if (type === 'instance_changed_event' && data['runSpecId'] === APP) return `event: instance ${String(data['condition'])}`;
  if (type === 'deployment_success') return 'event: deployment done';
  return null;
}

async function recording<T>(watch: EventWatch, work: (moments: Moment[]) => Promise<T>): Promise<{ readonly moments: Moment[]; readonly answer: T }> {
  const moments: Moment[] = [];
  const stop = watch.listen((event) => {
    const stage = stageOf(event);
    if (stage !== null) moments.push({ stage, at: epochNow() });
  });
  try {
    return { moments, answer: await work(moments) };
  } finally {
    stop();
  }
}

async function starting(context: Context, who: EkidenContender, watch: EventWatch): Promise<void> {
  const began = epochNow();
  const { moments } = await recording(watch, () => who.start(INSTANCES, SLEEP));
  moments.push(...launchMoments(who.tasksDir, began));
  const stages = groupBy(moments, ({ stage }) => stage);
  const ordered = [...stages].toSorted(([, a], [, b]) => Math.min(...a.map(({ at }) => at)) - Math.min(...b.map(({ at }) => at)));
  for (const [stage, list] of ordered) {
    const times = list.map(({ at }) => at - began);
    const say = (which: string, value: number): void =>
      context.sample({ figure: `timeline: start ${INSTANCES}`, what: `${stage}: ${which}`, unit: 'ms', of: who.name, value });
    say('first', Math.min(...times));
    if (times.length > 1) say('last', Math.max(...times));
  }
  await who.clear();
}

async function crashing(context: Context, who: EkidenContender, watch: EventWatch): Promise<void> {
  const pipe = new StartPipe();
  try {
    await who.start(2, pipe.line);
    const pids = [(await pipe.next()).pid, (await pipe.next()).pid];
    for (let crash = 0; crash < (context.quick ? QUICK_CRASHES : CRASHES); crash++) {
      // Long enough for offers to be suppressed: the common case in life.
      await new Promise((resolve) => setTimeout(resolve, REST_MS));
      const victim = pids.shift();
      if (victim === undefined) throw new Error('no task left to kill');
      const began = epochNow();
      const { moments } = await recording(watch, async (heard) => {
        const running = watch.until('the replacement runs', (event) => stageOf(event) === 'event: TASK_RUNNING');
        process.kill(victim, 'SIGKILL');
        const { pid, at } = await pipe.next();
        heard.push({ stage: 'the new process runs', at: performance.timeOrigin + at });
        pids.push(pid);
        await running;
      });
      moments.push(...launchMoments(who.tasksDir, began));
      for (const { stage, at } of moments.toSorted((a, b) => a.at - b.at)) {
        context.sample({ figure: 'timeline: crash', what: stage, unit: 'ms', of: who.name, value: at - began });
      }
    }
    await who.clear();
  } finally {
    pipe.end();
  }
}
