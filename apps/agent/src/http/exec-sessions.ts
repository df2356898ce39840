/**
 * Commands in tasks of this agent, for whoever may ask: `GET /ekiden/v1/tasks/{taskId}/exec`, upgraded to a WebSocket.
 *
 * Judged as a write by the same policy as every request, before the upgrade, with an HTTP answer where it is refused. Each session is
 * in the log when it begins and when it ends: who, which task, which program with how many arguments (not these: they may be secret).
 * The API says for whom it asks in `x-ekiden-for`.
 */
import type { IncomingMessage, Server } from 'node:http';
import type { Duplex } from 'node:stream';
import { taskId, type Log, type TaskId } from '@ekiden/model';
import type { TaskRuntime } from '@ekiden/isolation';
import { judgeRequest, type RequestPolicy } from '@ekiden/service';
import { WebSocketServer } from 'ws';
import type { Entrance } from '../tasks/enter-task.js';
import { EXEC_PROTOCOL, MAX_MESSAGE_BYTES, type StartMessage } from './exec-messages.js';
import { serveExecSession } from './exec-session.js';

/** Sessions at once on one agent. */
export const MAX_EXEC_SESSIONS = 64;
const PATH = /^\/ekiden\/v1\/tasks\/([^/?]+)\/exec(?:\?.*)?$/;
const MAX_SHOWN = 120;

export interface ExecPorts {
  readonly policy: RequestPolicy;
  readonly log: Log;
  readonly runtime: Pick<TaskRuntime, 'exec'>;
  entrance(taskId: TaskId): Entrance;
}

export interface ExecSessions {
  /** Cuts all of them; their commands are ended by the runtime. */
  close(): void;
}

type Judged =
  | { readonly kind: 'admitted'; readonly taskId: TaskId; readonly entrance: Extract<Entrance, { kind: 'open' }> }
  | { readonly kind: 'refused'; readonly status: number; readonly message: string };

export function openExecSessions(server: Server, ports: ExecPorts): ExecSessions {
  const { log } = ports;
  const sockets = new WebSocketServer({
    noServer: true,
    maxPayload: MAX_MESSAGE_BYTES,
    perMessageDeflate: false,
    handleProtocols: () => EXEC_PROTOCOL,
  });
  let sessions = 0;
  server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    socket.on('error', (error) => log.debug('upgrade-broken', { why: error.message }));
    const by = whoAsks(request);
    const judged = judge(request, sockets.clients.size, ports);
    if (judged.kind === 'refused') {
      log.info('exec-refused', { by, path: pathOf(request), status: judged.status, why: judged.message });
      return refuse(socket, judged.status, judged.message);
    }
    sessions += 1;
    const session = sessions;
    sockets.handleUpgrade(request, socket, head, (opened) => {
      const began = performance.now();
      const told = { session, taskId: judged.taskId, by };
      serveExecSession(opened, {
        exec: (command) => execIn(ports, judged, command),
        taskRuns: () => ports.entrance(judged.taskId).kind === 'open',
        begun: (start) => log.info('exec-begins', { ...told, ...shownCommand(start) }),
        over: (end) => log.info('exec-ended', { ...told, ...end, ms: Math.round(performance.now() - began) }),
      });
    });
  });
  return {
    close: () => {
      for (const socket of sockets.clients) socket.terminate();
      sockets.close();
    },
  };
}

async function execIn({ runtime }: ExecPorts, { entrance }: Extract<Judged, { kind: 'admitted' }>, command: Parameters<typeof entrance.specOf>[0]) {
  if (runtime.exec === undefined) throw new Error('the runtime of this agent runs no commands in tasks');
  return await runtime.exec(entrance.specOf(command));
}

function judge(request: IncomingMessage, open: number, ports: ExecPorts): Judged {
  const refused = (status: number, message: string): Judged => ({ kind: 'refused', status, message });
  const { url = '/', headers, socket } = request;
  // An upgrade has to be a GET, but what it does is a write: a page in a browser gets none of the exceptions for reads.
  const refusal = judgeRequest({ method: 'PUT', url, headers, remoteAddress: socket.remoteAddress }, ports.policy);
  if (refusal !== null) return refused(refusal.status, refusal.message);
  const raw = PATH.exec(url)?.[1];
  if (raw === undefined) return refused(404, 'a WebSocket is served at /ekiden/v1/tasks/{taskId}/exec alone');
  const offered = headers['sec-websocket-protocol'] ?? '';
  if (!offered.split(',').some((each) => each.trim() === EXEC_PROTOCOL))
    return refused(400, `Sec-WebSocket-Protocol is "${offered.slice(0, MAX_SHOWN)}", but has to offer ${EXEC_PROTOCOL}`);
  const id = idOf(raw);
  if (id === null) return refused(400, `"${raw.slice(0, MAX_SHOWN)}" is no id of a task`);
  const entrance = ports.entrance(id);
  if (entrance.kind === 'unknown') return refused(404, `this agent has no task '${id}'`);
  if (entrance.kind === 'not-running') return refused(409, `the task '${id}' does not run: it is ${entrance.stage}`);
  if (open >= MAX_EXEC_SESSIONS) return refused(503, `${MAX_EXEC_SESSIONS} commands are being run in tasks of this agent, which is the limit`);
  return { kind: 'admitted', taskId: id, entrance };
}

/** Without a query, which may hold what belongs into no log. */
const pathOf = ({ url = '/' }: IncomingMessage): string => (url.split('?')[0] ?? '').slice(0, MAX_SHOWN);

function idOf(raw: string): TaskId | null {
  try {
    return taskId(decodeURIComponent(raw));
  } catch {
    return null; // a stray % sign, or no id
  }
}

/** Says who is asking: for the log alone. */
function whoAsks({ headers, socket }: IncomingMessage): string {
  const told = headers['x-ekiden-for'];
  const printable = typeof told === 'string' ? told.replaceAll(/[^\x20-\x7e]/g, '?').slice(0, MAX_SHOWN) : '';
  return printable === '' ? (socket.remoteAddress ?? 'nobody') : `${printable}, by ${socket.remoteAddress ?? 'nobody'}`;
}

function shownCommand({ argv, terminal }: StartMessage): Readonly<Record<string, unknown>> {
  const program = (argv[0] ?? '').replaceAll(/[^\x20-\x7e]/g, '?').slice(-MAX_SHOWN);
  return { program, words: argv.length, bytes: argv.reduce((sum, word) => sum + Buffer.byteLength(word), 0), terminal: terminal !== null };
}

function refuse(socket: Duplex, status: number, message: string): void {
  const body = JSON.stringify({ message });
  const lines = [`HTTP/1.1 ${status} Refused`, 'Connection: close', 'Content-Type: application/json', `Content-Length: ${Buffer.byteLength(body)}`];
  // A connection that was taken out of the server is bounded by nobody: whoever is refused may not keep it half open.
  socket.once('finish', () => socket.destroy());
  socket.end(`${lines.join('\r\n')}\r\n\r\n${body}`);
}
