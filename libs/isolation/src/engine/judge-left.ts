/** What became of a container that an earlier agent has asked for: its journal and its engine are asked, and one that never began is withdrawn. */
import type { Log } from '@ekiden/model';
import { reasonOf } from '../reason-of.js';
import { createBackOff } from './back-off.js';
import { findContainer, withdrawContainer } from './container-calls.js';
import { type EngineJournal, appendLine } from './engine-journal.js';
import type { EngineTask } from './engine-task.js';
import { type ContainerVerdict, judgeContainer, judgeJournal } from './judge-container.js';

/** A container that began to run between two looks at it is looked at again. */
const MAX_LOOKS = 10;

/**
 * Null: nobody knows before the engine answers. It was asked to start the task, and the agent did not hear whether it did. One that is known to
 * have been started runs until the engine says otherwise.
 */
export async function judgeLeft(task: EngineTask, journal: EngineJournal, log: Log): Promise<ContainerVerdict | null> {
  const told = judgeJournal(journal);
  if (told !== null) return told;
  try {
    for (let look = 0; look < MAX_LOOKS; look += 1) {
      const verdict = judgeContainer(journal, await findContainer(task.client, task.container));
      if (verdict.kind !== 'withdraw') return verdict;
      if (!(await withdrawContainer(task.client, task.container))) continue;
      appendLine(task.runDir, { kind: 'withdrawn' });
      return { kind: 'never-started' };
    }
    throw new Error('its container neither runs nor can be removed');
  } catch (error) {
    log.warn('engine-away', { taskId: task.taskId, why: reasonOf(error) });
    task.engineWasAway = true;
    return journal.startedPid === null ? null : { kind: 'running', pid: journal.startedPid };
  }
}

/** As often as it takes, at growing pauses. Never resolves when this agent closes before: the next one finds it as it was. */
export async function judgeUntilKnown(task: EngineTask, journal: EngineJournal, log: Log, stop: AbortSignal): Promise<ContainerVerdict> {
  const backOff = createBackOff();
  while (!stop.aborted) {
    await backOff.wait();
    const verdict = stop.aborted ? null : await judgeLeft(task, journal, log);
    if (verdict !== null && !stop.aborted) return verdict;
  }
  return await new Promise(() => undefined);
}
