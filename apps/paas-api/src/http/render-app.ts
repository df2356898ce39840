/** An app on the wire: its stored definition, and around it what was asked for (Marathon: 7.7). */
import { isoTime, type AppId, type Instant } from '@ekiden/model';
import type { PaasView } from '../paas-api.js';
import type { AppVersionRow, TaskFailureRow } from '../store/paas-store.js';
import type { Embeds } from './embed.js';
import { renderTask } from './render-task.js';
import { renderTaskStats } from './render-task-stats.js';
import type { Json } from './stored-definition.js';

/** The definition with its version, as a version shows it. */
export function renderVersion(row: AppVersionRow): Json {
  return {
    ...row.definition,
    version: isoTime(row.version),
    versionInfo: { lastScalingAt: isoTime(row.scalingVersion), lastConfigChangeAt: isoTime(row.configVersion) },
  };
}

/** The newest version that users asked for; null when the app is unknown or deleted. */
export function wantedVersion(view: PaasView, id: AppId): AppVersionRow | null {
  const row = view.app(id);
  return row === null || row.desiredVersion === null ? null : view.version(id, row.desiredVersion);
}

export function renderApp(view: PaasView, row: AppVersionRow, embeds: Embeds, now: Instant): Json {
  const id = row.appId;
  const counts = view.counts(id);
  return {
    ...renderVersion(row),
    ...(embeds.counts ? { tasksStaged: counts.staged, tasksRunning: counts.running, tasksHealthy: counts.healthy, tasksUnhealthy: counts.unhealthy } : {}),
    ...(embeds.deployments ? { deployments: view.deploymentsOf(id).map((deployment) => ({ id: deployment.id })) } : {}),
    ...(embeds.tasks ? { tasks: tasksOf(view, id) } : {}),
    ...(embeds.lastTaskFailure ? failureOf(view.failure(id)) : {}),
    ...(embeds.readiness ? { readinessCheckResults: renderReadiness(view, id) } : {}),
    ...(embeds.taskStats ? { taskStats: renderTaskStats(view, row, now) } : {}),
  };
}

export const tasksOf = (view: PaasView, id: AppId, withServicePorts = false): Json[] =>
  view.instances(id).flatMap((instance) => {
    const task = renderTask(view, instance, withServicePorts);
    return task === null ? [] : [task];
  });

const failureOf = (failure: TaskFailureRow | null): Json => (failure === null ? {} : { lastTaskFailure: renderFailure(failure) });

export const renderFailure = (failure: TaskFailureRow): Json => ({
  appId: failure.appId,
  host: failure.hostname,
  message: failure.message,
  slaveId: failure.agentId,
  state: failure.state,
  taskId: failure.taskId,
  timestamp: isoTime(failure.at),
  version: isoTime(failure.version),
});

export const renderReadiness = (view: PaasView, id: AppId): Json[] =>
  view.readiness(id).map(({ name, taskId, result }) => ({
    name,
    taskId,
    ready: result.ready,
    ...(result.lastResponse === null ? {} : { lastResponse: result.lastResponse }),
  }));
