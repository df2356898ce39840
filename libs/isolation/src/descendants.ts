/** All below a process, also those that left its group and session. Who loses their parent during the look is not found. */
import { readProcFile } from './proc.js';

/** A fork bomb is not followed for ever: its task has a limit of processes, and is ended as a whole. */
const MAX_DESCENDANTS = 10_000;

/** Its children before theirs; empty when it is gone. */
export function descendantsOf(pid: number): readonly number[] {
  const found: number[] = [];
  const look = [pid];
  for (let parent = look.shift(); parent !== undefined && found.length < MAX_DESCENDANTS; parent = look.shift()) {
    const children = (readProcFile(`/proc/${parent}/task/${parent}/children`) ?? '').split(' ').filter((child) => child !== '');
    found.push(...children.map(Number));
    look.push(...children.map(Number));
  }
  return found;
}
