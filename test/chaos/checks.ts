/**
 * The promises, judged from the outside when a run is over: what the kernel saw of every task, against what Postgres has
 * recorded of it. Each answers breaches in words, under the numbers of the promises.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { AnyJson } from '../e2e/ekiden.js';
import type { Cluster } from './cluster.js';
import type { History } from './history.js';
import type { TaskLife, TaskWatch } from './task-watch.js';

/** How a task came to its end. `lost`: nobody had asked for it. */
export type End = 'killed-by-us' | 'by-itself' | 'stopped' | 'given-up' | 'lost';

export interface Ends {
  readonly counts: ReadonlyMap<string, number>;
  readonly lost: readonly string[];
  /** Longest time between the end of a process and its record, and whose. */
  readonly slowestMs: number;
  readonly slowest: string;
}

/** 6. Tasks end when they want, when we kill them, or when a recorded step says so. */
export function judgeEnds(watch: TaskWatch, history: History): Ends {
  const counts = new Map<string, number>();
  const lost: string[] = [];
  let [slowestMs, slowest] = [0, ''];
  for (const life of watch.lives.values()) {
    if (life.goneAt === null) continue;
    const end = endOf(life, watch, history);
    counts.set(end, (counts.get(end) ?? 0) + 1);
    const overAt = history.tasks.get(life.taskId)?.overAt ?? null;
    if (overAt !== null && overAt - life.goneAt > slowestMs) [slowestMs, slowest] = [overAt - life.goneAt, life.taskId];
    if (end === 'lost') lost.push(storyOf(life, watch, history));
  }
  return { counts, lost, slowestMs, slowest };
}

function endOf(life: TaskLife, watch: TaskWatch, history: History): string {
  if (life.killedByUsAt !== null) return 'killed-by-us';
  const journal = watch.journal(life.taskId).map(({ what }) => what);
  if (journal.includes('exit') && !journal.includes('term')) return 'by-itself';
  const recorded = history.tasks.get(life.taskId);
  if (recorded?.stop != null) return `stopped: ${recorded.stop.reason}`;
  if (recorded?.unreachableAt != null) return 'given-up';
  return 'lost';
}

function storyOf(life: TaskLife, watch: TaskWatch, history: History): string {
  const at = (ms: number | null): string => (ms === null ? 'never' : new Date(ms).toISOString());
  const recorded = history.tasks.get(life.taskId);
  const journal = watch.journal(life.taskId).map((line) => `${line.what} ${at(line.at)}`);
  const known = recorded === undefined ? 'never recorded' : `recorded ${at(recorded.recordedAt)}, over ${at(recorded.overAt)}`;
  return `6. ${life.taskId} on ${life.agent} (pid ${life.pid}) was seen ${at(life.seenAt)}, gone ${at(life.goneAt)}; ${known}; its journal: ${journal.join(', ') || 'empty'}`;
}

/** 2. Every process is of a task that was recorded before it started, and no task starts twice. */
export function judgeStarts(watch: TaskWatch, history: History): string[] {
  return watch.journals().flatMap((taskId) => {
    const starts = watch.journal(taskId).filter(({ what }) => what === 'start');
    const recorded = history.tasks.get(taskId);
    const first = starts[0];
    if (recorded === undefined) return [`2. ${taskId} was started, and was never recorded`];
    if (starts.length > 1) return [`2. ${taskId} was started ${starts.length} times`];
    return first !== undefined && first.at < Math.floor(recorded.recordedAt) ? [`2. ${taskId} was started before it was recorded`] : [];
  });
}

/** 5. Of every task that has ended it is recorded that it is over. */
export function judgeLearnt(watch: TaskWatch, history: History): string[] {
  return [...watch.lives.values()]
    .filter((life) => life.goneAt !== null && history.tasks.get(life.taskId)?.overAt === null)
    .map((life) => `5. ${life.taskId} has ended, and is recorded as if it lived`);
}

/** Null: every app is as it was asked for, and exactly the recorded tasks run. Otherwise what is not so yet. */
export async function whyNotRight(cluster: Cluster): Promise<string | null> {
  const { apps } = await cluster.json<{ apps: AnyJson[] }>('/v2/apps?embed=apps.tasks&embed=apps.counts&embed=apps.deployments');
  for (const app of apps) {
    if (app.deployments.length > 0) return `${app.id} has a deployment`;
    if (app.tasksRunning !== app.instances || app.tasksHealthy !== app.instances || app.tasks.length !== app.instances)
      return `${app.id} wants ${app.instances}, ${app.tasksRunning} run, ${app.tasksHealthy} are healthy, ${app.tasks.length} are listed`;
  }
  const recorded = new Set(apps.flatMap((app) => app.tasks.map(({ id }: AnyJson) => String(id))));
  const running = new Set(cluster.taskProcesses().map(({ taskId }) => taskId));
  const extra = [...running].filter((id) => !recorded.has(id));
  const missing = [...recorded].filter((id) => !running.has(id));
  if (extra.length > 0) return `run and are not recorded: ${extra.join(' ')}`;
  return missing.length > 0 ? `are recorded and do not run: ${missing.join(' ')}` : null;
}

/** A bug ends a part by itself, and says so. */
export function crashesOf(cluster: Cluster): string[] {
  const logs = join(cluster.directory, 'logs');
  return readdirSync(logs).flatMap((name) =>
    readFileSync(join(logs, name), 'utf8')
      .split('\n')
      .filter((line) => line.includes('service-broken') || line.includes('service-start-failed'))
      .map((line) => `${name}: ${line.slice(0, 600)}`),
  );
}
