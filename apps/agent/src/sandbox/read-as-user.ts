/**
 * Copies a file of this machine for a task, reading it as the task's user (decision 20).
 *
 * Off unless the operator lists directories. The real path, links resolved, has to lie below one of them; and the bytes are
 * read by a process with the user's rights, so that nobody gets at a file through the agent that is closed to them.
 */
import { spawn } from 'node:child_process';
import { createWriteStream } from 'node:fs';
import { realpath } from 'node:fs/promises';
import { sep } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { fileURLToPath } from 'node:url';
import { atMost } from './download.js';
import { findUser } from './system-users.js';

export async function copyAsUser(uri: string, target: string, allowedDirs: readonly string[], user: string | null, maxBytes: number): Promise<void> {
  if (allowedDirs.length === 0) throw new Error('file: is off on this agent; the operator opens directories with --file-fetch-dirs');
  const source = await realpath(uri.startsWith('file:') ? fileURLToPath(uri) : uri);
  const roots = await Promise.all(allowedDirs.map((dir) => realpath(dir)));
  if (!roots.some((root) => source.startsWith(root.endsWith(sep) ? root : root + sep))) {
    throw new Error(`it lies outside the directories that the operator opened (${allowedDirs.join(', ')})`);
  }
  const identity = user === null ? null : await findUser(user);
  const other = identity !== null && identity.uid !== process.getuid?.() ? identity : {};
  const child = spawn('cat', ['--', source], { stdio: ['ignore', 'pipe', 'pipe'], cwd: '/', ...other });
  let complaint = '';
  child.stderr.on('data', (chunk: Buffer) => (complaint = (complaint + chunk.toString()).slice(0, 500)));
  const ended = new Promise<number | null>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', resolve);
  });
  try {
    await Promise.all([pipeline(child.stdout, atMost(maxBytes), createWriteStream(target, { mode: 0o644 })), ended]);
  } finally {
    child.kill('SIGKILL');
  }
  if ((await ended) !== 0) throw new Error(complaint.trim() || 'it could not be read');
}
