/** Which task a path of `…/exec` means, and at which agent it runs; or why a command cannot be run there. */
import { EkidenError, liveTask, type AppId, type Instance, type TaskRef } from '@ekiden/model';
import type { PaasApi } from '../paas-api.js';
import { notFound } from './change-request.js';
import { idOf, pathOf, segmentsAfter } from './request-path.js';

export interface ExecTarget {
  readonly appId: AppId;
  readonly taskId: string;
  /** `host:port`. */
  readonly agentAddress: string;
}

/** Characters of an instance's own part that name it. */
const MIN_PREFIX = 4;

/**
 * `/ekiden/v1/tasks/{task or instance}/exec`, `/ekiden/v1/apps/{app}/exec` (the oldest instance that runs),
 * `/ekiden/v1/apps/{app}/{how its instance begins}/exec`. Null: another path. Throws what a client is told.
 */
export function execTarget(url: string, view: PaasApi['view']): ExecTarget | null {
  const match = /^\/ekiden\/v1\/(tasks|apps)\/.+\/exec$/.exec(pathOf(url));
  if (match === null) return null;
  const parts = segmentsAfter(url, `/ekiden/v1/${match[1] ?? ''}`).slice(0, -1);
  return match[1] === 'tasks' ? taskTarget(parts.join('/'), view) : appTarget(parts, view);
}

function taskTarget(id: string, view: PaasApi['view']): ExecTarget {
  for (const app of view.apps()) {
    const found = view.instances(app.id).find((instance) => instance.id === id || ('task' in instance.condition && instance.condition.task.taskId === id));
    if (found !== undefined) return { appId: app.id, ...runningTask(found) };
  }
  throw new EkidenError('task-not-found', `Task '${id.slice(0, 300)}' does not exist`, { taskId: id });
}

function appTarget(parts: readonly string[], view: PaasApi['view']): ExecTarget {
  const whole = idOf(parts);
  if (view.app(whole) !== null) return { appId: whole, ...oldestTask(whole, view.instances(whole)) };
  const begins = parts.at(-1) ?? '';
  const appId = parts.length < 2 ? null : idOf(parts.slice(0, -1));
  if (appId === null || view.app(appId) === null) throw notFound(whole);
  const named = view.instances(appId).filter(({ id }) => begins.length >= MIN_PREFIX && (id.split('.instance-')[1] ?? '').startsWith(begins));
  const [only, other] = named;
  if (only === undefined)
    throw new EkidenError(
      'task-not-found',
      `Task '${begins.slice(0, 80)}' of '${appId}' does not exist: give at least ${MIN_PREFIX} characters with which it begins`,
    );
  if (other !== undefined) throw new EkidenError('bad-request', `"${begins}" names ${named.length} instances of '${appId}': give more of it`);
  return { appId, ...runningTask(only) };
}

function oldestTask(id: AppId, instances: readonly Instance[]): Omit<ExecTarget, 'appId'> {
  const running = instances.filter(({ condition, stop }) => condition.kind === 'running' && stop === null);
  const [oldest] = [...running].sort((a, b) => a.createdAt - b.createdAt || (a.id < b.id ? -1 : 1));
  if (oldest !== undefined) return runningTask(oldest);
  const [first] = instances;
  if (first === undefined) throw new EkidenError('task-not-running', `'${id}' has no instances: scale it up`);
  return runningTask(first);
}

function runningTask({ id, condition, ...instance }: Instance): Omit<ExecTarget, 'appId'> {
  if (condition.kind === 'unreachable')
    throw new EkidenError('agent-unavailable', `the agent on ${condition.task.hostname}, where '${condition.task.taskId}' runs, is away`);
  const task: TaskRef | null = liveTask({ id, condition, ...instance });
  if (condition.kind !== 'running' || task === null) throw new EkidenError('task-not-running', `'${id}' does not run: it is ${WORDS[condition.kind]}`);
  if (task.agentAddress === '') throw new EkidenError('agent-unavailable', `the agent of '${task.taskId}' told no address at which it can be reached`);
  return { taskId: task.taskId, agentAddress: task.agentAddress };
}

const WORDS = { scheduled: 'waiting to be launched', provisioned: 'being launched', staging: 'starting', running: 'running', terminal: 'over' } as const;
