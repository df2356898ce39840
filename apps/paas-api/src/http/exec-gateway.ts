/**
 * Commands in tasks for people: `…/exec` of an app or a task, upgraded to a WebSocket and handed on to the task's agent as bytes, so
 * that both ends feel each other's pace. The client learns no agent's address, the agent no client's token.
 *
 * It is a write, and judged as one before the upgrade; a page of another site gets none of the exceptions for reads. Each session is in
 * the log when it begins and when it ends; which program was run is in the agent's. A standby hands it on to the leader likewise.
 */
import { request as ask, type IncomingHttpHeaders, type IncomingMessage, type Server } from 'node:http';
import type { Duplex } from 'node:stream';
import { errorBody } from '@ekiden/marathon-api';
import { EkidenError } from '@ekiden/model';
import { judgeRequest, whoAsks } from '@ekiden/service';
import { MAX_EXEC_SESSIONS, MAX_REFUSAL_BYTES, UPSTREAM_TIMEOUT_MS } from './bounds.js';
import { execTarget } from './exec-target.js';
import { refusalCode } from './gate.js';
import { bearer } from './nodes.js';
import { isWebSocket, requestAgain } from './request-again.js';
import { pathOf } from './request-path.js';
import type { Rim } from './rim.js';
import { leaderFor, VIA } from './standby.js';

export interface ExecGateway {
  /** Ends all sessions at once. */
  close(): void;
}

/** Where it goes, and what it is called in the log. */
interface Route {
  readonly address: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly told: Readonly<Record<string, unknown>>;
  /** Told to the client when the upgrade succeeds. */
  readonly taskId: string | null;
}

const PASSED_HEADERS = ['sec-websocket-key', 'sec-websocket-version', 'sec-websocket-protocol'] as const;
const MAX_SHOWN = 120;

export function openExecGateway(server: Server, rim: Rim): ExecGateway {
  const sessions = new Set<Duplex>();
  server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    if (!isWebSocket(request)) return requestAgain(server, request, socket, head);
    socket.on('error', (error) => rim.log.debug('upgrade-broken', { why: error.message }));
    const by = whoAsks({ headers: request.headers, remoteAddress: request.socket.remoteAddress }, rim.policy);
    void serve(rim, request, socket, head, by, sessions).catch((error: unknown) => {
      const known = error instanceof EkidenError ? error : null;
      if (known === null) rim.log.error('request-failed', { method: 'GET', url: pathOf(request.url ?? '/'), error });
      const { status, body } = known === null ? { status: 500, body: { message: 'internal error: the log of paas-api has the cause' } } : errorBody(known);
      rim.log.info('exec-refused', { by, path: pathOf(request.url ?? '/').slice(0, MAX_SHOWN), status, why: String(body['message']) });
      refuse(socket, status, body);
    });
  });
  return {
    close: () => {
      for (const socket of sessions) socket.destroy();
    },
  };
}

async function serve(rim: Rim, request: IncomingMessage, socket: Duplex, head: Buffer, by: string, sessions: Set<Duplex>): Promise<void> {
  const { url = '/', headers } = request;
  const refusal = judgeRequest({ method: 'PUT', url, headers, remoteAddress: request.socket.remoteAddress }, rim.policy);
  if (refusal !== null) throw new EkidenError(refusalCode(refusal.status), refusal.message);
  if (sessions.size >= MAX_EXEC_SESSIONS)
    throw new EkidenError('too-many-subscribers', `${MAX_EXEC_SESSIONS} commands are being run in tasks already, which is the limit`);
  const route = rim.api.isLeading ? routeToAgent(rim, url, by) : await routeToLeader(rim, request);
  sessions.add(socket);
  socket.once('close', () => sessions.delete(socket));
  const upstream = await upgrade(route, headers, socket);
  const began = rim.clock.now();
  rim.log.info('exec-begins', { ...route.told, by });
  upstream.socket.once('close', () => rim.log.info('exec-ended', { ...route.told, by, ms: rim.clock.now() - began }));
  join(socket, head, upstream, route);
}

function routeToAgent(rim: Rim, url: string, by: string): Route {
  const target = execTarget(url, rim.api.view);
  if (target === null) throw new EkidenError('route-not-found', 'URI not found');
  const { appId, taskId, agentAddress } = target;
  return {
    address: agentAddress,
    path: `/ekiden/v1/tasks/${encodeURIComponent(taskId)}/exec`,
    headers: { ...bearer(rim.clusterToken), 'x-ekiden-for': by },
    told: { appId, taskId, agent: agentAddress },
    taskId,
  };
}

/** As the client asks, token included: the leader judges anew. */
async function routeToLeader(rim: Rim, { url = '/', headers }: IncomingMessage): Promise<Route> {
  const { address, via } = await leaderFor(rim, headers);
  const { authorization } = headers;
  return { address, path: url, headers: { ...(authorization === undefined ? {} : { authorization }), [VIA]: via }, told: { leader: address }, taskId: null };
}

interface Upstream {
  readonly socket: Duplex;
  readonly head: Buffer;
  readonly headers: IncomingHttpHeaders;
}

/** Throws `agent-unavailable`, or what the other end refuses. */
function upgrade(route: Route, headers: IncomingHttpHeaders, client: Duplex): Promise<Upstream> {
  return new Promise((resolve, reject) => {
    const passed = Object.fromEntries(PASSED_HEADERS.flatMap((name) => (headers[name] === undefined ? [] : [[name, headers[name]]])));
    const { hostname, port } = new URL(`http://${route.address}`);
    const asked = ask({
      host: hostname.replace(/^\[|\]$/g, ''),
      port,
      path: route.path,
      agent: false,
      headers: { ...passed, ...route.headers, host: route.address, connection: 'Upgrade', upgrade: 'websocket' },
    });
    const away = (why: string): void => reject(new EkidenError('agent-unavailable', `the agent at ${route.address} does not answer: ${why}`));
    const timer = setTimeout(() => asked.destroy(new Error(`nothing within ${UPSTREAM_TIMEOUT_MS} ms`)), UPSTREAM_TIMEOUT_MS);
    const abandoned = (): void => void asked.destroy(new Error('the client went away'));
    client.once('close', abandoned);
    asked.on('error', (error) => away(error.message));
    asked.on('close', () => {
      clearTimeout(timer);
      client.off('close', abandoned);
    });
    asked.on('upgrade', (response, socket, head) => {
      clearTimeout(timer);
      client.off('close', abandoned);
      resolve({ socket, head, headers: response.headers });
    });
    asked.on('response', (response) => void readRefusal(response).then((message) => reject(refusalOf(response.statusCode ?? 0, message, route)), reject));
    asked.end();
  });
}

async function readRefusal(response: IncomingMessage): Promise<string> {
  let text = '';
  for await (const chunk of response) if (text.length < MAX_REFUSAL_BYTES) text += String(chunk);
  try {
    const body: unknown = JSON.parse(text);
    return typeof body === 'object' && body !== null && 'message' in body ? String(body.message) : '';
  } catch {
    return '';
  }
}

function refusalOf(status: number, message: string, { address, taskId }: Route): EkidenError {
  const why = message === '' ? `it answered ${status}` : message;
  if (status === 400) return new EkidenError('bad-request', why);
  // A leader that refuses has the last word on who asks; an agent's 401 is between it and us.
  if (taskId === null && status === 401) return new EkidenError('unauthorized', why);
  if (status === 404 && taskId === null) return new EkidenError('task-not-found', why);
  if (status === 404 || status === 409) return new EkidenError('task-not-running', why);
  if (status === 503) return new EkidenError('too-many-subscribers', why);
  return new EkidenError('agent-unavailable', `${address} refuses: ${why}`);
}

function join(client: Duplex, head: Buffer, { socket, head: first, headers }: Upstream, { taskId }: Route): void {
  const answer = [
    'HTTP/1.1 101 Switching Protocols',
    'Upgrade: websocket',
    'Connection: Upgrade',
    `Sec-WebSocket-Accept: ${headers['sec-websocket-accept'] ?? ''}`,
    ...(headers['sec-websocket-protocol'] === undefined ? [] : [`Sec-WebSocket-Protocol: ${headers['sec-websocket-protocol']}`]),
    `X-Ekiden-Task: ${taskId ?? String(headers['x-ekiden-task'] ?? '')}`,
  ];
  socket.on('error', () => undefined); // its close follows
  client.once('close', () => socket.destroy());
  socket.once('close', () => client.destroy());
  client.write(`${answer.join('\r\n')}\r\n\r\n`);
  if (first.length > 0) client.write(first);
  if (head.length > 0) socket.write(head);
  if (client.destroyed) return void socket.destroy();
  client.pipe(socket);
  socket.pipe(client);
}

function refuse(socket: Duplex, status: number, body: unknown): void {
  const text = JSON.stringify(body);
  const lines = [`HTTP/1.1 ${status} Refused`, 'Connection: close', 'Content-Type: application/json', `Content-Length: ${Buffer.byteLength(text)}`];
  // A connection that was taken out of the server is bounded by nobody: whoever is refused may not keep it half open.
  socket.once('finish', () => socket.destroy());
  socket.end(`${lines.join('\r\n')}\r\n\r\n${text}`);
}
