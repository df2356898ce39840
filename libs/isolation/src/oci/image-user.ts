/**
 * Who a container's first process is: the user that the launch names, else the one of the image, looked up in the image's own files.
 *
 * An image comes from outside: its /etc/passwd is read only if it is a plain file below the image's root, whatever links it brings.
 */
import { closeSync, constants, fstatSync, openSync, readFileSync, readlinkSync } from 'node:fs';
import { hasCode } from '../cgroup-driver.js';

export interface ContainerUser {
  readonly uid: number;
  readonly gid: number;
  readonly additionalGids: readonly number[];
  readonly home: string;
}

/** A larger one is no list of users. */
const MAX_FILE_BYTES = 4 * 1024 * 1024;
const MAX_ID = 2 ** 32 - 2;

/** `user`, `user:group`; names or numbers; empty: root. Throws with the reason when the image has no such user. */
export function userOfImage(rootfs: string, wanted: string): ContainerUser {
  return findContainerUser(wanted, { passwd: readInImage(rootfs, 'passwd'), group: readInImage(rootfs, 'group') });
}

/** Pure. */
export function findContainerUser(wanted: string, files: { readonly passwd: string; readonly group: string }): ContainerUser {
  const [user = '', group] = wanted.split(':');
  const passwd = files.passwd.split('\n').map((line) => line.split(':'));
  const name = user === '' ? '0' : user;
  const entry = passwd.find(([login]) => login === name) ?? passwd.find(([, , uid]) => uid === name);
  const uid = Number(entry?.[2] ?? idOf(name, 'user'));
  const gid = group === undefined || group === '' ? Number(entry?.[3] ?? 0) : findGroup(group, files.group);
  if (!isId(uid) || !isId(gid)) throw new Error(`the image's user "${wanted}" has no usable number in its /etc/passwd`);
  const additionalGids = group === undefined && entry?.[0] !== undefined ? [gid, ...groupsOf(entry[0], files.group).filter((each) => each !== gid)] : [];
  return { uid, gid, additionalGids, home: entry?.[5] || '/' };
}

function findGroup(group: string, file: string): number {
  const entry = file
    .split('\n')
    .map((line) => line.split(':'))
    .find(([name]) => name === group);
  return Number(entry?.[2] ?? idOf(group, 'group'));
}

function groupsOf(login: string, file: string): number[] {
  return file
    .split('\n')
    .map((line) => line.split(':'))
    .filter(([, , , members = '']) => members.split(',').includes(login))
    .map(([, , gid]) => Number(gid))
    .filter(isId);
}

function idOf(text: string, what: 'user' | 'group'): number {
  if (/^\d{1,10}$/.test(text)) return Number(text);
  throw new Error(`the image has no ${what} "${text}" in its /etc/${what === 'user' ? 'passwd' : 'group'}: name one that it has, or a number`);
}

const isId = (value: number): boolean => Number.isInteger(value) && value >= 0 && value <= MAX_ID;

/** Empty when the image has no such file. */
function readInImage(rootfs: string, name: string): string {
  const path = `${rootfs}/etc/${name}`;
  if (isLink(`${rootfs}/etc`)) throw new Error('its /etc is a link, which an image of ours must not have: give the user by number');
  try {
    const file = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    try {
      const found = fstatSync(file);
      if (!found.isFile() || found.size > MAX_FILE_BYTES) throw new Error(`the image's /etc/${name} is no plain file of a usual size`);
      return readFileSync(file, 'utf8');
    } finally {
      closeSync(file);
    }
  } catch (error) {
    if (hasCode(error, 'ENOENT') || hasCode(error, 'ENOTDIR')) return '';
    if (hasCode(error, 'ELOOP')) throw new Error(`the image's /etc/${name} is a link: give the user by number`, { cause: error });
    throw error;
  }
}

function isLink(path: string): boolean {
  try {
    readlinkSync(path);
    return true;
  } catch {
    return false; // EINVAL says that it is none, ENOENT that there is nothing.
  }
}
