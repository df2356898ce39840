/** The one place where an error becomes an answer: through the table of `libs/marathon-api`. Bugs are logged and say nothing. */
import type { IncomingMessage } from 'node:http';
import { Readable } from 'node:stream';
import { finished } from 'node:stream/promises';
import { Catch, HttpException, type ArgumentsHost, type ExceptionFilter } from '@nestjs/common';
import { errorBody } from '@ekiden/marathon-api';
import { EkidenError, type Log } from '@ekiden/model';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { sendJson } from './answer.js';
import { isKnownPath } from './known-paths.js';
import { MAX_BODY_BYTES, MAX_DROP_MS } from './bounds.js';

@Catch()
export class ErrorFilter implements ExceptionFilter {
  constructor(private readonly log: Log) {}

  catch(error: unknown, host: ArgumentsHost): void {
    const http = host.switchToHttp();
    const request = http.getRequest<FastifyRequest>();
    const reply = http.getResponse<FastifyReply>();
    if (reply.sent) return;
    const known = asEkidenError(error, request.raw.url ?? '/');
    if (known === null) {
      this.log.error('request-failed', { method: request.method, url: request.raw.url ?? '', error });
      sendJson(reply, { message: 'internal error: the log of paas-api has the cause' }, 500);
      return;
    }
    const { status, body } = errorBody(known);
    if (status === 401) void reply.header('www-authenticate', 'Bearer');
    if (status === 413) sendUnderWay(reply, request.raw, Buffer.from(JSON.stringify(body)));
    else sendJson(reply, body, status);
  }
}

function asEkidenError(error: unknown, url: string): EkidenError | null {
  if (error instanceof EkidenError) return error;
  switch (statusOf(error)) {
    case 404:
      return isKnownPath(url) ? new EkidenError('method-not-allowed', 'Method Not Allowed') : new EkidenError('route-not-found', 'URI not found');
    case 405:
      return new EkidenError('method-not-allowed', 'Method Not Allowed');
    case 413:
      return new EkidenError('body-too-large', `the body is larger than ${MAX_BODY_BYTES} bytes: send less at once, and fetch large files`);
    case 415:
      return new EkidenError('unsupported-media-type', 'Unsupported Media Type');
    case 400:
      return new EkidenError('bad-request', error instanceof Error ? error.message : 'Bad Request');
    case null:
    default:
      return null;
  }
}

/**
 * Answers a client that is still sending. The answer leaves at once, whole by its length; the connection ends when the client has had
 * time to read it: one that ends over unread bytes is reset by the kernel, and the answer is lost with it.
 */
function sendUnderWay(reply: FastifyReply, request: IncomingMessage, answer: Buffer): void {
  const headers = { 'content-type': 'application/json', 'content-length': answer.length, connection: 'close' };
  void reply
    .code(413)
    .headers(headers)
    .send(Readable.from(withRestDropped(answer, request)));
}

async function* withRestDropped(answer: Buffer, request: IncomingMessage): AsyncGenerator<Buffer> {
  yield answer;
  request.resume();
  // However it ends (all read, cut off, too long), the answer has left.
  await finished(request, { signal: AbortSignal.timeout(MAX_DROP_MS) }).catch(() => null);
}

function statusOf(error: unknown): number | null {
  if (error instanceof HttpException) return error.getStatus();
  if (typeof error === 'object' && error !== null && 'statusCode' in error && typeof error.statusCode === 'number') return error.statusCode;
  return null;
}
