/**
 * The processes of a run, as the kernel tells them: the parts, the supervisors and the users' tasks.
 *
 * A process is its pid and its start time, since pids are used again. A task is found by what its environment says
 * (MESOS_TASK_ID, and a sandbox below our directory), never by what a part believes.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { hasCode } from '../../libs/isolation/src/cgroup-driver.js';
import { readEnviron, readParent, readStat } from '../../libs/isolation/src/proc.js';

export interface TaskProcess {
  readonly pid: number;
  readonly startTime: number;
  readonly taskId: string;
  /** The agent's directory that its sandbox is in: `agent-1`. */
  readonly agent: string;
  readonly cpus: number;
  readonly memMib: number;
}

/** All living processes that we may see. */
export const allPids = (): number[] =>
  readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => isAlive(pid));

export function isAlive(pid: number): boolean {
  const state = readStat(pid)?.state ?? 'X';
  return state !== 'Z' && state !== 'X';
}

export function commandOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ').trim();
  } catch {
    return ''; // it ended meanwhile
  }
}

export const parentOf = (pid: number): number | null => readParent(pid);

/** Processes of tasks whose sandbox is below `agents` (the directory that holds one directory an agent). */
export function taskProcesses(agents: string): TaskProcess[] {
  return allPids().flatMap((pid) => {
    const environment = new Map(readEnviron(pid).map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]));
    const taskId = environment.get('MESOS_TASK_ID');
    const sandbox = environment.get('MESOS_SANDBOX') ?? '';
    const stat = readStat(pid);
    if (taskId === undefined || stat === null || !sandbox.startsWith(`${agents}/`)) return [];
    const agent = sandbox.slice(agents.length + 1).split('/')[0] ?? '';
    const number = (name: string): number => Number(environment.get(name) ?? 0);
    return [{ pid, startTime: stat.startTime, taskId, agent, cpus: number('MARATHON_APP_RESOURCE_CPUS'), memMib: number('MARATHON_APP_RESOURCE_MEM') }];
  });
}

/** Everything whose command line or environment names this directory, but this process and its parents. */
export function processesNaming(directory: string): { readonly pid: number; readonly command: string }[] {
  const own = new Set<number>();
  for (let pid: number | null = process.pid; pid !== null && pid > 0; pid = parentOf(pid)) own.add(pid);
  return allPids().flatMap((pid) => {
    const command = commandOf(pid);
    if (own.has(pid)) return [];
    return command.includes(directory) || readEnviron(pid).some((line) => line.includes(directory)) ? [{ pid, command }] : [];
  });
}

/** A signal for one process of ours; one that ended meanwhile is no error. */
export function signal(pid: number, name: NodeJS.Signals): boolean {
  if (!Number.isSafeInteger(pid) || pid <= 1 || pid === process.pid) return false;
  try {
    return process.kill(pid, name);
  } catch (error) {
    if (hasCode(error, 'ESRCH')) return false;
    throw error;
  }
}
