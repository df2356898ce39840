/** The user of a task, found out before anything is started, so that an unknown one is a reason rather than a dead task. */
import { closeSync, constants, fchownSync, fstatSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

export interface ResolvedUser {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
}

/** How long a directory service may take to answer. */
const LOOKUP_TIMEOUT_MS = 5_000;

/** By name or number: /etc/passwd first, then id(1), which also asks directory services. Null when nobody is called so. */
export async function resolveUser(user: string): Promise<ResolvedUser | null> {
  if (!/^[A-Za-z0-9_][\w.@\\-]{0,255}$/.test(user)) return null;
  for (const line of readFileSync('/etc/passwd', 'utf8').split('\n')) {
    const [name, , uid, gid] = line.split(':');
    if (name !== undefined && (name === user || uid === user)) return { name, uid: Number(uid), gid: Number(gid) };
  }
  try {
    const ask = async (what: string): Promise<string> => (await promisify(execFile)('id', [what, user], { timeout: LOOKUP_TIMEOUT_MS })).stdout.trim();
    const [uid, gid, name] = await Promise.all([ask('-u'), ask('-g'), ask('-un')]);
    return { name, uid: Number(uid), gid: Number(gid) };
  } catch {
    return null; // id(1) says "no such user" by its exit status.
  }
}

/** Null when the task runs as we do. Throws with the reason when it cannot become that user. */
export async function userToBecome(user: string | null, setpriv: string | null): Promise<ResolvedUser | null> {
  if (user === null) return null;
  const found = await resolveUser(user);
  if (found === null) throw new Error(`there is no user "${user}" on this machine: create it, or change the task's user`);
  if (found.uid === process.geteuid?.()) return null;
  if (process.geteuid?.() !== 0) throw new Error(`a task can run as "${user}" only when the agent runs as root: start it so, or leave the user out`);
  if (setpriv === null) throw new Error(`running as "${user}" needs the program "setpriv" (util-linux): install it`);
  return found;
}

/** Nothing but a plain file is opened: no link is followed, and a fifo is not waited for. */
const OPEN_PLAIN = constants.O_NOFOLLOW | constants.O_NONBLOCK;

/**
 * A program that opens /dev/stdout again needs to own the file. Throws when a link lies in its place (an archive may bring one):
 * what it names would be given away.
 */
export function giveLogsTo(sandbox: string, user: ResolvedUser): void {
  for (const name of ['stdout', 'stderr']) {
    const file = openSync(join(sandbox, name), constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT | OPEN_PLAIN, 0o644);
    try {
      const found = fstatSync(file);
      if (!found.isFile() || found.nlink > 1) throw new Error(`"${name}" in its sandbox has to be a plain file: leave that name to the task's output`);
      fchownSync(file, user.uid, user.gid);
    } finally {
      closeSync(file);
    }
  }
}
