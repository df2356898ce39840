/** Deployments and what a dry run would do, as text. Pure. */
import type { App, Deployment, Preview } from '../api/shapes.js';
import { ago, table } from './table.js';

export function deploymentsText(deployments: readonly Deployment[], now: number): string {
  if (deployments.length === 0) return 'No deployments.';
  return table(
    ['DEPLOYMENT', 'APPS', 'STATE', 'STEP', 'STARTED', 'REASON'],
    deployments.map((one) => [
      one.id,
      one.affectedApps.join(' '),
      one.state === 'running' && one.stuckSince !== null ? 'stuck' : one.state,
      `${one.currentStep}/${one.totalSteps}`,
      `${ago(one.startedAt, now)} ago`,
      one.reason ?? '',
    ]),
  );
}

const ACTIONS: Readonly<Record<Preview['apps'][number]['action'], string>> = {
  create: 'create',
  restart: 'roll out a new version',
  scale: 'scale',
  resize: 'resized in place, without restarting anything',
  'update-in-place': 'update without restarting anything',
  delete: 'delete',
  nothing: 'nothing to do',
};

export function previewText(preview: Preview): string {
  const lines = preview.apps.map((app) => {
    const fields = app.changedFields.length === 0 || app.action === 'create' ? '' : `: ${app.changedFields.join(', ')}`;
    const restarts = app.tasksToRestart > 0 ? `; replaces ${app.tasksToRestart} task${app.tasksToRestart === 1 ? '' : 's'}` : '';
    const resizes = app.tasksToResize > 0 ? `; resizes ${app.tasksToResize} task${app.tasksToResize === 1 ? '' : 's'}` : '';
    return `${app.appId}  ${ACTIONS[app.action]}${fields}${restarts}${resizes}`;
  });
  return [...lines, 'Nothing was changed (--dry-run).'].join('\n');
}

/** How far the apps of a deployment are: instances of the newest version that run, and pass their checks if they have any. */
export interface Progress {
  readonly done: number;
  readonly total: number;
}

export function progressOf(apps: readonly App[]): Progress {
  const isUp = (app: App, task: App['tasks'][number]): boolean =>
    task.state === 'TASK_RUNNING' &&
    (app.healthChecks.length === 0 || (task.healthCheckResults.length > 0 && task.healthCheckResults.every((result) => result?.alive === true)));
  return {
    total: apps.reduce((sum, app) => sum + app.instances, 0),
    done: apps.reduce(
      (sum, app) => sum + Math.min(app.instances, app.tasks.filter((task) => isUp(app, task) && task.version === (configVersion(app) ?? task.version)).length),
      0,
    ),
  };
}

/** Tasks carry the version that they were launched for; scaling makes a newer version and leaves them. */
function configVersion(app: App): string | undefined {
  const info = app.versionInfo;
  const at = typeof info === 'object' && info !== null && 'lastConfigChangeAt' in info ? info.lastConfigChangeAt : undefined;
  return typeof at === 'string' && at !== app.version ? undefined : app.version;
}
