/**
 * Where agents connect: one WebSocket each, judged like any request before it is opened.
 *
 * On the server's `upgrade` and not as a Nest gateway: frames are the protocol's own JSON, and a refusal has to be an HTTP
 * answer (401, 307 to the leader, 503) that the agent understands.
 */
import type { IncomingMessage, Server } from 'node:http';
import type { Duplex } from 'node:stream';
import { AGENT_LINK_PATH, MAX_LINK_MESSAGE_BYTES } from '@ekiden/agent-link';
import { judgeRequest } from '@ekiden/service';
import { WebSocketServer, type WebSocket } from 'ws';
import { isOwn, pathOf } from './gate.js';
import { parseAgentMessage } from './parse-agent-message.js';
import { MAX_AGENT_LINKS, MAX_UNSENT_BYTES, type Rim } from './rim.js';

export interface AgentGateway {
  /** Ends all links at once. */
  close(): void;
}

export function openAgentGateway(server: Server, rim: Rim): AgentGateway {
  const sockets = new WebSocketServer({ noServer: true, maxPayload: MAX_LINK_MESSAGE_BYTES, perMessageDeflate: false });
  server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    socket.on('error', (error) => rim.log.debug('upgrade-broken', { error }));
    void judge(rim, request, sockets.clients.size).then((refusal) => {
      if (refusal !== null) return refuse(socket, refusal);
      sockets.handleUpgrade(request, socket, head, (opened) => serve(rim, opened, socket));
    });
  });
  return {
    close: () => {
      for (const socket of sockets.clients) socket.terminate();
      sockets.close();
    },
  };
}

interface Refusal {
  readonly status: number;
  readonly text: string;
  readonly location?: string;
}

async function judge(rim: Rim, request: IncomingMessage, open: number): Promise<Refusal | null> {
  const { method = 'GET', url = '/', headers, socket } = request;
  const refusal = judgeRequest({ method, url, headers, remoteAddress: socket.remoteAddress }, rim.policy);
  if (refusal !== null) return { status: refusal.status, text: refusal.message };
  if (pathOf(url) !== AGENT_LINK_PATH) return { status: 404, text: `agents connect to ${AGENT_LINK_PATH}` };
  if (open >= MAX_AGENT_LINKS) return { status: 503, text: `${MAX_AGENT_LINKS} agents are connected, which is the limit` };
  if (rim.master.isLeading) return null;
  const leader = await rim.leader();
  if (leader === null || isOwn(rim, leader)) return { status: 503, text: 'No leader elected' };
  return { status: 307, text: '', location: `//${leader}${url}` };
}

function refuse(socket: Duplex, { status, text, location }: Refusal): void {
  const lines = [
    `HTTP/1.1 ${status} Refused`,
    'Connection: close',
    'Content-Type: text/plain; charset=utf-8',
    `Content-Length: ${Buffer.byteLength(text)}`,
    ...(location === undefined ? [] : [`Location: ${location}`]),
  ];
  // A connection that was taken out of the server is bounded by nobody: whoever is refused may not keep it half open.
  socket.once('finish', () => socket.destroy());
  socket.end(`${lines.join('\r\n')}\r\n\r\n${text}`);
}

function serve(rim: Rim, socket: WebSocket, wire: Duplex): void {
  let isGathering = false;
  /** What one call says to an agent is one write: a batch of launches, kills or acknowledgements. */
  const gather = (): void => {
    if (isGathering) return;
    isGathering = true;
    wire.cork();
    process.nextTick(() => {
      isGathering = false;
      wire.uncork();
    });
  };
  const end = (why: string): void => {
    rim.log.warn('agent-link-cut', { why });
    socket.terminate();
  };
  const handle = rim.master.agentConnected({
    send: (message) => {
      if (socket.readyState !== socket.OPEN) return;
      if (socket.bufferedAmount > MAX_UNSENT_BYTES) end(`the agent has not read ${MAX_UNSENT_BYTES} bytes`);
      else {
        gather();
        socket.send(JSON.stringify(message));
      }
    },
    close: (why) => socket.close(1000, why.slice(0, 100)),
  });
  socket.on('message', (frame: Buffer) => {
    const parsed = parseAgentMessage(frame.toString('utf8'));
    if (parsed.kind === 'message') handle.message(parsed.message);
    else end(`the agent sent what this master cannot read: ${parsed.why}`);
  });
  socket.on('error', (error) => rim.log.debug('agent-link-broken', { error }));
  socket.on('close', () => handle.closed());
}
