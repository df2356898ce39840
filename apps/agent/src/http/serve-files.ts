/**
 * The files of sandboxes over HTTP, and nothing else of the machine; those of ended tasks as long as they are kept.
 *
 *   GET /ekiden/v1/sandboxes                                     of tasks that are over: where, and until when they are kept
 *   GET /ekiden/v1/tasks/{taskId}/files?path=DIR                 names in a directory of the sandbox
 *   GET /ekiden/v1/tasks/{taskId}/files/{path}?offset=&length=   bytes; headers x-ekiden-size and x-ekiden-offset
 *
 * A negative offset counts from the end. What Mesos' own clients ask: serve-mesos-files.ts.
 */
import { isoTime, taskId } from '@ekiden/model';
import { sandboxOf } from '../sandbox/fs-sandboxes.js';
import { listEnded, type ListedSandbox } from '../sandbox/sandbox-retention.js';
import { listSandbox, MAX_READ_BYTES, readSandboxFile } from '../sandbox/sandbox-files.js';
import { decode, integer, json, type Answer } from './answer.js';

const NOTHING = json(404, { message: 'no such file in a sandbox of this agent: the task never ran here, or its sandbox is not kept any more' });

/** Null: another path. */
export async function serveFiles(
  path: string,
  query: URLSearchParams,
  place: { readonly workDir: string; readonly retentionMs: number },
): Promise<Answer | null> {
  if (path === '/ekiden/v1/sandboxes') return json(200, { sandboxes: (await listEnded(place)).map(sandboxView) });
  const match = /^\/ekiden\/v1\/tasks\/([^/]+)\/files(?:\/(.+))?$/.exec(path);
  if (!match) return null;
  const sandbox = sandboxOf(place.workDir, taskId(decode(match[1] ?? '')));
  if (match[2] === undefined) {
    const listed = await listSandbox(sandbox, query.get('path') ?? '');
    return listed ? json(200, { files: listed }) : NOTHING;
  }
  const offset = integer(query, 'offset', { min: -Number.MAX_SAFE_INTEGER, max: Number.MAX_SAFE_INTEGER, byDefault: 0 });
  const length = integer(query, 'length', { min: 0, max: Number.MAX_SAFE_INTEGER, byDefault: MAX_READ_BYTES });
  const part = await readSandboxFile(sandbox, decode(match[2]), offset, length);
  if (!part) return NOTHING;
  const headers = {
    'content-type': 'application/octet-stream',
    'x-ekiden-size': part.size,
    'x-ekiden-offset': part.offset,
    'x-content-type-options': 'nosniff',
  };
  return { status: 200, headers, body: part.bytes };
}

/** A name is the task's id; of one that makes no name of a directory, a digest. */
const sandboxView = ({ name, sandbox, endedAt, keptUntil }: ListedSandbox): Readonly<Record<string, string>> => ({
  name,
  sandbox,
  endedAt: isoTime(Math.round(endedAt)),
  keptUntil: isoTime(Math.round(keptUntil)),
});
