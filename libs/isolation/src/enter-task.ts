/**
 * How another process gets into a running task (a health check, a shell): with the task's rights, its environment and its view.
 *
 *   nsenter (where it has namespaces) ─► setpriv ─► env ─► the command
 *
 * It joins the control groups before (`joinFiles`), and is started as we are: setpriv makes it the task's user. A filter of system
 * calls is not laid on it: it is ours, not the task's, until the command runs, and bwrap could not follow into the namespaces.
 */
import { rightsWords } from './launch-chain.js';
import type { LaunchTools } from './launch-tools.js';
import { splitEnvironment } from './plan-launch.js';
import { readProcFile } from './proc.js';
import type { EnteredTask } from './runtime.js';
import type { TaskSecurity } from './task-security.js';
import type { ResolvedUser } from './users.js';

export interface TaskToEnter {
  readonly tools: LaunchTools;
  readonly security: TaskSecurity;
  readonly user: ResolvedUser | null;
  readonly env: Readonly<Record<string, string>>;
  readonly sandbox: string;
  /** Its first process. */
  readonly mainPid: number;
}

/** Throws when the task is gone, or a program is missing. */
export function enterTask({ tools, security, user, env, sandbox, mainPid }: TaskToEnter): EnteredTask {
  const { early, words } = splitEnvironment(env, tools.env);
  return { env: early, words: [...viewWords(security, tools, sandbox, mainPid), ...rightsWords({ tools, security, user }), ...words] };
}

function viewWords({ namespaces, privateTmp }: TaskSecurity, tools: LaunchTools, sandbox: string, mainPid: number): readonly string[] {
  const hasPid = namespaces.includes('pid');
  const options = [
    ...(namespaces.includes('mount') || privateTmp || hasPid ? ['--mount'] : []),
    ...(hasPid ? ['--pid'] : []),
    ...(namespaces.includes('ipc') ? ['--ipc'] : []),
    ...(namespaces.includes('uts') ? ['--uts'] : []),
  ];
  if (options.length === 0) return [];
  if (tools.nsenter === null) throw new Error('a process can enter its namespaces only with the program `nsenter`: install the package util-linux');
  // `unshare --pid` stays outside of what it made: inside is its child.
  const target = hasPid ? Number.parseInt(readProcFile(`/proc/${mainPid}/task/${mainPid}/children`) ?? '', 10) : mainPid;
  if (!(target > 0)) throw new Error('the task has ended');
  return [tools.nsenter, `--target=${target}`, ...options, '--', tools.env, `--chdir=${sandbox}`, '--'];
}
