/**
 * Follows the logs of an app's instances, each on a stream of its own, and looks for new ones at the events of the app.
 *
 * A cursor says up to where an instance's log was read. Whatever breaks (the API, an agent), a stream begins again at its cursor, so
 * that no line is lost and none comes twice.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { absolute } from '../api/ekiden-api.js';
import { readEvents, type StreamedEvent } from '../api/event-stream.js';
import { ApiError } from '../api/http.js';
import { messageOf } from '../cli-error.js';
import { linesOf, printLines, type LogCursor } from '../render/log-lines.js';
import type { Context } from './context.js';

const RETRY_MS = 500;
/** How long nothing can be read until we give up. */
const MAX_FAILING_MS = 60_000;
/** Times in a row that a log is not there, until we give it up: its task is about to start, or gone for good. */
const MAX_MISSING = 20;

export interface FollowedLogs {
  /** Null: one task only. */
  readonly app: string | null;
  readonly stream: string;
  readonly cursors: readonly LogCursor[];
}

/** Ends when the one task is over; of an app never, as more may come. Rejects when the API has been away for a minute. */
export async function followLogs(context: Context, { app, stream, cursors }: FollowedLogs): Promise<void> {
  if (app === null) {
    await Promise.all(cursors.map((cursor) => followTask(context, patience(context, null), stream, cursor)));
    return;
  }
  const known = new Map(cursors.map((cursor) => [cursor.taskId, cursor]));
  await new Promise<never>((_, fail) => {
    const follow = (cursor: LogCursor): void => {
      cursor.isFollowed = true;
      followTask(context, patience(context, cursor.taskId), stream, cursor)
        .catch((error: unknown) => context.tell(`${cursor.taskId}: not followed any more: ${messageOf(error)}`))
        .finally(() => (cursor.isFollowed = false));
    };
    for (const cursor of cursors) follow(cursor);
    watchTasks(context, patience(context, null), app, (taskId) => {
      const cursor = known.get(taskId) ?? { taskId, offset: 0, rest: '', isFollowed: false, isOver: false };
      known.set(taskId, cursor);
      if (!cursor.isFollowed && !cursor.isOver) follow(cursor);
    }).catch(fail);
  });
}

/** Resolves when the task is over and its log was printed to the end, or when nobody has it any more. */
async function followTask(context: Context, api: Patience, stream: string, cursor: LogCursor): Promise<void> {
  for (let missing = 0; missing < MAX_MISSING;) {
    try {
      const events = readEvents(await context.api.followLog(cursor.taskId, stream, cursor.offset));
      for await (const event of events) {
        missing = 0;
        if (event.type !== 'interrupted') api.works();
        show(context, cursor, event);
        if (cursor.isOver) return;
      }
      await api.failed(new Error('the stream has ended'));
    } catch (error) {
      if (!(error instanceof ApiError && error.status === 404)) await api.failed(error);
      else {
        missing += 1;
        await sleep(RETRY_MS);
      }
    }
  }
}

function show(context: Context, cursor: LogCursor, { type, id, data }: StreamedEvent): void {
  if (type === 'log') {
    printLines(context, cursor.taskId, linesOf(cursor, String(data['data'])));
    cursor.offset = Number(id);
  } else if (type === 'gap') {
    const { from, to } = data;
    printLines(context, cursor.taskId, cursor.rest === '' ? [] : [cursor.rest]);
    Object.assign(cursor, { offset: Number(to), rest: '' });
    if (Number(to) > Number(from)) context.tell(`${cursor.taskId}: ${Number(to) - Number(from)} bytes are missing here: they are not kept any more`);
  } else if (type === 'interrupted') context.tell(`${cursor.taskId}: waiting for its agent (${String(data['why'])})`);
  else if (type === 'end') {
    printLines(context, cursor.taskId, cursor.rest === '' ? [] : [cursor.rest]);
    Object.assign(cursor, { rest: '', isOver: true });
  }
}

/** Names every task of the app, now and later. The list is asked for when events flow already: none comes between. */
async function watchTasks(context: Context, api: Patience, app: string, tell: (taskId: string) => void): Promise<never> {
  for (;;) {
    try {
      const events = await context.api.events(['status_update_event'], new AbortController().signal);
      for (const { id } of await context.api.tasksOf(app)) tell(id);
      api.works();
      for await (const { data } of readEvents(events)) if (data['appId'] === absolute(app)) tell(String(data['taskId']));
      await api.failed(new Error('the event stream has ended'));
    } catch (error) {
      await api.failed(error);
    }
  }
}

interface Patience {
  works(): void;
  /** Waits a little; rejects when there is no hope. */
  failed(error: unknown): Promise<void>;
}

/** Of one of the tasks of an app: what is wrong with the API as a whole is told by who watches the app. */
function patience(context: Context, taskId: string | null): Patience {
  let since: number | null = null;
  return {
    works: () => (since = null),
    failed: async (error) => {
      if (since === null && taskId === null) context.tell('waiting for the API …');
      if (since === null && taskId !== null && error instanceof ApiError) context.tell(`${taskId}: ${error.message}`);
      since ??= context.now();
      if (context.now() - since > MAX_FAILING_MS || (error instanceof ApiError && [401, 403].includes(error.status))) throw error;
      await sleep(RETRY_MS);
    },
  };
}
