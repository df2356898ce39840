/**
 * What the run directory of a container says: one file, a line of JSON an event, appended before or after the engine is asked.
 *
 *   asked      before anything is: the container's name, the engine, what the next agent needs to go on
 *   starting   before the start: from here on its program may run
 *   started    the engine has said so
 *   exit       how it ended: before the container is removed, since then nobody else knows
 *   withdrawn  a recovery has removed it before it ran
 *
 * A line without its line break was torn and counts for nothing. The container's name comes from the task and the agent's instance, and
 * its labels carry both: so asking twice makes one container, and whatever a crash has left is found again.
 */
import { createHash } from 'node:crypto';
import { appendFileSync, existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TaskId } from '@ekiden/model';
import { hasCode } from '../cgroup-driver.js';
import type { TaskExit } from '../runtime.js';
import { fieldIn, numberIn, textIn } from './engine-client.js';

export interface AskedLine {
  readonly container: string;
  readonly socket: string;
  readonly sandbox: string;
  /** A number. */
  readonly stopSignal: number;
  /** The container whose network it has joined; empty: none. */
  readonly holder: string;
}

export interface EngineJournal {
  readonly asked: AskedLine | null;
  readonly isStarting: boolean;
  /** Its first process, as the engine's machine counts; 0: not known. */
  readonly startedPid: number | null;
  readonly exit: TaskExit | null;
  readonly isWithdrawn: boolean;
}

type Line =
  | ({ readonly kind: 'asked' } & AskedLine)
  | { readonly kind: 'starting' | 'withdrawn' }
  | { readonly kind: 'started'; readonly pid: number }
  | { readonly kind: 'exit'; readonly exit: TaskExit };

export const ENGINE_JOURNAL = 'engine';
export const INSTANCE_LABEL = 'io.ekiden.instance';
export const TASK_LABEL = 'io.ekiden.task';
/** The version of the file (decision 10). */
const JOURNAL_VERSION = 1;
const NAME_HASH_LENGTH = 16;
const MAX_PLAIN_NAME = 80;

/** Whether a run directory is one of a container of an engine. */
export const isEngineRunDir = (runDir: string): boolean => existsSync(join(runDir, ENGINE_JOURNAL));

/** Pure. Readable, and never that of another task. */
export function containerName(instance: string, taskId: TaskId): string {
  const hash = createHash('sha256').update(`${instance} ${taskId}`).digest('hex').slice(0, NAME_HASH_LENGTH);
  const plain = taskId.replaceAll(/[^A-Za-z0-9_.-]/g, '-').slice(0, MAX_PLAIN_NAME);
  return `ekiden-${plain}-${hash}`;
}

/** Throws when it cannot be written. */
export function appendLine(runDir: string, line: Line): void {
  appendFileSync(join(runDir, ENGINE_JOURNAL), `${JSON.stringify({ v: JOURNAL_VERSION, ...line })}\n`, { mode: 0o600 });
}

/** Refuses a version that it does not know. */
export function readEngineJournal(runDir: string): EngineJournal {
  let text: string;
  try {
    text = readFileSync(join(runDir, ENGINE_JOURNAL), 'utf8');
  } catch (error) {
    if (!hasCode(error, 'ENOENT')) throw error;
    text = '';
  }
  return parseEngineJournal(text);
}

/** Pure. */
export function parseEngineJournal(text: string): EngineJournal {
  const lines = text.split('\n').slice(0, -1).flatMap(parseLine);
  const newer = lines.find((line) => numberIn(line, 'v') > JOURNAL_VERSION);
  if (newer !== undefined)
    throw new Error(`the run directory has version ${numberIn(newer, 'v')}, this agent reads version ${JOURNAL_VERSION}: start a newer agent`);
  const last = (kind: string): unknown => lines.findLast((line) => textIn(line, 'kind') === kind);
  const asked = last('asked');
  const started = last('started');
  return {
    asked:
      asked === undefined
        ? null
        : {
            container: textIn(asked, 'container'),
            socket: textIn(asked, 'socket'),
            sandbox: textIn(asked, 'sandbox'),
            stopSignal: numberIn(asked, 'stopSignal'),
            holder: textIn(asked, 'holder'),
          },
    isStarting: last('starting') !== undefined,
    startedPid: started === undefined ? null : numberIn(started, 'pid'),
    exit: exitIn(fieldIn(last('exit'), 'exit')),
    isWithdrawn: last('withdrawn') !== undefined,
  };
}

function parseLine(line: string): readonly unknown[] {
  try {
    return [JSON.parse(line)];
  } catch {
    return []; // Torn, with another appended to it.
  }
}

function exitIn(value: unknown): TaskExit | null {
  if (value === undefined) return null;
  const code = fieldIn(value, 'code');
  const oomKills = numberIn(value, 'oomKills');
  return {
    code: typeof code === 'number' ? code : null,
    signal: textIn(value, 'signal') || null,
    oomKilled: fieldIn(value, 'oomKilled') === true,
    lost: textIn(value, 'lost') || null,
    ...(oomKills > 0 ? { oomKills } : {}),
  };
}
