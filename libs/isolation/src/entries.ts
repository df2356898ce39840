/**
 * The commands that run in tasks beside them: started, given a terminal, and ended with all that they have started, at the latest when
 * their task ends. Those of an agent that was killed are ended by the next one's first sweep.
 *
 *   pipes:     shell ─► (enter-task) ─► the command
 *   terminal:  script(1) ─► shell ─► (enter-task) ─► the command
 *
 * The keeper of the terminal is script(1) of util-linux: a process of ours outside of the task, which ends with the command. A library
 * for terminals inside the agent would leave its side of each open to whatever the agent starts meanwhile, other tasks included.
 */
import { type ChildProcess, type SpawnOptions, execFile, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { readdirSync } from 'node:fs';
import { type Log, type TaskId, taskId } from '@ekiden/model';
import { ENTRY_PREFIX, type EntryGroup } from './entry-groups.js';
import type { LaunchTools } from './launch-tools.js';
import { ENTRY_FD, type EntryPlan, planEntry, readEntry } from './plan-entry.js';
import { type ProcessRef, readProcFile, readStat } from './proc.js';
import { reasonOf } from './reason-of.js';
import { createReaper } from './reaper.js';
import type { ExecSpec, ProcessEnd, TaskProcess, TerminalSize } from './runtime.js';
import type { TaskGroups } from './task-groups.js';

export interface Entries {
  /** Throws when it cannot be started. */
  start(spec: ExecSpec, plan: Omit<EntryPlan, 'joinFiles'>): TaskProcess;
  /** Ends all that are in a task. Null: there are none. */
  end(taskId: TaskId): Promise<unknown> | null;
  /** The first time, kills what an agent before this one has left in these tasks; answers how many processes. */
  endLeft(known: ReadonlySet<TaskId>): number;
  /** Kills all at once, without waiting. */
  close(): void;
}

interface Entry {
  /** By which the reaper tells them apart. */
  readonly taskId: TaskId;
  readonly of: TaskId;
  readonly group: EntryGroup;
  readonly main: ProcessRef;
  gone: () => void;
  ended: Promise<ProcessEnd>;
}

const LIFE_BYTES = 6;
const RESIZE_TIMEOUT_MS = 5_000;
/** Of the shell and of script(1): nothing of ours goes further. */
const OWN_ENV = { PATH: '/usr/sbin:/usr/bin:/sbin:/bin' };

export function createEntries(groups: Pick<TaskGroups, 'openEntry' | 'endLeftEntries'>, tools: LaunchTools, log: Log): Entries {
  /** By it the next agent knows what is not its own. */
  const life = randomBytes(LIFE_BYTES).toString('hex');
  const entries = new Map<string, Entry>();
  let count = 0;
  let isFirstSweep = true;
  const reap = createReaper<Entry>(
    {
      remaining: (all) => new Map(all.map((entry) => [entry.taskId, entry.group.remaining(entry.main)])),
      kill: (entry, left) => entry.group.kill(entry.main, left),
    },
    log,
    (entry) => entry.gone(),
  );

  function start(spec: ExecSpec, plan: Omit<EntryPlan, 'joinFiles'>): TaskProcess {
    count += 1;
    const name = `${ENTRY_PREFIX}${life}-${count}`;
    const group = groups.openEntry(spec.taskId, name);
    let child: ChildProcess;
    try {
      child = spawnEntry(spec, group, tools);
    } catch (error) {
      group.release();
      throw error;
    }
    const main = child.pid === undefined ? null : readStat(child.pid);
    if (main === null) {
      child.on('error', (error) => log.warn('entry-not-started', { taskId: spec.taskId, why: error.message }));
      group.release();
      throw new Error('no process could be started for it: the machine may have too many');
    }
    const entry: Entry = { taskId: taskId(name), of: spec.taskId, group, main, gone: () => undefined, ended: Promise.resolve({ code: null, signal: null }) };
    entries.set(name, entry);
    entry.ended = ending(child, entry).finally(() => {
      entries.delete(name);
      group.release();
    });
    send(child, planEntry({ ...plan, joinFiles: group.joinFiles }));
    const size = typeof spec.io === 'string' ? () => undefined : createResizer(main.pid, tools, log);
    return {
      input: child.stdin,
      output: child.stdout,
      errors: typeof spec.io === 'string' ? child.stderr : null,
      resize: size,
      kill: () => reap(entry),
      ended: entry.ended,
    };
  }

  /** Its own end first, then whatever it has started is ended. */
  async function ending(child: ChildProcess, entry: Entry): Promise<ProcessEnd> {
    const end = await new Promise<ProcessEnd>((resolve) => {
      child.on('exit', (code, signal) => resolve({ code, signal }));
    });
    await new Promise<void>((resolve) => {
      entry.gone = resolve;
      reap(entry);
    });
    return end;
  }

  return {
    start,
    end(taskId) {
      const own = [...entries.values()].filter(({ of }) => of === taskId);
      for (const entry of own) reap(entry);
      return own.length === 0 ? null : Promise.all(own.map(({ ended }) => ended));
    },
    endLeft(known) {
      const isDue = isFirstSweep;
      isFirstSweep = false;
      return isDue ? groups.endLeftEntries(known, (name) => name.startsWith(`${ENTRY_PREFIX}${life}-`)) : 0;
    },
    close() {
      for (const { group, main } of entries.values()) {
        try {
          group.kill(main, group.remaining(main));
        } catch (error) {
          log.warn('entry-not-ended', { why: reasonOf(error) });
        }
      }
    },
  };
}

function spawnEntry({ io }: ExecSpec, group: EntryGroup, tools: LaunchTools): ChildProcess {
  const own: SpawnOptions['stdio'] = io === 'none' ? ['ignore', 'ignore', 'ignore'] : ['pipe', 'pipe', 'pipe'];
  const options: SpawnOptions = { cwd: '/', env: { ...OWN_ENV, SHELL: tools.shell, ...group.markers }, stdio: [...own, 'pipe'], detached: true };
  if (typeof io === 'string') return spawn(tools.shell, ['-c', readEntry(tools)], options);
  return spawn(tools.script ?? 'script', ['-qefc', readEntry(tools), '/dev/null'], options);
}

/** A pipe that nobody reads any more is no fault: its exit tells. */
function send(child: ChildProcess, text: string): void {
  for (const stream of child.stdio) stream?.on('error', () => undefined);
  const pipe = child.stdio[ENTRY_FD];
  if (pipe != null && 'end' in pipe) pipe.end(text);
}

/** Asks stty(1) for it, one at a time. The kernel tells who runs in the terminal. */
function createResizer(keeper: number, tools: LaunchTools, log: Log): (size: TerminalSize) => void {
  let wanted: TerminalSize | null = null;
  let isAsking = false;
  const ask = (): void => {
    const device = terminalOf(keeper);
    if (wanted === null || isAsking || device === null) return;
    const { columns, rows } = wanted;
    wanted = null;
    isAsking = true;
    execFile(tools.stty ?? 'stty', ['-F', device, 'rows', String(rows), 'cols', String(columns)], { timeout: RESIZE_TIMEOUT_MS }, (error) => {
      isAsking = false;
      if (error !== null) log.debug('terminal-not-resized', { why: error.message });
      ask();
    });
  };
  return (size) => {
    wanted = size;
    ask();
  };
}

/** The terminal that a script(1) keeps, by the number that the kernel shows beside its end of it. Null: none yet, or no longer. */
function terminalOf(keeper: number): string | null {
  for (const file of namesIn(`/proc/${keeper}/fdinfo`)) {
    const index = /^tty-index:\s*(\d+)$/m.exec(readProcFile(`/proc/${keeper}/fdinfo/${file}`) ?? '')?.[1];
    if (index !== undefined) return `/dev/pts/${index}`;
  }
  return null;
}

function namesIn(directory: string): readonly string[] {
  try {
    return readdirSync(directory);
  } catch {
    return []; // It has ended.
  }
}
