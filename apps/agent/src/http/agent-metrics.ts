/** What an operator asks at three in the morning: is it connected, what runs, what waits to be acknowledged. */
import type { Log } from '@ekiden/model';
import { newMetrics } from '@ekiden/service';
import type { Agent } from '../create-agent.js';
import type { Look } from '../statistics/task-sampler.js';
import { taskMetrics } from './task-metrics.js';

/** Values are taken when they are asked for. `withTasks`: what each task uses as well. */
export function agentMetrics(agent: () => Agent, log: Log): (withTasks: boolean) => Promise<{ readonly text: string; readonly contentType: string }> {
  const metrics = newMetrics('ekiden_agent');
  const tasks = metrics.gauge('tasks', 'Tasks of this agent by stage of their life.', ['stage']);
  const unacknowledged = metrics.gauge('unacknowledged_statuses', 'Statuses that no framework has acknowledged yet.');
  const registered = metrics.gauge('registered', '1 while a master follows this agent.');
  const damaged = metrics.gauge('damaged_checkpoints', 'Checkpoint files set aside at the last start.');
  const measured = metrics.gauge('tasks_measured', '0 when the last attempt to measure tasks failed: the log says why.');
  measured.set(1);
  const showTasks = taskMetrics(metrics);
  /** A machine on which tasks cannot be measured has to be seen all the more. */
  const lookAtTasks = (): Look | null => {
    try {
      const look = agent().sampler.look();
      measured.set(1);
      return look;
    } catch (error) {
      measured.set(0);
      log.warn('tasks-not-measured', { why: String(error) });
      return null;
    }
  };
  return async (withTasks) => {
    const stages = { accepted: 0, launching: 0, running: 0, ended: 0 };
    let waiting = 0;
    for (const record of agent().tasks()) {
      stages[record.stage] += 1;
      waiting += record.unacknowledged.length;
    }
    for (const [stage, count] of Object.entries(stages)) tasks.set({ stage }, count);
    unacknowledged.set(waiting);
    const view = agent().view();
    registered.set(view.registered ? 1 : 0);
    damaged.set(view.damaged.length);
    showTasks(withTasks ? lookAtTasks() : null);
    return { text: await metrics.registry.metrics(), contentType: metrics.registry.contentType };
  };
}
