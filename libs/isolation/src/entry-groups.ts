/**
 * Where the processes of one entry into a task are (a check, an operator's command), so that they can be ended without the task.
 *
 * With control groups it is a group below the task's: what bounds, counts and kills the task does so to them. Without, they are those
 * of a session, and those whose environment names the entry; it names the task as well, which is how they end with it.
 */
import { existsSync } from 'node:fs';
import type { CgroupDriver } from './cgroup-driver.js';
import { descendantsOf } from './descendants.js';
import { adoptedProcesses } from './orphans.js';
import { type ProcessRef, isAlive, listProcesses, readEnviron, readStat, signalProcess } from './proc.js';

export interface EntryGroup {
  /** A process that writes `0` into each is inside. */
  readonly joinFiles: readonly string[];
  /** What their environment must have for us to find them. */
  readonly markers: Readonly<Record<string, string>>;
  /** Who still lives; `main` is the process that we have forked. */
  remaining(main: ProcessRef): readonly number[];
  /** One round of SIGKILL. */
  kill(main: ProcessRef, remaining: readonly number[]): void;
  /** Once nobody is left. What is busy after all goes with the task. */
  release(): void;
}

/** How groups of entries begin; what follows is the life of the agent that made it, so that the next one knows what was left behind. */
export const ENTRY_PREFIX = 'x.';
/** The variable of the environment that names an entry. */
export const MARKER = 'EKIDEN_ENTRY';

/** Throws when the task's groups are gone. */
export function entryByCgroup(driver: CgroupDriver, group: string, name: string): EntryGroup {
  if (!driver.joinFiles(group).every((file) => existsSync(file))) throw new Error('its control groups are gone');
  const joinFiles = driver.createBelow(group, name);
  const own = `${group}/${name}`;
  const living = (): readonly number[] => driver.processes(own).filter((pid) => !'ZX'.includes(readStat(pid)?.state ?? 'X'));
  return {
    joinFiles,
    markers: {},
    // It may be on its way into the group; a terminal's keeper never goes there.
    remaining: (main) => [...new Set([...living(), ...(isAlive(main) ? [main.pid] : [])])],
    kill(main, remaining) {
      const below = isAlive(main) ? descendantsOf(main.pid) : [];
      driver.kill(own);
      for (const pid of [...remaining, ...below]) signalProcess(pid, 'SIGKILL');
    },
    release: () => void driver.remove(own),
  };
}

/** `markers`: those of its task. */
export function entryByProcess(instance: string, name: string, markers: Readonly<Record<string, string>>): EntryGroup {
  const mark = `${MARKER}=${instance}.${name}`;
  const isOfSession = (main: ProcessRef, { session, pgrp }: { readonly session: number; readonly pgrp: number }): boolean =>
    session === main.pid || pgrp === main.pid;
  return {
    joinFiles: [],
    markers: { ...markers, [MARKER]: `${instance}.${name}` },
    remaining(main) {
      if (!isAlive(main) && nobodyWasAdopted(main, mark, isOfSession)) return [];
      return listProcesses()
        .filter((each) => each.startTime >= main.startTime && (isOfSession(main, each) || readEnviron(each.pid).includes(mark)))
        .map(({ pid }) => pid);
    },
    kill(main, remaining) {
      if (isAlive(main)) signalProcess(-main.pid, 'SIGKILL');
      for (const pid of remaining) signalProcess(pid, 'SIGKILL');
    },
    release: () => undefined,
  };
}

/** True only if it is certain: what it has left behind would be among the children of our ancestors. Cheap, for checks come often. */
function nobodyWasAdopted(main: ProcessRef, mark: string, isOfSession: (main: ProcessRef, stat: { session: number; pgrp: number }) => boolean): boolean {
  const adopted = adoptedProcesses([]);
  if (adopted === null) return false;
  return adopted.every((each) => {
    if (each === null || each.startTime < main.startTime) return true;
    if (isOfSession(main, each)) return false;
    const environ = readEnviron(each.pid);
    // An environment that is not there yet (it is starting a program), or not ours to read, proves nothing.
    return environ.some((entry) => entry !== '') && !environ.includes(mark);
  });
}

/** What an agent before this one has left of its entries into these groups is killed. Answers how many processes. */
export function endLeftGroups(driver: CgroupDriver, groups: readonly string[], isOurs: (name: string) => boolean): number {
  let killed = 0;
  for (const group of groups) {
    for (const name of driver.children(group)) {
      if (!name.startsWith(ENTRY_PREFIX) || isOurs(name)) continue;
      const left = `${group}/${name}`;
      killed += driver.processes(left).length;
      driver.kill(left);
      driver.remove(left); // One that is busy still is empty soon, and goes with the task.
    }
  }
  return killed;
}

/** Likewise, where there are no groups: by the environment of every process of the machine. */
export function endLeftProcesses(instance: string, isOurs: (name: string) => boolean): number {
  let killed = 0;
  for (const { pid } of listProcesses()) {
    const name = readEnviron(pid)
      .find((entry) => entry.startsWith(`${MARKER}=${instance}.`))
      ?.slice(`${MARKER}=${instance}.`.length);
    if (name !== undefined && !isOurs(name) && signalProcess(pid, 'SIGKILL')) killed += 1;
  }
  return killed;
}
