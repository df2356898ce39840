/**
 * What the process that started the agent may ask over IPC: `{ type: 'stop-tasks', graceMs? }`, answered by
 * `{ type: 'tasks-stopped' }` when all tasks are over and that is on disk (decision 22: Ctrl-C of `npm start`).
 */
import type { Log } from '@ekiden/model';
import type { Agent } from './create-agent.js';

export function answerParent(agent: Agent, log: Log): void {
  if (!process.connected) return;
  process.on('message', (message: unknown) => {
    if (typeof message !== 'object' || message === null || !('type' in message) || message.type !== 'stop-tasks') return;
    const graceMs = 'graceMs' in message && typeof message.graceMs === 'number' ? message.graceMs : null;
    log.info('all-tasks-ending', { graceMs });
    agent.endTasks(graceMs).then(
      () => process.connected && process.send?.({ type: 'tasks-stopped' }),
      (error: unknown) => log.error('tasks-not-ended', { why: String(error) }),
    );
  });
}
