/** Looks at what an earlier agent left of a task, and concludes with the table of judge-run-dir.ts. */
import { judgeRunDir, type Verdict } from './judge-run-dir.js';
import { isAlive, readStat } from './proc.js';
import { readJournal } from './run-journal.js';
import type { TaskGroups } from './task-groups.js';
import type { Tracked } from './tracked-task.js';

/** Fills in the task's processes. `boot`: that of the launch (null: not known), and that of now. */
export function judgeLeftOver(task: Tracked, groups: TaskGroups, boot: { readonly launch: string | null; readonly now: string }): Verdict {
  const sameBoot = boot.launch === null || boot.launch === boot.now;
  // Liveness before the journal: a supervisor writes the status and then ends.
  const { supervisor } = readJournal(task.runDir);
  const supervisorAlive = sameBoot && supervisor !== null && isAlive(supervisor);
  const journal = readJournal(task.runDir);
  task.supervisor = supervisor;
  task.main = sameBoot ? journal.main : null;
  const mainAlive = task.main !== null && isAlive(task.main);
  const looksGone = journal.claim === 'supervisor' && journal.status === null && !supervisorAlive && !mainAlive;
  // Whoever else is left of a task whose first process is known to be gone is ended with it, whoever it is.
  const others = looksGone && sameBoot && task.main === null ? (groups.remaining([task]).get(task.taskId) ?? []) : [];
  if (task.main === null && others[0] !== undefined) task.main = readStat(others[0]);
  return judgeRunDir({ journal, sameBoot, supervisorAlive, mainAlive, othersAlive: others.length > 0 && task.main !== null && isAlive(task.main) });
}
