/**
 * Lets the kernel get ready for a process that joins its groups while the launch is still being prepared.
 *
 * The first join after a pause waits some 10 ms for all processors to agree (an RCU grace period); those within the next
 * milliseconds take microseconds. So when a launch is announced, this process "moves" into the group that it is in already,
 * which changes nothing and has the same effect. Where that is not permitted, the first join waits as it always did.
 */
import { readFileSync, writeFile } from 'node:fs';
import { reasonOf } from './reason-of.js';

/** For about as long the kernel stays ready. */
const WARM_MS = 8;

/** `ownProcs`: the `cgroup.procs` of the group that this process is in now, or null if that is not known. `failed` is told once. */
export function createJoinWarmer(ownProcs: () => string | null, failed: (why: string) => void): () => void {
  let isOff = false;
  let isWriting = false;
  let warmUntil = 0;
  const giveUp = (why: string): void => {
    isOff = true;
    failed(why);
  };
  const warm = (): void => {
    // Asked each time: somebody may have moved us, and must not find us moved back.
    const file = ownProcs();
    if (file === null) return giveUp('the own group is not in the tree');
    isWriting = true;
    writeFile(file, String(process.pid), { flag: 'r+' }, (error) => {
      isWriting = false;
      warmUntil = performance.now() + WARM_MS;
      if (error !== null) giveUp(reasonOf(error));
    });
  };
  return () => {
    if (isOff || isWriting || performance.now() < warmUntil) return;
    try {
      warm();
    } catch (error) {
      giveUp(reasonOf(error));
    }
  };
}

/** The path of this process's group in a hierarchy, from the text of /proc/self/cgroup; version 2 has no controllers there. */
export function parseOwnGroup(text: string, controller: string): string | null {
  for (const line of text.split('\n')) {
    const [, controllers = '', path] = /^\d+:([^:]*):(\/.*)$/.exec(line) ?? [];
    if (path !== undefined && controllers.split(',').includes(controller)) return path;
  }
  return null;
}

export const ownGroup = (controller: string): string | null => parseOwnGroup(readFileSync('/proc/self/cgroup', 'utf8'), controller);
