/**
 * The run directory: two files that say all about one launch.
 *
 *   launch   written by the agent before it asks for the fork: the shell file (plan-launch), its first line has version and boot id
 *   run      appended to, a line an event:  sup STAT | agent          the claim: whose is the first line, decides
 *                                           pid STAT                  the task is in its groups; written by the task itself
 *                                           fail WHY                  it was not started
 *                                           exit N                    the end; its time is that of the file
 *
 * Appends of a line are atomic, so the first line is a claim that only one can win: a supervisor that finds another's goes away,
 * and an agent which appended `agent` first may say "never started". A line without its line break was torn and counts for nothing.
 */
import { appendFileSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { hasCode } from './cgroup-driver.js';
import { type ProcessRef, parseStat } from './proc.js';

export interface RunJournal {
  readonly claim: 'nobody' | 'agent' | 'supervisor' | 'unreadable';
  readonly supervisor: ProcessRef | null;
  readonly main: ProcessRef | null;
  readonly failed: string | null;
  /** The shell's status of the task: above 128 a signal. */
  readonly status: number | null;
}

export const LAUNCH_FILE = 'launch';
/** The filter of system calls, where one was asked for. */
export const SECCOMP_FILE = 'seccomp';
export const JOURNAL_FILE = 'run';

export function parseJournal(text: string): RunJournal {
  // What follows the last line break is torn.
  const lines = text.split('\n').slice(0, -1);
  const after = (prefix: string): string | null => lines.find((line) => line.startsWith(prefix))?.slice(prefix.length) ?? null;
  const first = lines[0];
  const supervisor = first?.startsWith('sup ') === true ? parseStat(first.slice('sup '.length)) : null;
  const status = /^(\d{1,3})$/.exec(after('exit ') ?? '')?.[1];
  return {
    claim: first === undefined ? 'nobody' : first === 'agent' ? 'agent' : supervisor === null ? 'unreadable' : 'supervisor',
    supervisor,
    main: parseStat(after('pid ') ?? ''),
    failed: after('fail '),
    status: status === undefined ? null : Number(status),
  };
}

export function readJournal(runDir: string): RunJournal {
  return parseJournal(readIfThere(join(runDir, JOURNAL_FILE)) ?? '');
}

/** Claims the launch unless somebody has; afterwards no supervisor can begin. Throws when the directory cannot be written. */
export function claimJournal(runDir: string): RunJournal {
  const found = readJournal(runDir);
  if (found.claim !== 'nobody') return found;
  try {
    appendFileSync(join(runDir, JOURNAL_FILE), 'agent\n', { mode: 0o600 });
  } catch (error) {
    // Without the directory there is nothing that a supervisor could read.
    if (hasCode(error, 'ENOENT')) return { ...found, claim: 'agent' };
    throw error;
  }
  return readJournal(runDir);
}

/** The boot during which the launch was made; null when there is no launch file, or it is torn. Refuses a version it does not know. */
export function readLaunchBoot(runDir: string): string | null {
  const text = readIfThere(join(runDir, LAUNCH_FILE));
  const match = /^# ekiden-run (\d+) ([\w-]+)\n/.exec(text ?? '');
  if (match === null) return null;
  if (match[1] !== '1') throw new Error(`the run directory ${runDir} has version ${match[1]}, this agent reads version 1: start a newer agent`);
  return match[2] ?? null;
}

/** Why a launch did not happen; null while it may still. */
export function refusalIn({ claim, failed, status, main }: RunJournal): string | null {
  if (claim === 'agent' || claim === 'unreadable') return 'its run directory was given up by a recovery: launch into a new one';
  if (failed !== null) return failed;
  return status !== null && main === null ? 'its run directory cannot be written' : null;
}

function readIfThere(path: string): string | null {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return null;
    throw error;
  }
}
