/**
 * What happens to a request before any route: who may come in, and who leads.
 *
 * Hooks of Fastify and not guards of Nest, because a refused request's body is not to be read. A master that does not lead
 * sends everybody to the one that does, with a scheme-less Location as Mesos writes it (reference: 1.3).
 */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { judgeRequest } from '@ekiden/service';
import type { Rim } from './rim.js';

/** About this process, not about the cluster: answered by every master. */
export const OPEN_PATHS: readonly string[] = ['/health', '/version', '/redirect', '/metrics/snapshot', '/metrics/prometheus'];

export function registerGate(server: FastifyInstance, rim: Rim): void {
  server.addHook('onRequest', async (request, reply) => {
    const { method, url = '/', headers, socket } = request.raw;
    const path = pathOf(url);
    const refusal = judgeRequest({ method: method ?? 'GET', url, headers, remoteAddress: socket.remoteAddress }, rim.policy);
    if (refusal !== null && refusal.status !== 415) return sendText(reply, refusal.status, refusal.message);
    if (OPEN_PATHS.includes(path)) return;
    if (!rim.master.isLeading) return sendAway(rim, request, reply);
    if (!path.startsWith('/api/v1')) return refusal === null ? undefined : sendText(reply, 415, refusal.message);
    if (method !== 'POST') return sendText(reply.header('allow', 'POST'), 405, `Expecting POST, received ${method}`);
    if (headers['content-type'] === undefined) return sendText(reply, 400, "Expecting 'Content-Type' to be present");
    if (refusal !== null) return sendText(reply, 415, "Expecting 'Content-Type' of application/json");
  });
}

/** One sentence as plain text: the form of all Mesos errors. */
export function sendText(reply: FastifyReply, status: number, text: string): FastifyReply {
  return reply.code(status).header('content-type', 'text/plain; charset=utf-8').send(text);
}

export async function sendAway(rim: Rim, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const leader = await rim.leader();
  if (leader === null || isOwn(rim, leader)) return sendText(reply.header('retry-after', '1'), 503, 'No leader elected');
  return reply
    .code(307)
    .header('location', `//${leader}${request.raw.url ?? '/'}`)
    .send();
}

export const isOwn = (rim: Rim, address: string): boolean => address === `${rim.config.hostname}:${rim.config.port}`;

export const pathOf = (url: string): string => url.split('?')[0] ?? '/';
