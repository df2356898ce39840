/**
 * What a process answers that does not lead: its own `/ping`, and everything else as the leader answers it (Marathon: 1.2).
 *
 * `/v2/events` is redirected, since a stream through us would end with us. Without a known leader: 503, and clients try again.
 */
import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import { request as send } from 'undici';
import { EkidenError } from '@ekiden/model';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { sendText } from './answer.js';
import { UPSTREAM_TIMEOUT_MS } from './bounds.js';
import { pathOf } from './request-path.js';
import type { Rim } from './rim.js';

export const VIA = 'x-marathon-via';
/** Of the connection, not of the message: never passed on. Origin and Host were judged here. */
const HOP_HEADERS = new Set(['connection', 'keep-alive', 'proxy-authorization', 'te', 'trailer', 'transfer-encoding', 'upgrade', 'host', 'origin', 'expect']);

const FOLLOWED = /^\/ekiden\/v1\/tasks\/[^/]+\/logs\/[^/]+$/;

/** Answers in the leader's stead. Throws `stale-leader` when nobody is known to lead. */
export async function answerAsStandby(rim: Rim, request: FastifyRequest, reply: FastifyReply): Promise<void> {
  const url = request.raw.url ?? '/';
  const own = `1.1 ${rim.config.address}`;
  const via = request.headers[VIA];
  if (typeof via === 'string' && via.includes(own)) return sendText(reply, '{"message":"the request came back to where it was forwarded from"}', 502);
  const leader = await rim.leader();
  if (leader === null || leader.address === rim.config.address) {
    if (pathOf(url) === '/v2/leader') throw new EkidenError('no-leader', 'There is no leader');
    void reply.header('retry-after', '1');
    throw new EkidenError('stale-leader', 'this process does not lead, and no leader is known yet: try again in a second');
  }
  void reply.header('x-marathon-leader', `http://${leader.address}`);
  if (pathOf(url).startsWith('/v2/events')) {
    void reply.code(302).header('location', `http://${leader.address}${url}`).send();
    return;
  }
  await forward(request.raw, leader.address, own, request.ip, reply);
}

/** Where an upgrade is handed on to. Throws `stale-leader` when nobody is known to lead. */
export async function leaderFor(rim: Rim, headers: IncomingHttpHeaders): Promise<{ readonly address: string; readonly via: string }> {
  const leader = await rim.leader();
  if (leader === null || leader.address === rim.config.address || headers[VIA] !== undefined)
    throw new EkidenError('stale-leader', 'this process does not lead, and no leader is known yet: try again in a second');
  return { address: leader.address, via: `1.1 ${rim.config.address}` };
}

async function forward(incoming: IncomingMessage, leader: string, own: string, clientIp: string, reply: FastifyReply): Promise<void> {
  const headers = Object.fromEntries(Object.entries(incoming.headers).filter(([name]) => !HOP_HEADERS.has(name)));
  const hasBody = incoming.headers['transfer-encoding'] !== undefined || Number(incoming.headers['content-length'] ?? 0) > 0;
  let answer;
  try {
    answer = await send(`http://${leader}${incoming.url ?? '/'}`, {
      method: methodOf(incoming.method),
      headers: { ...headers, [VIA]: own, 'x-forwarded-for': clientIp },
      ...(hasBody ? { body: incoming } : {}),
      headersTimeout: UPSTREAM_TIMEOUT_MS,
      // A log that is followed may be quiet for long.
      bodyTimeout: FOLLOWED.test(pathOf(incoming.url ?? '/')) ? 0 : UPSTREAM_TIMEOUT_MS,
    });
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    return sendText(reply, JSON.stringify({ message: `the leader at ${leader} does not answer: ${why}` }), 502);
  }
  for (const [name, value] of Object.entries(answer.headers)) {
    if (value !== undefined && !HOP_HEADERS.has(name)) void reply.header(name, value);
  }
  void reply.code(answer.statusCode).header(VIA, own).send(answer.body);
}

const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'] as const;
const methodOf = (method: string | undefined): (typeof METHODS)[number] => METHODS.find((known) => known === method) ?? 'GET';
