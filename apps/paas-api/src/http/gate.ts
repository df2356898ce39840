/**
 * What happens to a request before any route: common headers, who may come in, and who leads.
 *
 * These are hooks of Fastify and not guards of Nest, because a refused request's body is not to be read.
 */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { pingAnswer } from '@ekiden/marathon-api';
import { EkidenError, type ErrorCode } from '@ekiden/model';
import { judgeRequest } from '@ekiden/service';
import type { Counter } from 'prom-client';
import { takesJson } from './accept.js';
import { commonHeaders } from './common-headers.js';
import { isJsonOnly } from './known-paths.js';
import { pathOf } from './request-path.js';
import type { Rim } from './rim.js';
import { answerAsStandby } from './standby.js';

const REFUSALS: Readonly<Record<401 | 403 | 415, ErrorCode>> = { 401: 'unauthorized', 403: 'forbidden-host', 415: 'unsupported-media-type' };

export const refusalCode = (status: 401 | 403 | 415): ErrorCode => REFUSALS[status];

export function registerGate(server: FastifyInstance, rim: Rim, seen: Counter<'status'>): void {
  server.addHook('onRequest', async (request, reply) => {
    void reply.headers(commonHeaders(rim));
    const refusal = judgeRequest(
      { method: request.method, url: request.raw.url ?? '/', headers: request.headers, remoteAddress: request.socket.remoteAddress },
      rim.policy,
    );
    if (refusal !== null) throw new EkidenError(refusalCode(refusal.status), refusal.message);
    const path = pathOf(request.raw.url ?? '/');
    if (path === '/ping' && (request.method === 'GET' || request.method === 'HEAD')) return answerPing(request, reply);
    if (!rim.api.isLeading && !isLocal(path)) {
      await answerAsStandby(rim, request, reply);
      return reply; // It may still be on its way (`reply.sent` is false then): no route may answer beside it.
    }
    if (!takesJson(request.headers.accept) && isJsonOnly(path)) throw new EkidenError('not-acceptable', 'Not Acceptable');
    return undefined;
  });
  server.addHook('onResponse', async (_request, reply) => {
    seen.inc({ status: String(reply.statusCode) });
  });
}

/** What is about this process, and not about the cluster. */
const isLocal = (path: string): boolean => path.startsWith('/metrics') || path === '/docs' || path.startsWith('/docs/') || path.startsWith('/docs-');

function answerPing(request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const answer = pingAnswer(request.headers.accept ?? null);
  if (answer.contentType !== null) void reply.header('content-type', answer.contentType);
  return reply.code(answer.status).send(answer.body);
}
