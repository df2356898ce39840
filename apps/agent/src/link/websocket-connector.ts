/**
 * Connects to the leading master by WebSocket; the join token is in the Authorization header.
 *
 * Several masters may be given: each attempt goes to the next one, unless a master that does not lead names the leader
 * (307 and Location), which is followed at once. A token is sent only to hosts that the operator has listed or that a
 * listed one has named. Callbacks never come before `connect` has returned.
 */
import type { Socket } from 'node:net';
import { AGENT_LINK_PATH, MAX_LINK_MESSAGE_BYTES, type AgentMessage } from '@ekiden/agent-link';
import { WebSocket } from 'ws';
import type { LinkSink, MasterConnector } from '../agent-ports.js';
import { parseMasterMessage } from './parse-master-message.js';

export const CONNECT_TIMEOUT_MS = 5_000;
/** From one master to another that says it is not the leader either, and so on. */
export const MAX_REDIRECTS = 3;
/** Unsent bytes after which the link is given up: the master does not read. */
export const MAX_UNSENT_BYTES = 64 * 1024 * 1024;

export interface MasterAddresses {
  /** `http://host:port`, at least one. */
  readonly masters: readonly string[];
  readonly token: string | null;
}

export function webSocketConnector({ masters, token }: MasterAddresses): MasterConnector {
  let turn = 0;
  return {
    connect: (sink) => {
      const first = masters[turn++ % masters.length] ?? '';
      const connection = new Connection(sink, token);
      connection.open(first, 0);
      return { send: (message) => connection.send(message), close: (why) => connection.close(why) };
    },
  };
}

class Connection {
  private socket: WebSocket | null = null;
  /** Below the WebSocket, once that is open. */
  private wire: Socket | null = null;
  private isGathering = false;
  private isOver = false;

  constructor(
    private readonly sink: LinkSink,
    private readonly token: string | null,
  ) {}

  /** An address that makes no sense, listed or named by a master, is an attempt that failed. */
  open(master: string, redirects: number): void {
    try {
      this.dial(new URL(AGENT_LINK_PATH, master.replace(/^http/, 'ws')), redirects);
    } catch (error) {
      queueMicrotask(() => this.end(`"${master}" is no address of a master: ${error instanceof Error ? error.message : String(error)}`));
    }
  }

  private dial(url: URL, redirects: number): void {
    const socket = new WebSocket(url, {
      headers: this.token === null ? {} : { authorization: `Bearer ${this.token}` },
      handshakeTimeout: CONNECT_TIMEOUT_MS,
      maxPayload: MAX_LINK_MESSAGE_BYTES,
      perMessageDeflate: false,
    });
    this.socket = socket;
    socket.on('upgrade', (response) => (this.wire = response.socket));
    socket.on('open', () => this.sink.opened());
    socket.on('message', (frame: Buffer) => this.heard(frame.toString('utf8')));
    socket.on('close', (code, reason) => this.end(`closed with ${code} ${reason.toString()}`.trim()));
    socket.on('error', (error) => this.end(`${url.host}: ${error.message}`));
    socket.on('unexpected-response', (request, response) => {
      const location = response.headers.location;
      response.resume();
      request.destroy();
      if (response.statusCode === 307 && location && redirects < MAX_REDIRECTS) {
        socket.removeAllListeners('close');
        // Without a scheme, as masters write it, it is ours.
        this.open(location.startsWith('//') ? `${url.protocol}${location}` : location, redirects + 1);
      } else {
        this.end(`${url.host} answered ${response.statusCode ?? 'nothing'}${response.statusCode === 401 ? ': check --token-file' : ''}`);
      }
    });
  }

  send(message: AgentMessage): void {
    const { socket } = this;
    if (this.isOver || socket?.readyState !== WebSocket.OPEN) return; // whatever is lost is sent again over the next link
    if (socket.bufferedAmount > MAX_UNSENT_BYTES) this.end(`the master has not read ${MAX_UNSENT_BYTES} bytes`);
    else this.gather(() => socket.send(JSON.stringify(message)));
  }

  /** What is sent in one turn of the event loop leaves in one write: the statuses of a burst of launches. */
  private gather(send: () => void): void {
    const { wire } = this;
    if (wire !== null && !this.isGathering) {
      this.isGathering = true;
      wire.cork();
      setImmediate(() => {
        this.isGathering = false;
        wire.uncork();
      });
    }
    send();
  }

  close(why: string): void {
    this.isOver = true;
    this.socket?.on('error', () => undefined); // closing a socket that is still connecting reports an error
    this.socket?.close(1000, why.slice(0, 100));
    if (this.socket?.readyState === WebSocket.CONNECTING) this.socket.terminate();
  }

  private heard(text: string): void {
    if (this.isOver) return;
    const message = parseMasterMessage(text);
    if (message.kind === 'message') this.sink.message(message.message);
    else this.end(`the master sent what this agent cannot read: ${message.why}`);
  }

  private end(why: string): void {
    if (this.isOver) return;
    this.close(why);
    this.sink.closed(why);
  }
}
