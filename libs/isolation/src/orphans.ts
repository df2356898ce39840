/**
 * Where the kernel puts processes whose parents are gone: a look there says cheaply that nothing of an ended task is left.
 *
 * Who survives its parents becomes a child of the nearest ancestor that adopts (init, a service manager, a terminal's shell
 * server), and that one is an ancestor of ours too for every task that we have launched. So once a task's first process is dead,
 * the topmost of whatever it left behind is among the children of our ancestors, however many processes the machine has.
 */
import { type ProcessStat, readParent, readProcFile, readStat } from './proc.js';

/** Lists that change while we look are read again; then the whole machine has to be looked at. */
const MAX_LOOKS = 5;
/** Deeper than any tree of services. */
const MAX_DEPTH = 100;

/**
 * The children of our ancestors and of `others` (who may be gone by now), also those that died during the look.
 * Null when this kernel does not say, or when they come and go too fast.
 *
 * A list may lack somebody if one before them goes away as it is read, and one that is dead when looked at may have left a
 * child to the list since: so only a list that reads the same again after all in it were looked at is complete.
 */
export function adoptedProcesses(others: readonly number[]): readonly (ProcessStat | null)[] | null {
  const seen = new Map<string, ProcessStat | null>();
  let before: string | null = null;
  for (let look = 0; look < MAX_LOOKS; look += 1) {
    const list = childrenOfAncestors(others);
    if (list === null) return null;
    if (list === before) return [...seen.values()];
    before = list;
    for (const pid of list.split(' ')) {
      if (pid !== '' && !seen.has(pid)) seen.set(pid, readStat(Number(pid)));
    }
  }
  return null;
}

/** Pids with a blank after each. */
function childrenOfAncestors(others: readonly number[]): string | null {
  let list = others.map((pid) => readChildren(pid) ?? '').join('');
  // Of our own children only init of a container, which is everybody's ancestor there, has adopted some.
  let pid = process.pid === 1 ? 1 : process.ppid;
  for (let depth = 0; pid > 0; depth += 1) {
    const children = readChildren(pid);
    const parent = readParent(pid);
    if (children === null || parent === null || depth > MAX_DEPTH) return null;
    list += children;
    pid = parent;
  }
  return list;
}

/** Of the first thread, which is the one that adopts. */
const readChildren = (pid: number): string | null => readProcFile(`/proc/${pid}/task/${pid}/children`);
