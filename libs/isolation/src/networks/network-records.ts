/**
 * What was made of networks for each task, on disk before it is made: one file a task, which the next agent reads.
 *
 * A record is written first with what will be done, and again after each plugin with what it answered, since taking away needs it. It
 * goes last.
 */
import { createHash } from 'node:crypto';
import { taskId, type TaskId } from '@ekiden/model';
import type { NetworkList, PortForward } from './cni-config.js';
import { openTaskRecords, type TaskRecords } from './task-records.js';

/** The version of the file (decision 10). */
export const NETWORK_RECORD_VERSION = 1;

export interface NetworkRecord {
  readonly v: number;
  readonly taskId: TaskId;
  /** Of the host's boot in which it was made: after another one only leases are left. */
  readonly bootId: string;
  /** As plugins know it, and its namespace's name. */
  readonly containerId: string;
  /** Of all its networks, from the first moment on: nobody else is given one of them. */
  readonly ports: readonly PortForward[];
  readonly attachments: readonly Attachment[];
}

export interface Attachment {
  readonly list: NetworkList;
  readonly interfaceName: string;
  readonly ports: readonly PortForward[];
  /** Of the last plugin that has answered; null before. */
  readonly result: unknown;
}

export const containerPrefix = (instance: string): string => `ekiden-${instance}-`;

/** Short enough for every name that is made of it, and the same for the next agent. */
export const containerIdOf = (instance: string, id: TaskId): string =>
  `${containerPrefix(instance)}${createHash('sha256').update(id).digest('hex').slice(0, 20)}`;

/** A file that is no record is set aside and told. */
export const openNetworkRecords = (dir: string, damaged: (file: string, why: string) => void): TaskRecords<NetworkRecord> =>
  openTaskRecords(dir, parseRecord, damaged);

/** Throws what is wrong with it. */
export function parseRecord(text: string): NetworkRecord {
  const record: unknown = JSON.parse(text);
  if (!isRecord(record)) throw new Error(`it is no record of version ${NETWORK_RECORD_VERSION}`);
  return { ...record, taskId: taskId(record.taskId) };
}

function isRecord(value: unknown): value is NetworkRecord {
  if (typeof value !== 'object' || value === null || !('v' in value) || value.v !== NETWORK_RECORD_VERSION) return false;
  if (!('taskId' in value) || typeof value.taskId !== 'string' || !('containerId' in value) || typeof value.containerId !== 'string') return false;
  if (!('bootId' in value) || typeof value.bootId !== 'string' || !('ports' in value) || !Array.isArray(value.ports)) return false;
  return 'attachments' in value && Array.isArray(value.attachments) && value.attachments.every(isAttachment);
}

function isAttachment(value: unknown): value is Attachment {
  if (typeof value !== 'object' || value === null || !('list' in value) || !('interfaceName' in value) || !('ports' in value)) return false;
  const { list } = value;
  return Array.isArray(value.ports) && typeof list === 'object' && list !== null && 'plugins' in list && Array.isArray(list.plugins);
}
