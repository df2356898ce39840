/**
 * Removes sandboxes of ended tasks: after their retention, sooner as the disk fills, and never more than a number.
 *
 * Mesos' rule for age: retention × (1 − headroom − used part of the disk). A directory is renamed into the trash first, so
 * that a crash leaves no half of one, and is removed without following links.
 */
import { mkdir, readdir, rename, rm, stat, statfs, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { END_MARK, tasksDirectory } from './fs-sandboxes.js';

/** Free part of the disk that is kept as a reserve. */
export const DISK_HEADROOM = 0.1;
/** Ended sandboxes kept at most; the oldest go first. A task that crashes every second must not fill the disk with directories. */
export const MAX_ENDED_SANDBOXES = 2_000;

export interface EndedSandbox {
  readonly name: string;
  readonly endedAt: number;
}

/** Pure: how long the sandbox of an ended task is kept, with a disk as full as this. */
export const keptForMs = (retentionMs: number, diskUsed: number): number => retentionMs * Math.max(0, 1 - DISK_HEADROOM - diskUsed);

/** Pure: which of the ended sandboxes go now. */
export function overdueSandboxes(ended: readonly EndedSandbox[], now: number, retentionMs: number, diskUsed: number): readonly EndedSandbox[] {
  const ageMs = keptForMs(retentionMs, diskUsed);
  const oldestFirst = [...ended].sort((a, b) => a.endedAt - b.endedAt);
  const surplus = Math.max(0, oldestFirst.length - MAX_ENDED_SANDBOXES);
  return oldestFirst.filter((sandbox, at) => at < surplus || now - sandbox.endedAt >= ageMs);
}

/** One round; answers how many were removed. */
export async function removeOverdueSandboxes(workDir: string, now: number, retentionMs: number): Promise<number> {
  const directory = tasksDirectory(workDir);
  const trash = join(workDir, 'trash');
  await mkdir(trash, { recursive: true, mode: 0o700 });
  const ended = await endedSandboxes(directory);
  const overdue = overdueSandboxes(ended, now, retentionMs, await usedShare(workDir));
  for (const { name } of overdue) await rename(join(directory, name), join(trash, name));
  for (const name of await readdir(trash)) await rm(join(trash, name), { recursive: true, force: true });
  return overdue.length;
}

async function endedSandboxes(directory: string): Promise<EndedSandbox[]> {
  const ended: EndedSandbox[] = [];
  for (const name of await readdir(directory)) {
    const mark = await stat(join(directory, name, END_MARK)).catch(() => null); // no mark: the task lives
    if (mark) ended.push({ name, endedAt: mark.mtimeMs });
  }
  return ended;
}

export interface ListedSandbox extends EndedSandbox {
  readonly sandbox: string;
  readonly keptUntil: number;
}

/** What is kept of tasks whose end is acknowledged, the newest first. */
export async function listEnded({ workDir, retentionMs }: { readonly workDir: string; readonly retentionMs: number }): Promise<readonly ListedSandbox[]> {
  const directory = tasksDirectory(workDir);
  const ageMs = keptForMs(retentionMs, await usedShare(workDir));
  const ended = (await endedSandboxes(directory)).sort((a, b) => b.endedAt - a.endedAt).slice(0, MAX_ENDED_SANDBOXES);
  return ended.map(({ name, endedAt }) => ({ name, endedAt, sandbox: join(directory, name, 'sandbox'), keptUntil: endedAt + ageMs }));
}

export interface KeptSandbox {
  readonly workDir: string;
  readonly sandbox: string;
  readonly retentionMs: number;
  readonly now: number;
}

/** Until when the files of an ended task stay if the disk does not fill further; counted from now while its end is not acknowledged. */
export async function keptUntil({ workDir, sandbox, retentionMs, now }: KeptSandbox): Promise<number> {
  const mark = await stat(join(dirname(sandbox), END_MARK)).catch(() => null);
  return Math.round((mark?.mtimeMs ?? now) + keptForMs(retentionMs, await usedShare(workDir)));
}

async function usedShare(workDir: string): Promise<number> {
  const disk = await statfs(workDir);
  return 1 - disk.bavail / disk.blocks;
}

/** At a start: directories that no checkpoint knows (a crash between the end and the mark) end now. */
export async function markOrphans(workDir: string, known: ReadonlySet<string>): Promise<number> {
  let marked = 0;
  for (const name of await readdir(tasksDirectory(workDir))) {
    const mark = join(tasksDirectory(workDir), name, END_MARK);
    if (known.has(name) || (await stat(mark).catch(() => null))) continue;
    await writeFile(mark, '', { mode: 0o600 });
    marked += 1;
  }
  return marked;
}
