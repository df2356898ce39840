/**
 * Sandboxes as directories.
 *
 *   <work-dir>/tasks/<task>/sandbox    the task's working directory; its stdout and stderr; owned by its user from the launch on
 *   <work-dir>/tasks/<task>/run        the runtime's own files; closed to the task's user
 *   <work-dir>/tasks/<task>/ended      empty; its time of change is the end of the task
 *
 * What is kept for how long: sandbox-retention.ts.
 */
import { lchownSync, mkdirSync, rmSync } from 'node:fs';
import { chmod, mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { trimLogs, type RotationPolicy } from '@ekiden/isolation';
import type { TaskId } from '@ekiden/model';
import type { SandboxPort } from '../agent-ports.js';
import { fileNameOf } from '../checkpoint/file-name.js';
import { fetchArtifact, giveTo, type FetchOptions } from './fetch-artifact.js';

export const END_MARK = 'ended';

export const tasksDirectory = (workDir: string): string => join(workDir, 'tasks');
export const sandboxOf = (workDir: string, taskId: TaskId): string => join(tasksDirectory(workDir), fileNameOf(taskId), 'sandbox');

export interface SandboxOptions extends FetchOptions {
  readonly rotation: RotationPolicy;
}

/** `othersRun`: tasks may belong to other users, who have to get through (not into) the directories above theirs. */
export function fsSandboxes(workDir: string, options: SandboxOptions, othersRun: boolean): SandboxPort {
  const mode = othersRun ? 0o711 : 0o700;
  return {
    // Synchronous, as what it does is a few microseconds each; by the thread pool it would wait behind other launches' syncs.
    create: async (taskId, _frameworkId, user) => {
      const sandbox = sandboxOf(workDir, taskId);
      const home = dirname(sandbox);
      const runDir = join(home, 'run');
      mkdirSync(home, { recursive: true, mode });
      mkdirSync(sandbox, { recursive: true, mode: 0o750 });
      mkdirSync(runDir, { recursive: true, mode: 0o700 });
      rmSync(join(home, END_MARK), { force: true });
      // One that was there before belongs to an earlier user: nobody may change it while it is filled.
      if (user !== null && process.getuid?.() === 0) lchownSync(sandbox, 0, 0);
      return { sandbox, runDir };
    },
    fetch: async (sandbox, artifacts, user, watch) => {
      for (const artifact of artifacts) await fetchArtifact(sandbox, artifact, user, { ...options, ...watch });
      if (user !== null) await giveTo(sandbox, user);
    },
    retire: async (sandbox) => {
      await writeFile(join(dirname(sandbox), END_MARK), '', { mode: 0o600 });
      // A task may write a gigabyte and end between two rounds of the housekeeping, again and again.
      await trimLogs(sandbox, options.rotation);
    },
  };
}

/** The directory that holds all tasks' directories. With other users' tasks each level lets them through. */
export async function prepareTasksDirectory(workDir: string, othersRun: boolean): Promise<void> {
  const directory = tasksDirectory(workDir);
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const mode = othersRun ? 0o711 : 0o700;
  await chmod(workDir, mode);
  await chmod(directory, mode);
}
