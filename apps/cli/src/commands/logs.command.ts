/** `ekiden logs`: what the instances of an app print, each line with the instance it comes from; `-f` goes on (follow-logs.ts). */
import type { Command } from 'commander';
import type { EkidenApi } from '../api/ekiden-api.js';
import { ApiError } from '../api/http.js';
import { CliError } from '../cli-error.js';
import { printLines, type LogCursor } from '../render/log-lines.js';
import { contextOf, integer, type Context, type Terminal } from './context.js';
import { followLogs } from './follow-logs.js';
import { isTaskId } from './kill.command.js';

/** Bytes of a log in one answer of the API. */
const PIECE_BYTES = 1024 * 1024;
/** How far back is looked at first for the last lines; each time that is not enough, four times as far. */
const LOOK_BACK_BYTES = 64 * 1024;

interface LogOptions {
  readonly follow: boolean;
  readonly stderr: boolean;
  readonly lines: string;
}

/** What there is of a log when we come. */
interface Found {
  readonly cursor: LogCursor;
  /** The oldest byte that is kept. */
  readonly begin: number;
}

export function logsCommand(program: Command, terminal: Terminal): void {
  program
    .command('logs')
    .argument('<app|task>', 'an app for all of its instances, or one task')
    .summary('show what an app prints')
    .option('-f, --follow', 'go on as more is printed, new instances included; of one task until it is over', false)
    .option('--stderr', 'what goes to stderr instead of stdout', false)
    .option('-n, --lines <n>', 'the last lines of each instance', '100')
    .addHelpText('after', '\nExamples:\n  ekiden logs /shop/web -f\n  ekiden logs /shop/web --stderr -n 20')
    .action(async (target: string, options: LogOptions, command: Command) => {
      const context = contextOf(command, terminal);
      const stream = options.stderr ? 'stderr' : 'stdout';
      const lines = integer(options.lines, '--lines', 0, 100_000);
      const found = await firstLogs(context, target, stream);
      for (const log of found) printLines(context, log.cursor.taskId, await lastLines(context.api, log, stream, lines));
      if (!options.follow) return;
      await followLogs(context, { app: isTaskId(target) ? null : target, stream, cursors: found.map(({ cursor }) => cursor) });
    });
}

/** The tasks to read; for an app without any, the last one that failed: that is what people look for. */
async function firstLogs(context: Context, target: string, stream: string): Promise<readonly Found[]> {
  if (isTaskId(target)) return [await findLog(context.api, target, stream, 'refuse')];
  const app = await context.api.app(target);
  const ids = app.tasks.map((task) => task.id);
  if (ids.length > 0) return Promise.all(ids.map((id) => findLog(context.api, id, stream, 'empty')));
  if (app.lastTaskFailure === undefined) throw new CliError(`${app.id} has no tasks`, `\`ekiden why ${app.id}\` says what it waits for`);
  context.tell(`${app.id} has no tasks; this is the last one that failed (${app.lastTaskFailure.message || app.lastTaskFailure.state}):`);
  return [await findLog(context.api, app.lastTaskFailure.taskId, stream, 'refuse')];
}

/** Offset -1 answers the length, as in Mesos. A task that is only about to start has no log; one that is over may have none any more. */
async function findLog(api: EkidenApi, taskId: string, stream: string, missing: 'empty' | 'refuse'): Promise<Found> {
  const { offset, begin = 0 } = await api.log(taskId, stream, -1, 0).catch((error: unknown) => {
    if (missing === 'empty' && error instanceof ApiError && error.status === 404) return { offset: 0, begin: 0 };
    throw error;
  });
  return { cursor: { taskId, offset, rest: '', isFollowed: false, isOver: false }, begin };
}

/** Looks back from the end until there are enough lines. What begins a line whose end has not come yet is kept in the cursor. */
async function lastLines(api: EkidenApi, { cursor, begin }: Found, stream: string, lines: number): Promise<readonly string[]> {
  if (lines === 0) return [];
  for (let back = LOOK_BACK_BYTES; ; back *= 4) {
    const start = Math.max(begin, cursor.offset - back);
    const whole = (await readRange(api, cursor, stream, start)).split('\n');
    if (whole.length <= lines + 1 && start > begin) continue;
    cursor.rest = whole.pop() ?? '';
    return whole.slice(-lines);
  }
}

/** From `start` to the cursor. */
async function readRange(api: EkidenApi, { taskId, offset: end }: LogCursor, stream: string, start: number): Promise<string> {
  let text = '';
  for (let at = start; at < end;) {
    const piece = await api.log(taskId, stream, at, Math.min(PIECE_BYTES, end - at));
    const next = piece.nextOffset ?? piece.offset + Buffer.byteLength(piece.data);
    if (next <= at) break; // the task has emptied its log meanwhile
    text += piece.data;
    at = next;
  }
  return text;
}
