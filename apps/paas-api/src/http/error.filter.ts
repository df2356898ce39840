/** The one place where an error becomes an answer: through the table of `libs/marathon-api`. Bugs are logged and say nothing. */
import type { IncomingMessage } from 'node:http';
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
    if (status === 413) void bodyDropped(request.raw).then(() => sendJson(reply, body, status));
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

/** A client that is still sending would see a reset connection instead of the answer: what it sends is read and dropped for a while. */
function bodyDropped(request: IncomingMessage): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, MAX_DROP_MS);
    const done = (): void => {
      clearTimeout(timer);
      resolve();
    };
    request.once('end', done).once('close', done).resume();
  });
}

function statusOf(error: unknown): number | null {
  if (error instanceof HttpException) return error.getStatus();
  if (typeof error === 'object' && error !== null && 'statusCode' in error && typeof error.statusCode === 'number') return error.statusCode;
  return null;
}
