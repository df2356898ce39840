/**
 * Sandboxes as Mesos' agents serve them, for programs that were written for those (Mesos: docs/endpoints/files).
 *
 *   GET /files/browse?path=DIR                 a list of path, nlink, size, mtime, mode, uid, gid
 *   GET /files/read?path=FILE&offset=&length=  { data, offset }; offset -1, or none, answers the size
 *   GET /files/download?path=FILE              the whole file
 *
 * A path is that of a sandbox on this machine, as tasks are listed with it, or `/frameworks/F/executors/TASK/runs/latest`; what
 * follows lies in the sandbox. `.json` behind the name is the same. Links never lead out: sandbox-files.ts.
 */
import type { ServerResponse } from 'node:http';
import type { FileHandle } from 'node:fs/promises';
import { basename, join } from 'node:path';
import type { Stats } from 'node:fs';
import { EkidenError, taskId } from '@ekiden/model';
import { MAX_LOG_STALL_MS, sendPaced, wholeCharacters } from '@ekiden/service';
import { sandboxOf, tasksDirectory } from '../sandbox/fs-sandboxes.js';
import { browseSandbox, openSandboxFile, readSandboxFile } from '../sandbox/sandbox-files.js';
import { localNames } from '../sandbox/system-users.js';
import { integer, json, type Served } from './answer.js';

/** Of one `/files/read` (Mesos: 16 pages). */
export const MAX_MESOS_READ_BYTES = 64 * 1024;
/** Files that are downloaded at a time. */
export const MAX_DOWNLOADS = 32;
const DOWNLOAD_PIECE_BYTES = 64 * 1024;

export interface SandboxPath {
  readonly sandbox: string;
  /** Below the sandbox; empty: the sandbox itself. */
  readonly inside: string;
}

let downloads = 0;

export async function serveMesosFiles(path: string, query: URLSearchParams, response: ServerResponse, workDir: string): Promise<Served> {
  const call = /^\/files\/(browse|read|download)(?:\.json)?$/.exec(path)?.[1];
  if (call === undefined) return null;
  const asked = query.get('path') ?? '';
  if (asked === '') throw new EkidenError('bad-request', 'path is missing, but names a file or directory of a sandbox: ?path=/…');
  const place = sandboxPath(asked, workDir);
  const nothing = json(404, { message: `no sandbox of this agent has "${asked.slice(0, 300)}", or it is not kept any more` });
  if (place === null) return nothing;
  if (call === 'browse') {
    const entries = await browseSandbox(place.sandbox, place.inside);
    if (entries === null) return nothing;
    const [users, groups] = await Promise.all([localNames('passwd'), localNames('group')]);
    const listed = entries.flatMap(({ path: name, info }) => (info === null ? [] : [asMesos(join(asked, basename(name)), info, users, groups)]));
    return json(200, listed);
  }
  if (call === 'read') return (await read(place, query)) ?? nothing;
  return (await download(place, response)) ?? nothing;
}

/** Pure: which sandbox a path is in. Null: in none. */
export function sandboxPath(path: string, workDir: string): SandboxPath | null {
  const virtual = /^\/frameworks\/[^/]+\/executors\/([^/]+)\/runs\/latest(?:\/(.*))?$/.exec(path);
  if (virtual) return { sandbox: sandboxOf(workDir, taskId(virtual[1] ?? '')), inside: trimmed(virtual[2]) };
  const tasks = `${tasksDirectory(workDir)}/`;
  const real = path.startsWith(tasks) ? /^([A-Za-z0-9_-][A-Za-z0-9._-]*)\/sandbox(?:\/(.*))?$/.exec(path.slice(tasks.length)) : null;
  return real ? { sandbox: `${tasks}${real[1] ?? ''}/sandbox`, inside: trimmed(real[2]) } : null;
}

const trimmed = (path: string | undefined): string => (path ?? '').replace(/\/+$/, '');

async function read({ sandbox, inside }: SandboxPath, query: URLSearchParams): Promise<Served> {
  const offset = integer(query, 'offset', { min: -1, max: Number.MAX_SAFE_INTEGER, byDefault: -1 });
  const length = integer(query, 'length', { min: -1, max: Number.MAX_SAFE_INTEGER, byDefault: -1 });
  const wanted = length === -1 ? MAX_MESOS_READ_BYTES : Math.min(length, MAX_MESOS_READ_BYTES);
  const part = await readSandboxFile(sandbox, inside, Math.max(0, offset), offset === -1 ? 0 : wanted);
  if (part === null) return null;
  if (offset === -1) return json(200, { data: '', offset: part.size });
  // A character that the length cuts comes with the next read, unless it is all that there is.
  const whole = part.offset + part.bytes.length < part.size ? wholeCharacters(part.bytes) || part.bytes.length : part.bytes.length;
  return json(200, { data: part.bytes.subarray(0, whole).toString('utf8'), offset: part.offset });
}

async function download({ sandbox, inside }: SandboxPath, response: ServerResponse): Promise<Served> {
  if (downloads >= MAX_DOWNLOADS) return json(503, { message: `${MAX_DOWNLOADS} files of this agent are downloaded already, which is the limit` });
  const opened = await openSandboxFile(sandbox, inside);
  if (opened === null) return null;
  downloads += 1;
  response.writeHead(200, {
    'content-type': 'application/octet-stream',
    'content-disposition': `attachment; filename*=UTF-8''${encodeURIComponent(basename(inside))}`,
    'x-content-type-options': 'nosniff',
    'content-length': opened.size,
  });
  void sendPaced(response, () => pieces(opened.file, opened.size), { heartbeat: null, heartbeatMs: MAX_LOG_STALL_MS, stallMs: MAX_LOG_STALL_MS })
    .catch(() => response.destroy())
    .finally(() => {
      downloads -= 1;
      void opened.file.close();
    });
  return 'answered';
}

/** As much as was said: what is added meanwhile is left out, and a file that shrinks meanwhile breaks the download off. */
async function* pieces(file: FileHandle, size: number): AsyncGenerator<Buffer> {
  for (let at = 0; at < size;) {
    const { bytesRead, buffer } = await file.read(Buffer.alloc(Math.min(DOWNLOAD_PIECE_BYTES, size - at)), 0, null, at);
    if (bytesRead === 0) throw new Error('the file has become shorter');
    yield buffer.subarray(0, bytesRead);
    at += bytesRead;
  }
}

function asMesos(path: string, info: Stats, users: Names, groups: Names): Readonly<Record<string, unknown>> {
  const { nlink, size, uid, gid } = info;
  const owner = { uid: users.get(uid) ?? String(uid), gid: groups.get(gid) ?? String(gid) };
  return { path, nlink, size, mtime: Math.floor(info.mtimeMs / 1000), mode: modeText(info), ...owner };
}

type Names = ReadonlyMap<number, string>;

/** As `ls -l` shows it. */
export function modeText(info: Pick<Stats, 'mode' | 'isDirectory' | 'isSymbolicLink' | 'isFIFO' | 'isSocket'>): string {
  const kind = info.isDirectory() ? 'd' : info.isSymbolicLink() ? 'l' : info.isFIFO() ? 'p' : info.isSocket() ? 's' : '-';
  const bits = 'rwxrwxrwx'.split('').map((letter, at) => ((info.mode >> (8 - at)) & 1 ? letter : '-'));
  return kind + bits.join('');
}
