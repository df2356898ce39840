/**
 * `ekiden logs`: what the instances of an app print, each line with the instance it comes from.
 *
 * It reads pieces by offset, so following survives restarts of the API and of agents. A line is printed when it is
 * whole. Rotated away meanwhile: it goes on at what there is.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Command } from 'commander';
import type { EkidenApi } from '../api/ekiden-api.js';
import { ApiError } from '../api/http.js';
import { CliError } from '../cli-error.js';
import { logPrefix } from '../render/log-prefix.js';
import { contextOf, integer, type Context, type Terminal } from './context.js';
import { isTaskId } from './kill.command.js';

const PIECE_BYTES = 64 * 1024;
const FOLLOW_MS = 500;
/** New instances of a followed app are looked for this often, in rounds of FOLLOW_MS. */
const TASKS_EVERY_ROUNDS = 4;
/** Rounds in a row in which nothing could be read, until we give up. */
const MAX_FAILED_ROUNDS = 120;
/** A line without an end is printed in pieces of this length. */
const MAX_LINE_CHARS = 1024 * 1024;

interface LogOptions {
  readonly follow: boolean;
  readonly stderr: boolean;
  readonly lines: string;
}

interface Cursor {
  readonly taskId: string;
  offset: number;
  rest: string;
}

export function logsCommand(program: Command, terminal: Terminal): void {
  program
    .command('logs')
    .argument('<app|task>', 'an app for all of its instances, or one task')
    .summary('show what an app prints')
    .option('-f, --follow', 'go on as more is printed, new instances included', false)
    .option('--stderr', 'what goes to stderr instead of stdout', false)
    .option('-n, --lines <n>', 'the last lines of each instance', '100')
    .addHelpText('after', '\nExamples:\n  ekiden logs /shop/web -f\n  ekiden logs /shop/web --stderr -n 20')
    .action(async (target: string, options: LogOptions, command: Command) => {
      const context = contextOf(command, terminal);
      const stream = options.stderr ? 'stderr' : 'stdout';
      const lines = integer(options.lines, '--lines', 0, 100_000);
      const cursors = await firstCursors(context, target, stream);
      for (const cursor of cursors) print(context, cursor, await lastLines(context.api, cursor, stream, lines));
      if (options.follow) await follow(context, target, stream, cursors);
    });
}

/** The tasks to read; for an app without any, the last one that failed: that is what people look for. */
async function firstCursors(context: Context, target: string, stream: string): Promise<Cursor[]> {
  if (isTaskId(target)) return [await cursorAtEnd(context.api, target, stream, 'refuse')];
  const app = await context.api.app(target);
  const ids = app.tasks.map((task) => task.id);
  if (ids.length > 0) return Promise.all(ids.map((id) => cursorAtEnd(context.api, id, stream, 'empty')));
  if (app.lastTaskFailure === undefined) throw new CliError(`${app.id} has no tasks`, `\`ekiden why ${app.id}\` says what it waits for`);
  context.tell(`${app.id} has no tasks; this is the last one that failed (${app.lastTaskFailure.message || app.lastTaskFailure.state}):`);
  return [await cursorAtEnd(context.api, app.lastTaskFailure.taskId, stream, 'refuse')];
}

/** Offset -1 answers the length, as in Mesos. A task that has not printed yet has no file; one that is over may have none any more. */
async function cursorAtEnd(api: EkidenApi, taskId: string, stream: string, missing: 'empty' | 'refuse'): Promise<Cursor> {
  const end = await api.log(taskId, stream, -1, 0).catch((error: unknown) => {
    if (missing === 'empty' && error instanceof ApiError && error.status === 404) return { offset: 0 };
    throw error;
  });
  return { taskId, offset: end.offset, rest: '' };
}

/** Reads back from the end until there are enough lines; leaves the cursor at the end. */
async function lastLines(api: EkidenApi, cursor: Cursor, stream: string, lines: number): Promise<readonly string[]> {
  let text = '';
  for (let from = cursor.offset; from > 0 && text.split('\n').length <= lines + 1 && lines > 0;) {
    const start = Math.max(0, from - PIECE_BYTES);
    text = (await api.log(cursor.taskId, stream, start, from - start)).data + text;
    from = start;
  }
  const whole = text.split('\n');
  cursor.rest = whole.pop() ?? '';
  return lines === 0 ? [] : whole.slice(-lines);
}

async function follow(context: Context, target: string, stream: string, cursors: Cursor[]): Promise<never> {
  let failed = 0;
  for (let round = 1; ; round++) {
    await sleep(FOLLOW_MS);
    try {
      if (round % TASKS_EVERY_ROUNDS === 0 && !isTaskId(target)) await addNewTasks(context, target, cursors);
      for (const cursor of cursors) print(context, cursor, await nextLines(context.api, cursor, stream));
      failed = 0;
    } catch (error) {
      failed += 1;
      if (failed > MAX_FAILED_ROUNDS) throw error;
      if (failed === 1) context.tell('waiting for the API …');
    }
  }
}

async function addNewTasks(context: Context, app: string, cursors: Cursor[]): Promise<void> {
  const tasks = await context.api.tasksOf(app);
  for (const task of tasks) if (!cursors.some((cursor) => cursor.taskId === task.id)) cursors.push({ taskId: task.id, offset: 0, rest: '' });
  const alive = new Set(tasks.map((task) => task.id));
  for (const cursor of cursors.filter((one) => !alive.has(one.taskId))) cursors.splice(cursors.indexOf(cursor), 1);
}

async function nextLines(api: EkidenApi, cursor: Cursor, stream: string): Promise<readonly string[]> {
  const piece = await api.log(cursor.taskId, stream, cursor.offset, PIECE_BYTES).catch((error: unknown) => {
    if (error instanceof ApiError && error.status === 404) return { data: '', offset: cursor.offset, nextOffset: cursor.offset };
    throw error;
  });
  cursor.offset = piece.nextOffset ?? piece.offset + Buffer.byteLength(piece.data);
  const whole = (cursor.rest + piece.data).split('\n');
  cursor.rest = whole.pop() ?? '';
  if (cursor.rest.length <= MAX_LINE_CHARS) return whole;
  const long = cursor.rest;
  cursor.rest = '';
  return [...whole, long];
}

function print(context: Context, cursor: Cursor, lines: readonly string[]): void {
  for (const line of lines)
    context.out(context.json ? JSON.stringify({ taskId: cursor.taskId, line }) : `${logPrefix(cursor.taskId, context.hasColours)} ${line}`);
}
