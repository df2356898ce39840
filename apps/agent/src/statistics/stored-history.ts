/** The history of tasks as one text, which the next agent reads. What cannot be read is begun anew by the caller. */
import { taskId, type TaskId } from '@ekiden/model';
import type { StoredRing } from './slot-ring.js';
import { nothingUsed, TaskHistory, type Reading } from './task-history.js';

export const HISTORY_VERSION = 1;

export interface StoredTask {
  readonly taskId: TaskId;
  readonly history: TaskHistory;
  readonly last: Reading | null;
}

export const writeStored = (tasks: readonly StoredTask[]): string =>
  JSON.stringify({ v: HISTORY_VERSION, tasks: tasks.map(({ taskId: id, history, last }) => ({ taskId: id, ...history.store(), last })) });

/** Throws when it is of another version, or damaged; null is the text of an agent that had none. */
export function readStored(text: string | null): readonly StoredTask[] {
  if (text === null) return [];
  const file = fields(JSON.parse(text));
  if (file['v'] !== HISTORY_VERSION) throw new Error(`it has version ${String(file['v'])}, not ${HISTORY_VERSION}`);
  if (!Array.isArray(file['tasks'])) throw new Error('it has no list of tasks');
  return file['tasks'].map((raw) => {
    const task = fields(raw);
    const history = TaskHistory.restore({ fine: readRing(task['fine']), coarse: readRing(task['coarse']) });
    if (history === null) throw new Error(`the history of ${String(task['taskId'])} is damaged`);
    return { taskId: taskId(String(task['taskId'])), history, last: task['last'] === null ? null : readReading(task['last']) };
  });
}

function readRing(raw: unknown): StoredRing | null {
  if (raw === null) return null;
  const { oldest, newest, values } = fields(raw);
  return { oldest: number(oldest), newest: number(newest), values: String(values) };
}

function readReading(raw: unknown): Reading {
  const stored = fields(raw);
  const names = Object.entries(nothingUsed(0)).map(([name]) => [name, number(stored[name])] as const);
  return { ...nothingUsed(0), ...Object.fromEntries(names) };
}

function fields(raw: unknown): Readonly<Record<string, unknown>> {
  if (typeof raw !== 'object' || raw === null || Array.isArray(raw)) throw new Error('an object is expected');
  return raw as Readonly<Record<string, unknown>>;
}

function number(raw: unknown): number {
  if (typeof raw !== 'number' || !Number.isFinite(raw)) throw new Error('a number is expected');
  return raw;
}
