/** What the next agent has to know of a network that a container engine holds: on disk before it is asked for, and again once it stands. */
import { type TaskId, taskId } from '@ekiden/model';
import { fieldIn, numberIn, textIn } from './engine-client.js';
import type { FoundHolder } from './holder.js';

/** The version of the file (decision 10). */
export const HOLDER_RECORD_VERSION = 1;

export interface HolderRecord {
  readonly v: number;
  readonly taskId: TaskId;
  /** Of its engine. */
  readonly socket: string;
  /** The name of the container that holds it. */
  readonly container: string;
  /** Null: it does not stand yet. */
  readonly holder: FoundHolder | null;
}

/** Throws what is wrong with it. */
export function parseHolderRecord(text: string): HolderRecord {
  const read: unknown = JSON.parse(text);
  if (numberIn(read, 'v') !== HOLDER_RECORD_VERSION) throw new Error(`it is no record of version ${HOLDER_RECORD_VERSION}`);
  const [socket, container] = [textIn(read, 'socket'), textIn(read, 'container')];
  if (socket === '' || container === '') throw new Error('it names no engine or no container');
  const holder = fieldIn(read, 'holder');
  const addresses = fieldIn(holder, 'addresses');
  return {
    v: HOLDER_RECORD_VERSION,
    taskId: taskId(textIn(read, 'taskId')),
    socket,
    container,
    holder:
      holder == null
        ? null
        : {
            id: textIn(holder, 'id'),
            pid: numberIn(holder, 'pid'),
            addresses: Array.isArray(addresses) ? addresses.filter((each) => typeof each === 'string') : [],
          },
  };
}
