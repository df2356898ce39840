/** Users of this machine by name; whatever `id` knows (files, LDAP). Answers are kept: an agent sees few names. */
import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { userInfo } from 'node:os';
import { promisify } from 'node:util';

export interface SystemUser {
  readonly uid: number;
  readonly gid: number;
}

const known = new Map<string, SystemUser>();
const run = promisify(execFile);

/** Rejects with a message for people when there is no such user. */
export async function findUser(name: string): Promise<SystemUser> {
  const before = known.get(name);
  if (before) return before;
  if (!/^[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}\$?$/.test(name)) throw new Error(`"${name}" is no user name`);
  const me = userInfo();
  const user = name === me.username ? { uid: me.uid, gid: me.gid } : { uid: await ask('-u', name), gid: await ask('-g', name) };
  known.set(name, user);
  return user;
}

/** Names by number, as far as the machine's own files know them: what asks for thousands of files must not ask LDAP for each. */
export async function localNames(of: 'passwd' | 'group'): Promise<ReadonlyMap<number, string>> {
  const lines = (await readFile(`/etc/${of}`, 'utf8').catch(() => '')).split('\n').map((line) => line.split(':'));
  return new Map(lines.map(([name = '', , id = '']) => [Number(id), name]));
}

async function ask(what: '-u' | '-g', name: string): Promise<number> {
  try {
    const { stdout } = await run('id', [what, '--', name]);
    return Number(stdout.trim());
  } catch (cause) {
    throw new Error(`user "${name}" does not exist on this machine`, { cause });
  }
}
