/**
 * The files of sandboxes over HTTP, and nothing else of the machine; those of ended tasks as long as they are kept.
 *
 *   GET /ekiden/v1/tasks/{taskId}/files?path=DIR                 names in a directory of the sandbox
 *   GET /ekiden/v1/tasks/{taskId}/files/{path}?offset=&length=   bytes; headers x-ekiden-size and x-ekiden-offset
 *
 * A negative offset counts from the end. What Mesos' own clients ask: serve-mesos-files.ts.
 */
import { taskId } from '@ekiden/model';
import { sandboxOf } from '../sandbox/fs-sandboxes.js';
import { listSandbox, MAX_READ_BYTES, readSandboxFile } from '../sandbox/sandbox-files.js';
import { decode, integer, json, type Answer } from './answer.js';

const NOTHING = json(404, { message: 'no such file in a sandbox of this agent: the task never ran here, or its sandbox is not kept any more' });

/** Null: another path. */
export async function serveFiles(path: string, query: URLSearchParams, workDir: string): Promise<Answer | null> {
  const match = /^\/ekiden\/v1\/tasks\/([^/]+)\/files(?:\/(.+))?$/.exec(path);
  if (!match) return null;
  const sandbox = sandboxOf(workDir, taskId(decode(match[1] ?? '')));
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
