/**
 * What the next agent has to know of a pod, in its run directory before anything of it is made. Each member's own run directory says how
 * that one is.
 */
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { taskId, type TaskId } from '@ekiden/model';
import { hasCode } from '../cgroup-driver.js';

/** The version of the file (decision 10). */
export const POD_RECORD_VERSION = 1;
const POD_FILE = 'pod.json';

export interface PodRecord {
  readonly v: number;
  readonly podId: TaskId;
  readonly hasNetwork: boolean;
  readonly graceMs: number;
  /** Why it is to end, whatever its members do; empty: it was asked for. Null: it is not. */
  readonly stopping: string | null;
  readonly members: readonly { readonly name: string; readonly taskId: TaskId; readonly runDir: string }[];
}

/** Replaced as a whole. A power cut ends the pod as well, so nothing is synced. */
export function writePodRecord(runDir: string, record: PodRecord): void {
  const file = join(runDir, POD_FILE);
  writeFileSync(`${file}.new`, JSON.stringify(record), { mode: 0o600 });
  renameSync(`${file}.new`, file);
}

/** Null: nothing of the pod was begun. Throws when it cannot be read. */
export function readPodRecord(runDir: string): PodRecord | null {
  let text: string;
  try {
    text = readFileSync(join(runDir, POD_FILE), 'utf8');
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return null;
    throw error;
  }
  const record: unknown = JSON.parse(text);
  if (!isRecord(record)) throw new Error(`${POD_FILE} is no record of version ${POD_RECORD_VERSION}`);
  return { ...record, podId: taskId(record.podId), members: record.members.map((member) => ({ ...member, taskId: taskId(member.taskId) })) };
}

function isRecord(value: unknown): value is PodRecord {
  if (typeof value !== 'object' || value === null || !('v' in value) || value.v !== POD_RECORD_VERSION) return false;
  if (!('podId' in value) || typeof value.podId !== 'string' || !('graceMs' in value) || typeof value.graceMs !== 'number') return false;
  if (
    !('hasNetwork' in value) ||
    typeof value.hasNetwork !== 'boolean' ||
    !('stopping' in value) ||
    !(value.stopping === null || typeof value.stopping === 'string')
  )
    return false;
  return 'members' in value && Array.isArray(value.members) && value.members.every(isMember);
}

const isMember = (value: unknown): boolean =>
  typeof value === 'object' &&
  value !== null &&
  ['name', 'taskId', 'runDir'].every((key) => typeof (value as Readonly<Record<string, unknown>>)[key] === 'string');
