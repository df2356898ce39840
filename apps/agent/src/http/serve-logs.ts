/**
 * The logs of tasks over HTTP, by offsets that mean the same byte before and after a rotation.
 *
 *   GET /ekiden/v1/tasks/{taskId}/logs/{stdout|stderr}?offset=&length=
 *       bytes; headers x-ekiden-offset (where they begin), x-ekiden-begin and x-ekiden-end (what is kept), and
 *       x-ekiden-kept-until once the task is over. A negative offset counts from the end.
 *   the same with Accept: text/event-stream
 *       the log as events (libs/service/src/log-events.ts), from `Last-Event-ID` or `offset` on, as it grows.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { LOG_NAMES, MAX_LOG_READ_BYTES, readLog, type LogName } from '@ekiden/isolation';
import { isoTime, taskId, type Log, type TaskId } from '@ekiden/model';
import { EVENT_STREAM, EVENT_STREAM_HEADERS, lastEventId, LOG_HEARTBEAT, LOG_HEARTBEAT_MS, logFrame, MAX_LOG_STALL_MS, sendPaced } from '@ekiden/service';
import type { TaskRecord } from '../agent-ports.js';
import { sandboxOf } from '../sandbox/fs-sandboxes.js';
import { watchLog } from '../sandbox/log-watch.js';
import { keptUntil } from '../sandbox/sandbox-retention.js';
import { decode, integer, json, type Answer, type Served } from './answer.js';
import { followLog, type FollowedLog } from './follow-log.js';

/** Logs that are followed at a time; each costs two watches, one piece of a log and a connection. */
export const MAX_LOG_FOLLOWERS = 256;

export interface LogPorts {
  readonly log: Log;
  readonly workDir: string;
  readonly retentionMs: number;
  task(taskId: TaskId): TaskRecord | null;
  /** Every task of an earlier agent is known again: only now does an unknown one not run. */
  isRecovered(): boolean;
}

interface Wanted {
  readonly taskId: TaskId;
  readonly sandbox: string;
  readonly name: LogName;
}

let followers = 0;

export async function serveLogs(path: string, query: URLSearchParams, request: IncomingMessage, response: ServerResponse, ports: LogPorts): Promise<Served> {
  const match = /^\/ekiden\/v1\/tasks\/([^/]+)\/logs\/([^/]+)$/.exec(path);
  if (!match) return null;
  const name = LOG_NAMES.find((known) => known === match[2]);
  if (name === undefined) return json(404, { message: `a task has the logs ${LOG_NAMES.join(' and ')}` });
  const id = taskId(decode(match[1] ?? ''));
  const wanted: Wanted = { taskId: id, sandbox: sandboxOf(ports.workDir, id), name };
  const bounds = { min: -Number.MAX_SAFE_INTEGER, max: Number.MAX_SAFE_INTEGER, byDefault: 0 };
  const offset = integer(query, 'offset', bounds);
  const length = integer(query, 'length', { min: 0, max: MAX_LOG_READ_BYTES, byDefault: MAX_LOG_READ_BYTES });
  if (request.headers.accept?.includes(EVENT_STREAM) !== true) return read(wanted, offset, length, ports);
  return follow(wanted, lastEventId(request.headers['last-event-id']) ?? offset, response, ports);
}

const NO_LOG = json(404, { message: 'no such log on this agent: the task never ran here, or its files are not kept any more' });

async function read(wanted: Wanted, offset: number, length: number, ports: LogPorts): Promise<Answer> {
  const chunk = await readLog(wanted.sandbox, wanted.name, offset, length);
  if (chunk.isMissing && !mayCome(wanted, ports)) return NO_LOG;
  const headers = {
    'content-type': 'text/plain; charset=utf-8',
    'x-content-type-options': 'nosniff',
    'x-ekiden-offset': chunk.offset,
    'x-ekiden-begin': chunk.begin,
    'x-ekiden-end': chunk.end,
  };
  const until = isOver(wanted, ports) ? { 'x-ekiden-kept-until': await untilWhen(wanted, ports) } : {};
  return { status: 200, headers: { ...headers, ...until }, body: chunk.data };
}

async function follow(wanted: Wanted, offset: number, response: ServerResponse, ports: LogPorts): Promise<Served> {
  const { sandbox, name } = wanted;
  if (!mayCome(wanted, ports) && (await readLog(sandbox, name, 0, 0)).isMissing) return NO_LOG;
  if (followers >= MAX_LOG_FOLLOWERS) return json(503, { message: `${MAX_LOG_FOLLOWERS} logs of this agent are followed already, which is the limit` });
  followers += 1;
  const watch = watchLog(sandbox, name);
  const log: FollowedLog = {
    read: (at, length) => readLog(sandbox, name, at, length),
    isOver: () => isOver(wanted, ports),
    keptUntil: () => untilWhen(wanted, ports),
    changed: (gone) => watch.changed(gone),
  };
  response.writeHead(200, EVENT_STREAM_HEADERS);
  response.flushHeaders();
  void stream(log, offset, response)
    .then((end) => ports.log.debug('log-follower-left', { taskId: wanted.taskId, end }))
    .catch((error: unknown) => ports.log.warn('log-follower-failed', { taskId: wanted.taskId, why: String(error) }))
    .finally(() => {
      followers -= 1;
      watch.close();
    });
  return 'answered';
}

function stream(log: FollowedLog, offset: number, response: ServerResponse): Promise<string> {
  const frames = async function* (gone: AbortSignal): AsyncGenerator<string> {
    for await (const event of followLog(log, offset, gone)) yield logFrame(event);
  };
  return sendPaced(response, frames, { heartbeat: LOG_HEARTBEAT, heartbeatMs: LOG_HEARTBEAT_MS, stallMs: MAX_LOG_STALL_MS });
}

/** A task that is here has a log sooner or later, even if there is none yet. */
const mayCome = (wanted: Wanted, ports: LogPorts): boolean => !isOver(wanted, ports);

const isOver = ({ taskId: id }: Wanted, ports: LogPorts): boolean => ports.isRecovered() && (ports.task(id)?.stage ?? 'ended') === 'ended';

const untilWhen = async ({ sandbox }: Wanted, { workDir, retentionMs }: LogPorts): Promise<string> =>
  isoTime(await keptUntil({ workDir, sandbox, retentionMs, now: Date.now() }));
