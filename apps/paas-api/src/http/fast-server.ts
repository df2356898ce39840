/**
 * The HTTP server under Fastify, with one short cut: a read whose answer is kept as bytes is answered before any framework.
 *
 * The same door as for everybody (`judgeRequest`), the same headers; what it saves is routing, hooks and reply objects, which
 * cost several times as much as the answer.
 */
import { createServer, type IncomingMessage, type RequestListener, type Server, type ServerResponse } from 'node:http';
import type { Counter } from 'prom-client';
import { judgeRequest } from '@ekiden/service';
import { takesJson } from './accept.js';
import type { AppReads } from './app-reads.js';
import { commonHeaders } from './common-headers.js';
import type { Rim } from './rim.js';

export function fastServer(rim: Rim, reads: AppReads, seen: Counter<'status'>, behind: RequestListener): Server {
  // Made at the first answer: by then the port is known, which may have been asked for as 0.
  let headers: Readonly<Record<string, string>> | null = null;
  const answered = seen.labels({ status: '200' });
  const answer = (request: IncomingMessage, response: ServerResponse): boolean => {
    if (request.method !== 'GET' || !rim.api.isLeading || !takesJson(request.headers.accept)) return false;
    const url = request.url ?? '/';
    const bytes = reads.answerTo(url);
    if (bytes === null) return false;
    if (judgeRequest({ method: 'GET', url, headers: request.headers, remoteAddress: request.socket.remoteAddress }, rim.policy) !== null) return false;
    headers ??= { ...commonHeaders(rim, true), 'content-type': 'application/json' };
    response.writeHead(200, { ...headers, 'content-length': bytes.length });
    response.end(bytes);
    answered.inc();
    return true;
  };
  return createServer((request, response) => {
    if (!answer(request, response)) behind(request, response);
  });
}
