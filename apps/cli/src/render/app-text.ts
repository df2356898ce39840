/** Apps and their tasks as text. Pure: the answer of the API and the time go in, lines come out. */
import type { App, Images, Task } from '../api/shapes.js';
import { ago, table } from './table.js';

export function appsText(apps: readonly App[]): string {
  if (apps.length === 0) return 'No apps yet. Try: ekiden deploy examples/web.json';
  const sorted = [...apps].sort((a, b) => (a.id < b.id ? -1 : 1));
  return table(
    ['APP', 'RUNNING', 'HEALTH', 'CPUS', 'MEM', 'STATUS'],
    sorted.map((app) => [app.id, `${app.tasksRunning}/${app.instances}`, healthOf(app), String(app.cpus), `${app.mem} MiB`, statusOf(app)]),
  );
}

const healthOf = (app: App): string =>
  app.healthChecks.length === 0 ? '-' : `${app.tasksHealthy} ok${app.tasksUnhealthy > 0 ? `, ${app.tasksUnhealthy} failing` : ''}`;

export function statusOf(app: App): string {
  if (app.deployments.length > 0) return 'deploying';
  if (app.instances === 0 && app.tasksRunning === 0) return 'suspended';
  if (app.tasksUnhealthy > 0) return 'unhealthy';
  if (app.tasksRunning < app.instances) return 'waiting (ekiden why says for what)';
  return 'running';
}

export function appText(app: App, now: number, images: Images | null = null): string {
  const failure = app.lastTaskFailure;
  return [
    `${app.id}  ${statusOf(app)}`,
    `  version    ${app.version}`,
    `  instances  ${app.tasksRunning} running, ${app.tasksStaged} starting, of ${app.instances}${app.healthChecks.length > 0 ? `; ${healthOf(app)}` : ''}`,
    `  resources  ${app.cpus} cpus, ${app.mem} MiB each`,
    ...imageLines(images),
    ...app.deployments.map((deployment) => `  deployment ${deployment.id}`),
    ...(failure === undefined
      ? []
      : [`  last failure ${ago(failure.timestamp, now)} ago: ${failure.state} on ${failure.host}: ${failure.message || 'no message'}`]),
    '',
    app.tasks.length === 0 ? '  no tasks' : tasksText(app.tasks, now),
  ].join('\n');
}

/** Tasks that do not run what the version says are named: of an older version, or about to be replaced. */
function imageLines(images: Images | null): readonly string[] {
  if (images === null || images.image === null) return [];
  const others = images.tasks.filter(({ digest }) => digest !== null && digest !== images.digest);
  return [
    `  image      ${images.image}, ${images.digest ?? 'which its first task will ask the registry about'}`,
    ...others.map(({ id, digest }) => `             ${id} runs ${digest ?? ''}`),
  ];
}

export function tasksText(tasks: readonly Task[], now: number): string {
  return table(
    ['TASK', 'STATE', 'HEALTH', 'WHERE', 'UP', 'VERSION'],
    tasks.map((task) => [task.id, stateOf(task), taskHealth(task), addressesOf(task), ago(task.startedAt, now), task.version ?? '-']),
  );
}

function stateOf({ state, resize }: Task): string {
  const text = state.replace('TASK_', '').toLowerCase();
  if (resize === undefined) return text;
  return resize.refused === null ? `${text}, being resized to ${resize.cpus} cpus, ${resize.mem} MiB` : `${text}, to be replaced: not resized`;
}

export function taskHealth(task: Task): string {
  const results = task.healthCheckResults.filter((result) => result !== null);
  if (results.length === 0) return '-';
  const failing = results.find((result) => !result.alive);
  return failing === undefined ? 'ok' : `failing (${failing.lastFailureCause ?? `${failing.consecutiveFailures} in a row`})`;
}

const addressesOf = (task: Task): string => (task.ports.length === 0 ? task.host : task.ports.map((port) => `${task.host}:${port}`).join(' '));
