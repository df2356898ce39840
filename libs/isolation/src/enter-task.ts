/**
 * How another process gets into a running task (a health check, an operator's command): with the task's rights and its view.
 *
 *   nsenter (where it has namespaces) ─► setsid (for a terminal) ─► bwrap (its filter) ─► setpriv ─► the command
 *
 * It is in the control groups by then, and started as we are: setpriv makes it the task's user. A shell that sees only its own
 * processes can control jobs only in a session that began in there, so the terminal is taken over (`setsid --ctty`).
 */
import { rightsWords, seccompWords } from './launch-chain.js';
import type { LaunchTools } from './launch-tools.js';
import { hasOwnNetwork, readProcFile } from './proc.js';
import type { TaskSecurity } from './task-security.js';
import type { ResolvedUser } from './users.js';

export interface TaskToEnter {
  readonly tools: LaunchTools;
  readonly security: TaskSecurity;
  readonly user: ResolvedUser | null;
  readonly sandbox: string;
  /** Its first process. */
  readonly mainPid: number;
  readonly hasTerminal: boolean;
}

/** What stands before the command. Throws when the task is gone, or a program is missing. */
export function enterWords({ tools, security, user, sandbox, mainPid, hasTerminal }: TaskToEnter): readonly string[] {
  return [
    ...viewWords(security, tools, sandbox, mainPid),
    ...(hasTerminal && security.namespaces.includes('pid') ? [tools.setsid, '--ctty', '--'] : []),
    ...(security.hasSeccomp ? seccompWords(tools, hasTerminal ? 'TERM,INT,QUIT' : 'TERM') : []),
    ...rightsWords({ tools, security, user }),
  ];
}

function viewWords({ namespaces, privateTmp }: TaskSecurity, tools: LaunchTools, sandbox: string, mainPid: number): readonly string[] {
  const hasPid = namespaces.includes('pid');
  const options = [
    ...(namespaces.includes('mount') || privateTmp || hasPid ? ['--mount'] : []),
    ...(hasPid ? ['--pid'] : []),
    ...(namespaces.includes('ipc') ? ['--ipc'] : []),
    ...(namespaces.includes('uts') ? ['--uts'] : []),
    ...(hasOwnNetwork(mainPid) ? ['--net'] : []),
  ];
  if (options.length === 0) return [];
  if (tools.nsenter === null) throw new Error('a process can enter its namespaces only with the program `nsenter`: install the package util-linux');
  // `unshare --pid` stays outside of what it made: inside is its child.
  const target = hasPid ? Number.parseInt(readProcFile(`/proc/${mainPid}/task/${mainPid}/children`) ?? '', 10) : mainPid;
  if (!(target > 0)) throw new Error('the task has only just begun, or has ended');
  return [tools.nsenter, `--target=${target}`, ...options, '--', tools.env, `--chdir=${sandbox}`, '--'];
}
