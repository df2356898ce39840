/**
 * The form of checkpoints on disk, read back field by field: a file that was torn or edited is refused, with the reason.
 *
 * Versions: a reader accepts its own and the one before (decision 10); version 1 is the first. A newer one is not damage: an
 * agent that took it for that would forget tasks that run, so it does not start at all. What lies inside `task`,
 * `framework` and the statuses was written by this agent as it came, and is not judged again here.
 */
import { agentId, frameworkId, taskId, type TaskId } from '@ekiden/model';
import type { AgentRecord, TaskRecord } from '../agent-ports.js';

const NEWEST_VERSION = 1;
const VERSIONS: readonly unknown[] = [NEWEST_VERSION];
const STAGES: readonly unknown[] = ['accepted', 'launching', 'running', 'ended'];

/** Written by a newer agent; nothing was touched. */
export class NewerFormat extends Error {
  override readonly name = 'NewerFormat';
}

type Fields = Readonly<Record<string, unknown>>;

/** The version of a line that says that a task is gone. */
export const REMOVED_VERSION = 1;

/** A line of the journal of tasks: whose it is, and whether it is the task's record or says that the task is gone. Throws with the reason. */
export function parseJournalLine(text: string): { readonly id: TaskId; readonly isRemoval: boolean } {
  const fields = parse(text);
  if (fields['removed'] !== undefined) return { id: taskId(needText(fields, 'removed')), isRemoval: true };
  return { id: taskId(taskRecord(fields).task.task_id.value), isRemoval: false };
}

/** Throws with the reason. */
export const parseTaskRecord = (text: string): TaskRecord => taskRecord(parse(text));

function taskRecord(fields: Fields): TaskRecord {
  frameworkId(needText(fields, 'frameworkId'));
  taskId(needText(need(need(fields, 'task'), 'task_id'), 'value'));
  need(fields, 'framework');
  needText(fields, 'sandbox');
  needText(fields, 'runDir');
  if (!STAGES.includes(fields['stage'])) throw new Error(`stage ${JSON.stringify(fields['stage'])} is unknown`);
  if (!Array.isArray(fields['unacknowledged'])) throw new Error('unacknowledged is no list');
  if (fields['user'] !== undefined && fields['user'] !== null) needText(fields, 'user');
  if (typeof fields['launchedAt'] !== 'number') throw new Error('launchedAt is no number');
  return fields as unknown as TaskRecord; // every field that is acted upon was checked above
}

/** Throws with the reason. */
export function parseAgentRecord(text: string): AgentRecord {
  const fields = parse(text);
  const { agentId: id, masterEpoch } = fields;
  if (typeof masterEpoch !== 'number') throw new Error('masterEpoch is no number');
  return { v: 1, agentId: id === null ? null : agentId(needText(fields, 'agentId')), bootId: needText(fields, 'bootId'), masterEpoch };
}

function parse(text: string): Fields {
  const value: unknown = JSON.parse(text);
  if (!isFields(value)) throw new Error('no JSON object');
  const { v } = value;
  if (typeof v === 'number' && v > NEWEST_VERSION) throw new NewerFormat(`version ${v} is of a newer agent, this one reads up to ${NEWEST_VERSION}`);
  if (!VERSIONS.includes(v)) throw new Error(`version ${JSON.stringify(v)} is not known to this agent`);
  return value;
}

const isFields = (value: unknown): value is Fields => typeof value === 'object' && value !== null && !Array.isArray(value);

function need(fields: Fields, name: string): Fields {
  const value = fields[name];
  if (!isFields(value)) throw new Error(`${name} is missing`);
  return value;
}

function needText(fields: Fields, name: string): string {
  const value = fields[name];
  if (typeof value !== 'string') throw new Error(`${name} is no text`);
  return value;
}
