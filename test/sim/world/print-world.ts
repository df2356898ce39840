/** What a scenario prints that did not become right: what paas-api believes, what runs, and the last lines of all parts. */
import type { Instance } from '@ekiden/model';
import type { PaasView } from '../../../apps/paas-api/src/paas-api.js';
import { printLine, type LogBook } from './log-book.js';
import type { SimProcess } from './sim-process.js';

const LAST_LINES = 40;

/** `view` null: paas-api is down. */
export function printWorld(view: PaasView | null, processes: readonly SimProcess[], log: LogBook): string {
  const believed = view === null ? ['paas-api is down'] : [...printDeployments(view), ...printApps(view)];
  return [...believed, `processes: ${processes.map((process) => process.taskId).join(', ')}`, ...log.last(LAST_LINES).map(printLine)].join('\n');
}

const printDeployments = (view: PaasView): string[] =>
  view.deployments().map((row) => `deployment ${row.id}: step ${row.currentStep} of ${JSON.stringify(row.steps)}, ${row.reason ?? ''}`);

const printApps = (view: PaasView): string[] =>
  view
    .apps()
    .flatMap((app) => [
      `app ${JSON.stringify(app)}`,
      `  plan ${JSON.stringify(view.plan(app.id))}`,
      ...view.instances(app.id).map((one) => `  ${printInstance(one)}`),
    ]);

function printInstance({ id, version, goal, condition, stop, backoffMs }: Instance): string {
  const task = 'task' in condition ? ` ${condition.task.taskId.slice(id.length)} at ${condition.task.hostname}` : '';
  const rest = JSON.stringify({ ...condition, task: undefined });
  return `${id} of ${version} ${goal}${task} ${rest} ${stop === null ? '' : `stop ${JSON.stringify(stop)}`} backoff ${backoffMs}`;
}
