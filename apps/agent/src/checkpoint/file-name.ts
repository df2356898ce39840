/**
 * A task id as the name of a file or directory. Most ids are one already; one that is too long, or has characters that a
 * disk or a shell might take otherwise, becomes a digest. The id itself is in the record.
 */
import { createHash } from 'node:crypto';
import type { TaskId } from '@ekiden/model';

/** Leaves room for endings; file systems allow 255 bytes. */
const MAX_NAME_LENGTH = 200;

export const fileNameOf = (taskId: TaskId): string =>
  taskId.length <= MAX_NAME_LENGTH && /^[A-Za-z0-9_-][A-Za-z0-9._-]*$/.test(taskId) ? taskId : `sha256-${createHash('sha256').update(taskId).digest('hex')}`;
