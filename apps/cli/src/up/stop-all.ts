/**
 * The end of `ekiden up`, in the order that loses nothing.
 *
 * The API goes first, so nothing is launched any more and no end of a task is taken for a failure. Then each agent ends
 * its tasks and keeps their last statuses (TASK_KILLED) on disk: the next start delivers them, and the apps come back.
 * Then master and agents, and Postgres last.
 */
import { messageOf } from '../cli-error.js';
import type { Part } from './part.js';
import type { EmbeddedServer } from './postgres/server.js';

/** The longest that an orderly end of all tasks may take; their own grace periods are usually far shorter. */
const TASKS_TIMEOUT_MS = 120_000;
/** After a second Ctrl-C, for the agents to kill what is left. */
const HURRY_TIMEOUT_MS = 2_000;

/** What has been started so far; filled by `up`, emptied by nobody. */
export interface Running {
  api: Part | null;
  agents: readonly Part[];
  master: Part | null;
  postgres: EmbeddedServer | null;
}

export interface StopWishes {
  readonly keepTasks: boolean;
  readonly tell: (line: string) => void;
  /** Resolves when the user cannot wait. */
  readonly hurry: Promise<void>;
}

export async function stopAll(running: Running, wishes: StopWishes): Promise<void> {
  const isOrderly = await Promise.race([stopInOrder(running, wishes).then(() => true), wishes.hurry.then(() => false)]);
  if (!isOrderly) await stopNow(running, wishes);
}

async function stopInOrder({ api, agents, master, postgres }: Running, { keepTasks, tell }: StopWishes): Promise<void> {
  await api?.stop();
  if (!keepTasks) {
    const answers = await Promise.all(agents.map((agent) => agent.ask({ type: 'stop-tasks' }, 'tasks-stopped', TASKS_TIMEOUT_MS)));
    agents.forEach((agent, i) => {
      if (answers[i] === null) tell(`${agent.name}: did not say that its tasks have ended; the next start takes care of them`);
    });
  }
  await master?.stop();
  await Promise.all(agents.map((agent) => agent.stop()));
  try {
    await postgres?.stop('fast');
  } catch (error) {
    tell(messageOf(error));
  }
}

async function stopNow({ api, agents, master, postgres }: Running, { keepTasks, tell }: StopWishes): Promise<void> {
  tell('ending at once');
  api?.kill();
  if (!keepTasks) await Promise.all(agents.map((agent) => agent.ask({ type: 'stop-tasks', graceMs: 0 }, 'tasks-stopped', HURRY_TIMEOUT_MS)));
  master?.kill();
  for (const agent of agents) agent.kill();
  await postgres?.stop('now');
}
