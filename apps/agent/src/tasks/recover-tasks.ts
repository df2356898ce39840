/**
 * What becomes of the tasks of an earlier agent on this machine: every record ends in one of four ways, be it later.
 *
 *   stage    what the run directory says   then
 *   ended    (not asked)                   its last statuses are sent on
 *   any      (another boot of the host)    over: "host restarted"
 *   any      never started                 over: dropped, or killed if a kill was recorded
 *   any      exited                        over, with the status that the supervisor wrote down
 *   any      running                       watched again; checks, a kill and a change of size under way go on
 *   any      undecided                     as it is, until the container engine that knows answers; then one of the above
 *
 * The agent may have been started with other resources, ports, attributes, users or another runtime: what runs goes on as it was
 * accepted. The master is told the new size; what its tasks hold beyond that is a deficit, and nothing is offered meanwhile.
 *
 * Nothing is dropped silently, and nothing is started: whoever wants the task again decides that.
 */
import type { Recovered, SettledRecovery } from '@ekiden/isolation';
import type { AgentPorts, TaskRecord } from '../agent-ports.js';
import type { TaskHook } from './hooks/task-hook.js';
import type { LiveTask } from './live-task.js';
import { Slots } from './slots.js';
import { KILLED_DURING_LAUNCH, RUNNING, unstarted, type TaskRunner } from './task-runner.js';
import { ANY_CONTAINER } from './read-container.js';
import type { TaskPolicy } from './read-task.js';
import type { TaskTable } from './task-table.js';

/** Looked at together: those that are over share one look at the machine, which costs the more the more processes there are. */
export const MAX_RECOVERIES = 256;

export interface Recovery {
  readonly ports: Pick<AgentPorts, 'runtime' | 'networks' | 'log'>;
  readonly table: TaskTable;
  readonly runner: TaskRunner;
  readonly hooks: readonly TaskHook[];
}

/** The host's boot now, and in the agent's record (which a full disk may have kept from being written); null: no such record. */
export interface Boots {
  readonly now: string;
  readonly recorded: string | null;
}

/** Resolves when every record has its task in the table. */
export async function recoverTasks(records: readonly TaskRecord[], boots: Boots, recovery: Recovery): Promise<void> {
  const tasks = records.map((record) => {
    const { task, refusal } = recovery.runner.liveTask(record, settledPolicy(record));
    // It runs on all the same; what this agent does not understand of it (checks, grace) is not done.
    if (refusal !== null && record.stage !== 'ended') recovery.ports.log.warn('recovered-task-not-understood', { taskId: task.taskId, why: refusal });
    return task;
  });
  for (const task of tasks) recovery.table.add(task);
  const slots = new Slots(MAX_RECOVERIES);
  await Promise.all(
    tasks.map((task) =>
      slots.run(async () => {
        await recoverTask(task, boots, recovery);
        // The master may know of its end, and holds nothing for it any more: it is told of no task that is neither running nor over.
        await task.releasing;
      }),
    ),
  );
}

/** Who a task runs as, and in what container, was settled when it was accepted, whatever the operator says by now. Older records do not say who that was. */
function settledPolicy({ user }: TaskRecord): TaskPolicy | undefined {
  if (user === undefined) return undefined;
  return { taskUser: user, allowedUsers: [], allowedCapabilities: ['*'], containers: ANY_CONTAINER };
}

async function recoverTask(task: LiveTask, boots: Boots, { ports, runner, hooks }: Recovery): Promise<void> {
  const { record } = task;
  if (record.stage === 'ended') {
    if (record.unacknowledged.length === 0) await runner.finish(task);
    return;
  }
  task.network = ports.networks?.find(task.taskId) ?? null;
  const wasForked = record.stage !== 'accepted' && record.runDir !== '';
  if ((record.bootId ?? boots.recorded ?? boots.now) !== boots.now) {
    runner.ended(task, unstarted(wasForked ? 'TASK_GONE' : 'TASK_DROPPED', 'AGENT_RESTARTED', 'host restarted'));
    return;
  }
  const found = record.runDir === '' ? ({ kind: 'never-started' } as const) : await look(task, ports);
  if (found === null) return;
  if (found.kind === 'undecided') {
    ports.log.warn('task-undecided', { taskId: task.taskId, stage: record.stage });
    void found.settled.then((later) => runner.isStopped || settle(task, later, { ports, runner, hooks }));
    return;
  }
  settle(task, found, { ports, runner, hooks });
}

function settle(task: LiveTask, found: SettledRecovery, { ports, runner, hooks }: Pick<Recovery, 'ports' | 'runner' | 'hooks'>): void {
  const { record } = task;
  ports.log.info('task-recovered', { taskId: task.taskId, stage: record.stage, found: found.kind });
  switch (found.kind) {
    case 'never-started':
      if (record.kill) runner.ended(task, KILLED_DURING_LAUNCH);
      else if (record.stage === 'running')
        runner.ended(task, unstarted('TASK_FAILED', 'AGENT_RESTARTED', 'its run directory is gone, nobody knows how it ended'));
      else runner.ended(task, unstarted('TASK_DROPPED', 'AGENT_RESTARTED', 'the agent restarted before it started the task'));
      return;
    case 'exited':
      runner.endedWith(task, found.exit);
      return;
    case 'running':
      task.pid = found.pid;
      task.update({ stage: 'running', startedAt: record.startedAt ?? record.launchedAt });
      // None yet, or how far its preparation was: nobody knows that it runs.
      if (record.latest === null || record.latest.state === 'TASK_STARTING') runner.report(task, RUNNING);
      if (!record.kill) for (const hook of hooks) hook.recover?.(task);
      runner.resizer.recover(task);
      runner.watch(task);
      return;
  }
}

/** Null: the runtime could not look. The task stays as it is on disk, and the next start of the agent looks again. */
async function look(task: LiveTask, ports: Recovery['ports']): Promise<Recovered | null> {
  try {
    return await ports.runtime.recover(task.taskId, task.record.runDir);
  } catch (error) {
    ports.log.error('task-recovery-failed', { taskId: task.taskId, why: String(error) });
    return null;
  }
}
