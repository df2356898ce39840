/**
 * Which processes belong to a task, and how all of them are ended: by control group, or by what a process cannot easily shed.
 *
 * Without control groups a task's processes are those of its session and process group, and those whose environment names it
 * (a daemon leaves its session but keeps its environment). One that drops both is not found: hence "as well as the system lets it".
 * To look at every process of the machine takes milliseconds, so an end first looks where a survivor would have to be (orphans.ts).
 */
import { existsSync } from 'node:fs';
import type { Log, TaskId } from '@ekiden/model';
import { type CgroupDriver, type TaskLimits, groupName, instanceGroup } from './cgroup-driver.js';
import { type EntryGroup, endLeftGroups, endLeftProcesses, entryByCgroup, entryByProcess } from './entry-groups.js';
import { adoptedProcesses } from './orphans.js';
import { type ProcessRef, type ProcessStat, isAlive, listProcesses, readEnviron, readStat, signalProcess } from './proc.js';
import { statisticsOfProcesses } from './process-statistics.js';
import type { TaskExit } from './runtime.js';
import type { TaskStatistics } from './task-statistics.js';
import { createJoinWarmer } from './warm-joins.js';

export interface Member {
  readonly taskId: TaskId;
  /** The task's first process; null when it was never learnt. */
  readonly main: ProcessRef | null;
  readonly supervisor: ProcessRef | null;
  /** By this process: what it leaves behind goes to an ancestor of ours. */
  readonly launchedHere: boolean;
}

export interface TaskGroups {
  /** Before the launch; throws with the reason. A process that writes `0` into each of the files is inside. */
  prepare(taskId: TaskId, limits: TaskLimits): readonly string[];
  /** Those files again, while the task lives. */
  joinFiles(taskId: TaskId): readonly string[];
  /** A place of its own for a process that enters the task. Throws when the task is gone. */
  openEntry(taskId: TaskId, name: string): EntryGroup;
  /** Kills what an agent before this one has left of its entries into these tasks; answers how many processes. */
  endLeftEntries(known: ReadonlySet<TaskId>, isOurs: (name: string) => boolean): number;
  /** A `prepare` will come soon. */
  expect(): void;
  /** What a task's environment must have for us to find it. */
  markers(taskId: TaskId): Readonly<Record<string, string>>;
  /** Who still lives, of each of these tasks; one look at the machine for all of them. */
  remaining(tasks: readonly Member[]): ReadonlyMap<TaskId, readonly number[]>;
  /** One round of SIGKILL; `remaining` is what the look just before has found. */
  kill(task: Member, remaining: readonly number[]): void;
  /** What its group tells of its memory; nothing where there is no group. */
  memory(taskId: TaskId): Pick<TaskExit, 'oomKills' | 'memPeakBytes'>;
  /** What each of them that still lives has used. */
  statistics(tasks: readonly Member[]): ReadonlyMap<TaskId, TaskStatistics>;
  /** Throws with the reason. */
  resize(taskId: TaskId, limits: TaskLimits): void;
  /** False while it is still busy. */
  release(taskId: TaskId): boolean;
  /** Takes away what was made for this instance as a whole, if no group of a task is left in it. */
  close(): void;
  /** Kills what belongs to tasks of this instance that are not `known`; answers how many processes. */
  sweep(known: ReadonlySet<TaskId>): number;
}

export function groupsByCgroup(driver: CgroupDriver, instance: string, log: Log): TaskGroups {
  const parent = instanceGroup(instance);
  const groupOf = (taskId: TaskId): string => `${parent}/${groupName(taskId)}`;
  const living = (group: string): readonly number[] => driver.processes(group).filter((pid) => !'ZX'.includes(readStat(pid)?.state ?? 'X'));

  /** Launched by an earlier agent that had no groups: its processes are found as that one would have found them. */
  const byProcess = groupsByProcess(instance);
  const hasNoGroup = ({ taskId, launchedHere }: Member): boolean => !launchedHere && !driver.joinFiles(groupOf(taskId)).some((file) => existsSync(file));

  return {
    prepare(taskId, limits) {
      driver.create(groupOf(taskId), limits);
      return driver.joinFiles(groupOf(taskId));
    },
    joinFiles: (taskId) => driver.joinFiles(groupOf(taskId)),
    openEntry: (taskId, name) => entryByCgroup(driver, groupOf(taskId), name),
    endLeftEntries: (known, isOurs) => endLeftGroups(driver, [...known].map(groupOf), isOurs),
    expect: createJoinWarmer(
      () => driver.ownProcs(),
      (why) => log.debug('joins-not-warmed', { why }),
    ),
    markers: () => ({}),
    remaining(tasks) {
      const groupless = tasks.filter(hasNoGroup);
      const found = new Map(
        tasks.map(({ taskId, main }) => {
          const pids = new Set(living(groupOf(taskId)));
          // It may be on its way into the group.
          if (main !== null && isAlive(main)) pids.add(main.pid);
          return [taskId, [...pids]];
        }),
      );
      return groupless.length === 0 ? found : new Map([...found, ...byProcess.remaining(groupless)]);
    },
    kill(task, remaining) {
      if (hasNoGroup(task)) return byProcess.kill(task, remaining);
      driver.kill(groupOf(task.taskId));
      if (task.main !== null && isAlive(task.main)) signalProcess(task.main.pid, 'SIGKILL');
    },
    memory(taskId) {
      const memPeakBytes = driver.memPeakBytes(groupOf(taskId));
      return { oomKills: driver.oomKills(groupOf(taskId)), ...(memPeakBytes === null ? {} : { memPeakBytes }) };
    },
    statistics: (tasks) =>
      new Map(
        tasks.flatMap(({ taskId }) => {
          const statistics = driver.statistics(groupOf(taskId));
          return statistics === null ? [] : [[taskId, statistics] as const];
        }),
      ),
    resize: (taskId, limits) => driver.resize(groupOf(taskId), limits),
    release: (taskId) => driver.remove(groupOf(taskId)),
    // Not the one above it: another instance may be making its own in there.
    close: () => driver.removeIfEmpty(parent),
    sweep(known) {
      const names = new Set([...known].map(groupName));
      let killed = 0;
      for (const name of driver.children(parent)) {
        if (names.has(name)) continue;
        const strays = living(`${parent}/${name}`);
        killed += strays.length;
        if (strays.length > 0) driver.kill(`${parent}/${name}`);
        driver.remove(`${parent}/${name}`); // A busy one is met again by the next sweep.
      }
      return killed;
    },
  };
}

export function groupsByProcess(instance: string): TaskGroups {
  instanceGroup(instance);
  const markers = (taskId: TaskId): Readonly<Record<string, string>> => ({ EKIDEN_TASK_ID: taskId, EKIDEN_INSTANCE: instance });
  return {
    prepare: () => [],
    expect: () => undefined,
    joinFiles: () => [],
    openEntry: (taskId, name) => entryByProcess(instance, name, markers(taskId)),
    endLeftEntries: (_, isOurs) => endLeftProcesses(instance, isOurs),
    markers,
    remaining: (tasks) => (nobodyIsLeft(tasks) ? new Map() : findMembers(tasks, listProcesses(), readEnviron)),
    kill({ main }, remaining) {
      // The group first: at once, and with whoever was forked since the look.
      if (main !== null && isAlive(main)) signalProcess(-main.pid, 'SIGKILL');
      for (const pid of remaining) signalProcess(pid, 'SIGKILL');
    },
    memory: () => ({}),
    // One look at the machine for all of them.
    statistics: (tasks) => new Map([...findMembers(tasks, listProcesses(), readEnviron)].map(([taskId, pids]) => [taskId, statisticsOfProcesses(pids)])),
    resize: () => {
      throw new Error('the `process` runtime has no limits that could be changed');
    },
    release: () => true,
    close: () => undefined,
    sweep(known) {
      const names = new Set<string>(known);
      let killed = 0;
      for (const { pid } of listProcesses()) {
        const environ = readEnviron(pid);
        if (!environ.includes(`EKIDEN_INSTANCE=${instance}`)) continue;
        const taskId = taskIdIn(environ);
        if (taskId === null || names.has(taskId)) continue;
        if (signalProcess(pid, 'SIGKILL')) killed += 1;
      }
      return killed;
    },
  };
}

function taskIdIn(environ: readonly string[]): string | null {
  const entry = environ.find((each) => each.startsWith('EKIDEN_TASK_ID=')) ?? environ.find((each) => each.startsWith('MESOS_TASK_ID='));
  return entry?.slice(entry.indexOf('=') + 1) ?? null;
}

/** True only if it is certain: the first processes are dead, and nothing that has lost its parents is theirs. */
function nobodyIsLeft(tasks: readonly Member[]): boolean {
  if (!tasks.every(({ launchedHere, main }) => launchedHere && main !== null && !isAlive(main))) return false;
  const adopted = adoptedProcesses(tasks.flatMap(({ supervisor }) => supervisor?.pid ?? []));
  return adopted !== null && adopted.every((each) => each === null || isStranger(each, tasks, readEnviron));
}

/** An environment that cannot be read, or is not there yet (it is starting a program), proves nothing. */
export function isStranger(found: ProcessStat, tasks: readonly Member[], environOf: (pid: number) => readonly string[]): boolean {
  if (tasks.every(({ main }) => main !== null && found.startTime < main.startTime)) return true;
  if (tasks.some(({ main }) => main?.pid === found.session || main?.pid === found.pgrp)) return false;
  const environ = environOf(found.pid);
  const owner = taskIdIn(environ);
  return environ.some((entry) => entry !== '') && !tasks.some(({ taskId }) => taskId === owner);
}

/** Pure but for `environOf`, which is asked only for processes that a task could have started: those younger than it. */
export function findMembers(tasks: readonly Member[], processes: readonly ProcessStat[], environOf: (pid: number) => readonly string[]): Map<TaskId, number[]> {
  const found = new Map<TaskId, number[]>(tasks.map(({ taskId }) => [taskId, []]));
  const byId = new Map<string, TaskId>(tasks.map(({ taskId }) => [taskId, taskId]));
  const byPid = new Map(tasks.flatMap((task) => (task.main === null ? [] : [[task.main.pid, { ...task, main: task.main }] as const])));
  for (const { pid, startTime } of processes) {
    // The pid has been given to a stranger since; so is its session.
    if (byPid.get(pid) !== undefined && byPid.get(pid)?.main.startTime !== startTime) byPid.delete(pid);
  }
  const oldest = Math.min(...tasks.map(({ main }) => main?.startTime ?? 0));
  for (const each of processes) {
    if (each.startTime < oldest) continue;
    const owner = byPid.get(each.pid) ?? byPid.get(each.session) ?? byPid.get(each.pgrp);
    const taskId = owner !== undefined && owner.main.startTime <= each.startTime ? owner.taskId : byId.get(taskIdIn(environOf(each.pid)) ?? '');
    if (taskId !== undefined) found.get(taskId)?.push(each.pid);
  }
  return found;
}
