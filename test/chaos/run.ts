/**
 * One run from the first start to the verdict: build the cluster, let users and clients in, let the storm blow, wait until
 * all is right again, judge, and stop everything.
 */
import { appendFileSync } from 'node:fs';
import { join } from 'node:path';
import { eventually } from '../e2e/ekiden.js';
import { SERVED } from './apps.js';
import { Balancer } from './balancer.js';
import { crashesOf, judgeEnds, judgeLearnt, judgeStarts, whyNotRight } from './checks.js';
import { Cluster, type Powers } from './cluster.js';
import type { Fault } from './faults/fault.js';
import { readHistory } from './history.js';
import { liveLine, printVerdict, type Verdict } from './report.js';
import { chanceFor, drawSchedule } from './schedule.js';
import { Storm } from './storm.js';
import { TaskWatch } from './task-watch.js';
import { Users } from './users.js';

const LIVE_LINE_MS = 10_000;
const ACKNOWLEDGED_EVERY_MS = 5_000;
/** From the last fault until everything is as asked for: covers an agent that is given up, a lease, and the longest back-off. */
const CONVERGE_BOUND_MS = 240_000;
/** From the deletion of all apps until no process of theirs is left. */
const EMPTY_BOUND_MS = 90_000;

export interface RunOptions {
  readonly home: string;
  readonly directory: string;
  readonly minutes: number;
  readonly seed: number;
  readonly faults: readonly Fault[];
  readonly powers: Powers;
}

export async function run(options: RunOptions): Promise<number> {
  const story = join(options.directory, 'story.log');
  const tell = (line: string): void => appendFileSync(story, `${new Date().toISOString()} ${line}\n`);
  console.log(`seed ${options.seed}, ${options.minutes} minutes: starting Postgres, 2 masters, 2 APIs, 3 agents`);
  const cluster = await Cluster.start(options.home, options.directory, options.powers, tell);
  let isInterrupted = false;
  try {
    const stop = new AbortController();
    const interrupt = (): void => {
      isInterrupted = true;
      stop.abort();
    };
    process.on('SIGINT', interrupt);
    process.on('SIGTERM', interrupt);
    const verdict = await underLoad(options, cluster, tell, stop.signal);
    printVerdict(verdict);
    return isInterrupted ? 130 : verdict.problems.length + verdict.breaches.length + verdict.lostTasks.length + verdict.requests.lost === 0 ? 0 : 1;
  } catch (error) {
    console.error(`the run failed: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
    return 2;
  } finally {
    await cluster.stop();
  }
}

async function underLoad(options: RunOptions, cluster: Cluster, tell: (line: string) => void, stopped: AbortSignal): Promise<Verdict> {
  const possible = options.faults.filter((fault) => fault.whyNot(cluster) === null);
  for (const fault of options.faults) if (!possible.includes(fault)) console.log(`skipped: ${fault.name} (${fault.whyNot(cluster)})`);
  const watch = new TaskWatch(cluster);
  const storm = new Storm(cluster, watch, SERVED, tell);
  const users = new Users(cluster, chanceFor(options.seed), (ms) => storm.pause(ms), tell);
  const balancer = new Balancer(cluster.apis, SERVED, (taskId) => watch.lives.get(taskId)?.killedByUsAt != null);
  const breaches: string[] = [];
  let converged: number | null = null;
  watch.start();
  await users.begin();
  await eventually('the served apps are healthy', async () => (await whyNotRight(cluster)) === null, CONVERGE_BOUND_MS);
  await balancer.start();
  const beganAt = Date.now();
  const live = setInterval(() => console.log(liveLine(Date.now() - beganAt, storm, balancer, watch, users)), LIVE_LINE_MS);
  const acknowledged = setInterval(() => void users.checkAcknowledged().catch(() => undefined), ACKNOWLEDGED_EVERY_MS); // Postgres may be away
  const abort = (): void => void storm.end();
  stopped.addEventListener('abort', abort);
  try {
    users.start();
    await storm.blow(drawSchedule(options.seed, options.minutes, possible));
    await storm.pause(options.minutes * 60_000 - (Date.now() - beganAt));
    await storm.end();
    tell('the storm is over');
    const calmAt = Date.now();
    // Who interrupts a run wants its end, and learns nothing of how it heals.
    if (stopped.aborted) await users.leave();
    else {
      await users.settle();
      converged = await becomesRight(cluster, calmAt, breaches);
    }
    await balancer.stop();
    clearInterval(acknowledged);
    if (converged !== null) await users.checkAcknowledged();
    breaches.push(...(await isEmptied(cluster, users)));
  } finally {
    clearInterval(live);
    clearInterval(acknowledged);
    await balancer.stop();
    watch.stop();
  }
  const history = await readHistory(cluster.database);
  const ends = judgeEnds(watch, history);
  breaches.push(
    ...users.breaches,
    ...watch.breaches,
    ...history.breaches,
    ...judgeStarts(watch, history),
    ...judgeLearnt(watch, history),
    ...crashesOf(cluster),
  );
  return {
    minutes: (Date.now() - beganAt) / 60_000,
    faults: storm.injected,
    requests: balancer.counts,
    fewest: balancer.fewest,
    stories: balancer.stories,
    users: users.counts,
    commits: history.commits,
    started: watch.lives.size,
    ends: ends.counts,
    slowestEndMs: ends.slowestMs,
    slowestEnd: ends.slowest,
    converged: stopped.aborted ? 'not awaited' : converged,
    lostTasks: ends.lost,
    breaches,
    problems: storm.problems,
  };
}

/** How long it took after the last fault; null when it does not come to that in time. */
async function becomesRight(cluster: Cluster, since: number, breaches: string[]): Promise<number | null> {
  let why: string | null = 'nobody has answered yet';
  try {
    await eventually(
      'all is right',
      async () => {
        why = await whyNotRight(cluster);
        return why === null;
      },
      CONVERGE_BOUND_MS,
    );
    return Date.now() - since;
  } catch (error) {
    const asked = await cluster.json('/ekiden/v1/nodes').catch(String);
    breaches.push(`liveness: ${CONVERGE_BOUND_MS} ms after the last fault: ${why ?? String(error)}; nodes: ${JSON.stringify(asked).slice(0, 1_500)}`);
    return null;
  }
}

async function isEmptied(cluster: Cluster, users: Users): Promise<string[]> {
  await users.deleteAll();
  try {
    await eventually('no process of a task is left', () => cluster.taskProcesses().length === 0, EMPTY_BOUND_MS);
    // Tasks of deleted apps are listed until their end is recorded.
    await eventually('no task is recorded', async () => (await cluster.json<{ tasks: unknown[] }>('/v2/tasks')).tasks.length === 0, EMPTY_BOUND_MS);
    return [];
  } catch (error) {
    return [
      `liveness: ${error instanceof Error ? error.message : String(error)}: ${cluster
        .taskProcesses()
        .map(({ taskId }) => taskId)
        .join(' ')}`,
    ];
  }
}
