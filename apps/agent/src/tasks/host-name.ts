/** The name of a container that has a network of its own: as with Docker 12 hex digits, which follow from its task. Pure. */
import { createHash } from 'node:crypto';
import type { TaskId } from '@ekiden/model';

export const hostnameOf = (taskId: TaskId): string => createHash('sha256').update(taskId).digest('hex').slice(0, 12);
