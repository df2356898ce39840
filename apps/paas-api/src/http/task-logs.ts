/**
 * Logs of a task for clients: a piece as JSON, or followed, as plain text or as events (libs/service/src/log-events.ts).
 *
 * Followed, a log ends when its task is over and all was sent. Text that breaks off instead was not all; events say why, and by the
 * id of the last one a client goes on.
 */
import { EkidenError } from '@ekiden/model';
import {
  EVENT_STREAM,
  EVENT_STREAM_HEADERS,
  lastEventId,
  LOG_HEARTBEAT,
  LOG_HEARTBEAT_MS,
  logFrame,
  MAX_LOG_STALL_MS,
  sendPaced,
  wholeCharacters,
} from '@ekiden/service';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { agentLog, readPiece, type LogRequest } from './agent-log.js';
import { sendJson } from './answer.js';
import { LOG_RESUME_MS, MAX_FOLLOWERS } from './bounds.js';
import { commonHeaders } from './common-headers.js';
import { followAgentLog, type Followed } from './follow-agent-log.js';
import type { Rim } from './rim.js';

let followers = 0;

export async function sendLog(rim: Rim, wanted: LogRequest, reply: FastifyReply): Promise<void> {
  const { bytes, offset, begin, end, keptUntil } = await readPiece(rim, wanted);
  const sent = bytes.subarray(0, wholeCharacters(bytes) || bytes.length);
  sendJson(reply, { data: sent.toString('utf8'), offset, nextOffset: offset + sent.length, size: end, begin, keptUntil });
}

export const wantsEvents = (request: FastifyRequest): boolean => request.headers.accept?.includes(EVENT_STREAM) === true;

/** From `Last-Event-ID` or the offset on. Throws as `readPiece` does, and `too-many-subscribers`. */
export async function followLog(rim: Rim, wanted: LogRequest, request: FastifyRequest, reply: FastifyReply): Promise<void> {
  if (followers >= MAX_FOLLOWERS) throw new EkidenError('too-many-subscribers', `${MAX_FOLLOWERS} logs are followed already, which is the limit`);
  followers += 1;
  const over = new AbortController();
  try {
    const asked = lastEventId(request.headers['last-event-id']) ?? wanted.offset;
    const offset = asked < 0 ? (await readPiece(rim, wanted)).offset : asked;
    const open = agentLog(rim, wanted);
    const first = await open(offset, over.signal);
    reply.hijack();
    reply.raw.once('close', () => over.abort());
    void send(rim, { open, first, offset, pause: (gone) => pause(rim, gone) }, wantsEvents(request), reply)
      .catch((error: unknown) => rim.log.info('log-broken-off', { taskId: wanted.taskId, why: error instanceof Error ? error.message : String(error) }))
      .finally(() => {
        over.abort();
        followers -= 1;
      });
  } catch (error) {
    followers -= 1;
    throw error;
  }
}

async function send(rim: Rim, followed: Followed, asEvents: boolean, reply: FastifyReply): Promise<void> {
  const type = asEvents ? EVENT_STREAM_HEADERS : { 'content-type': 'text/plain; charset=utf-8' };
  reply.raw.writeHead(200, { ...commonHeaders(rim), ...type });
  reply.raw.flushHeaders();
  const frames = async function* (gone: AbortSignal): AsyncGenerator<string | Buffer> {
    for await (const event of followAgentLog(followed, gone)) {
      if (asEvents) yield logFrame(event);
      else if (event.kind === 'log') yield event.bytes;
    }
  };
  await sendPaced(reply.raw, frames, { heartbeat: asEvents ? LOG_HEARTBEAT : null, heartbeatMs: LOG_HEARTBEAT_MS, stallMs: MAX_LOG_STALL_MS });
}

function pause(rim: Rim, gone: AbortSignal): Promise<void> {
  if (gone.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    const timer = rim.clock.after(LOG_RESUME_MS, resolve);
    gone.addEventListener('abort', () => {
      timer.cancel();
      resolve();
    });
  });
}
