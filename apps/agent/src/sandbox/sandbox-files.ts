/**
 * Reads files of a sandbox for people, and nothing else of the machine.
 *
 * The task may have put links into its sandbox, also while we look: the path is resolved first, and what was opened is
 * checked again. Only regular files are read; a fifo would never end. Files in which a task has fetched logins to registries are its own.
 */
import { constants, type Stats } from 'node:fs';
import { lstat, open, opendir, realpath, type FileHandle } from 'node:fs/promises';
import { join, relative, sep } from 'node:path';
import { SANDBOX_AUTH_FILES } from '@ekiden/isolation';
import { EkidenError } from '@ekiden/model';
import { errorCode } from '../error-code.js';

/** Of one answer. */
export const MAX_READ_BYTES = 1024 * 1024;
/** Names of one listing. */
export const MAX_LISTED_FILES = 10_000;

/** What is called `config.json` alone may be anything of the app's. */
const LOGIN_FILES: ReadonlySet<string> = new Set(SANDBOX_AUTH_FILES.filter((name) => name !== 'config.json'));

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
  const opened = await openSandboxFile(sandbox, path);
  if (opened === null) return null;
  const { file, size } = opened;
  try {
    const from = offset < 0 ? Math.max(0, size + offset) : offset;
    const buffer = Buffer.alloc(Math.max(0, Math.min(length, MAX_READ_BYTES, size - from)));
    const { bytesRead } = await file.read(buffer, 0, buffer.length, from);
    return { size, offset: from, bytes: buffer.subarray(0, bytesRead) };
  } finally {
    await file.close();
  }
}

/** A regular file inside the sandbox, or null. Whoever asks closes it. Throws `forbidden` for one that holds logins. */
export async function openSandboxFile(sandbox: string, path: string): Promise<{ readonly file: FileHandle; readonly size: number } | null> {
  const real = await confined(sandbox, path);
  if (real === null) return null;
  if (LOGIN_FILES.has(relative(await realpath(sandbox), real)))
    throw new EkidenError('forbidden', `"${path.slice(0, 300)}" holds logins to registries: it is the task's own, and is not served`);
  let file: FileHandle | null = null;
  try {
    file = await open(real, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    const info = await file.stat();
    if (info.isFile() && (await isStillThere(file, real))) return { file, size: info.size };
  } catch (error) {
    if (!isAbsent(error)) {
      await file?.close();
      throw error;
    }
  }
  await file?.close();
  return null;
}

/** Null: there is no such directory inside the sandbox. Of a larger one, `MAX_LISTED_FILES` names. */
export async function listSandbox(sandbox: string, path: string): Promise<readonly ListedFile[] | null> {
  const entries = await browseSandbox(sandbox, path);
  return (
    entries?.map(({ path: name, info }) => {
      const isLink = info === null || info.isSymbolicLink();
      return {
        path: name,
        kind: info?.isFile() === true ? 'file' : info?.isDirectory() === true ? 'directory' : 'other',
        size: isLink ? 0 : info.size,
        modifiedAt: isLink ? 0 : info.mtimeMs,
      };
    }) ?? null
  );
}

export interface SandboxEntry {
  /** Below the sandbox. */
  readonly path: string;
  /** Of the entry itself, not of where a link leads; null: gone meanwhile. */
  readonly info: Stats | null;
}

/** The same as `listSandbox`, with all that the system says. */
export async function browseSandbox(sandbox: string, path: string): Promise<readonly SandboxEntry[] | null> {
  const real = await confined(sandbox, path);
  if (real === null) return null;
  let directory: FileHandle | null = null;
  try {
    directory = await open(real, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW);
    if (!(await isStillThere(directory, real))) return null;
    // By what was opened, not by its name, which the task may have given to a link meanwhile.
    const entries = await browse(process.platform === 'linux' ? `/proc/self/fd/${directory.fd}` : real, path);
    return entries.sort((a, b) => (a.path < b.path ? -1 : 1));
  } catch (error) {
    if (isAbsent(error)) return null;
    throw error;
  } finally {
    await directory?.close();
  }
}

async function browse(place: string, path: string): Promise<SandboxEntry[]> {
  const entries: SandboxEntry[] = [];
  for await (const entry of await opendir(place)) {
    if (entries.length >= MAX_LISTED_FILES) break;
    const info = await lstat(join(place, entry.name)).catch(() => null);
    entries.push({ path: path === '' || path === '.' ? entry.name : `${path}/${entry.name}`, info });
  }
  return entries;
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
