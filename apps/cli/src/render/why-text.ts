/** Why an app is not where it should be: what it waits for, which offers were refused, how its last task ended. Pure. */
import type { App, Why } from '../api/shapes.js';
import { ago, table } from './table.js';

export function whyText(why: Why, app: App | null, now: number): string {
  const lines = [why.summary === undefined ? summaryOf(why, app) : `${why.appId}: ${why.summary}`];
  for (const waiting of why.waitingFor) {
    const text = typeof waiting === 'string' ? waiting : waiting.text;
    if (!lines[0]?.includes(text)) lines.push(`  waits for: ${text}`);
  }
  const { queue, lastTaskFailure: failure } = why;
  if (queue !== null) {
    lines.push(`  ${queue.count} instance${queue.count === 1 ? '' : 's'} to launch, since ${ago(queue.since, now)}; ${queue.processedOffers} offers looked at`);
    if (queue.delayMs > 0) lines.push(`  back-off: the next try is in ${Math.ceil(queue.delayMs / 1000)} s`);
    if (queue.refusals.length > 0) {
      const rows = queue.refusals.map((refusal) => [refusal.hostname, refusal.reason, refusal.text]);
      lines.push('', table(['AGENT', 'REFUSED FOR', 'BECAUSE'], rows));
    }
  }
  if (failure !== null)
    lines.push(
      '',
      `last failure, ${ago(failure.timestamp, now)} ago: ${failure.state} on ${failure.host}: ${failure.message || 'no message'}`,
      `  its output: ekiden logs ${failure.taskId}`,
    );
  return lines.join('\n');
}

function summaryOf(why: Why, app: App | null): string {
  if (why.queue !== null) return why.queue.delayMs > 0 ? `${why.appId} waits until its back-off is over.` : `${why.appId} waits for an offer that fits.`;
  if (app !== null && app.deployments.length > 0) return `${why.appId} is being deployed.`;
  if (app !== null && app.tasksUnhealthy > 0) return `${why.appId} runs, but ${app.tasksUnhealthy} of its instances fail their health checks.`;
  if (app !== null && app.tasksRunning < app.instances)
    return `${why.appId} has ${app.tasksRunning} of ${app.instances} instances running, the others are starting.`;
  return `${why.appId} is as it should be.`;
}
