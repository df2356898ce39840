/**
 * Reads files of a sandbox for people, and nothing else of the machine.
 *
 * The task may have put links into its sandbox, also while we look: the path is resolved first, and what was opened is
 * checked again. Only regular files are read; a fifo would never end.
 */
import { constants } from 'node:fs';
import { lstat, open, opendir, realpath, type FileHandle } from 'node:fs/promises';
import { join, sep } from 'node:path';
import { errorCode } from '../error-code.js';

/** Of one answer. */
export const MAX_READ_BYTES = 1024 * 1024;
/** Names of one listing. */
export const MAX_LISTED_FILES = 10_000;

export interface FilePart {
  readonly size: number;
  readonly offset: number;
  readonly bytes: Buffer;
}

export interface ListedFile {
  readonly path: string;
  readonly kind: 'file' | 'directory' | 'other';
  readonly size: number;
  readonly modifiedAt: number;
}

/** Null: there is no such regular file inside the sandbox. A negative offset counts from the end. */
export async function readSandboxFile(sandbox: string, path: string, offset: number, length: number): Promise<FilePart | null> {
  const real = await confined(sandbox, path);
  if (real === null) return null;
  let file: FileHandle | null = null;
  try {
    file = await open(real, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    const info = await file.stat();
    if (!info.isFile() || !(await isStillThere(file, real))) return null;
    const from = offset < 0 ? Math.max(0, info.size + offset) : offset;
    const buffer = Buffer.alloc(Math.max(0, Math.min(length, MAX_READ_BYTES, info.size - from)));
    const { bytesRead } = await file.read(buffer, 0, buffer.length, from);
    return { size: info.size, offset: from, bytes: buffer.subarray(0, bytesRead) };
  } catch (error) {
    if (isAbsent(error)) return null;
    throw error;
  } finally {
    await file?.close();
  }
}

/** Null: there is no such directory inside the sandbox. Of a larger one, `MAX_LISTED_FILES` names. */
export async function listSandbox(sandbox: string, path: string): Promise<readonly ListedFile[] | null> {
  const real = await confined(sandbox, path);
  if (real === null) return null;
  let directory: FileHandle | null = null;
  try {
    directory = await open(real, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW);
    if (!(await isStillThere(directory, real))) return null;
    // By what was opened, not by its name, which the task may have given to a link meanwhile.
    const listed = await list(process.platform === 'linux' ? `/proc/self/fd/${directory.fd}` : real, path);
    return listed.sort((a, b) => (a.path < b.path ? -1 : 1));
  } catch (error) {
    if (isAbsent(error)) return null;
    throw error;
  } finally {
    await directory?.close();
  }
}

async function list(place: string, path: string): Promise<ListedFile[]> {
  const listed: ListedFile[] = [];
  for await (const entry of await opendir(place)) {
    if (listed.length >= MAX_LISTED_FILES) break;
    const info = await lstat(join(place, entry.name)).catch(() => null); // gone meanwhile
    const isLink = info?.isSymbolicLink() ?? true;
    listed.push({
      path: path === '' || path === '.' ? entry.name : `${path}/${entry.name}`,
      kind: info?.isFile() ? 'file' : info?.isDirectory() ? 'directory' : 'other',
      size: isLink ? 0 : (info?.size ?? 0),
      modifiedAt: isLink ? 0 : (info?.mtimeMs ?? 0),
    });
  }
  return listed;
}

async function confined(sandbox: string, path: string): Promise<string | null> {
  if (path.includes('\0') || path.startsWith('/') || path.split('/').includes('..')) return null;
  try {
    const root = await realpath(sandbox);
    const real = await realpath(join(root, path));
    return real === root || real.startsWith(root + sep) ? real : null;
  } catch (error) {
    if (isAbsent(error)) return null;
    throw error;
  }
}

/** On Linux: that the opened file is the one whose path was checked, and no link was slipped in between. */
async function isStillThere(file: FileHandle, real: string): Promise<boolean> {
  if (process.platform !== 'linux') return true;
  return (await realpath(`/proc/self/fd/${file.fd}`)) === real;
}

function isAbsent(error: unknown): boolean {
  const code = errorCode(error);
  return code === 'ENOENT' || code === 'ENOTDIR' || code === 'ELOOP' || code === 'ENXIO';
}
