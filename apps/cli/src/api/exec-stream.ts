/**
 * A command in a task, over the API's WebSocket `ekiden.exec.v1`: bytes of its streams as binary messages with the stream's number in
 * front, all else as JSON. Each side acknowledges what it has put where it belongs, and has at most a window of bytes under way.
 */
import { WebSocket } from 'ws';
import { z } from 'zod';
import { CliError, messageOf } from '../cli-error.js';
import { refusal, type HttpTarget } from './http.js';

/** What `ekiden exec` ends with when the command could not be run or was lost sight of, as with Docker. */
export const EXIT_NOT_RUN = 125;
const PROTOCOL = 'ekiden.exec.v1';
const CONNECT_TIMEOUT_MS = 20_000;
/** The agent pings every 20 s. */
const SILENCE_MS = 65_000;
const MAX_REFUSAL_BYTES = 64 * 1024;
const INPUT = 0;
const ERRORS = 2;

export interface TerminalSize {
  readonly columns: number;
  readonly rows: number;
}

/** This side of it. */
export interface LocalEnd {
  readonly argv: readonly string[];
  /** Null: it gets none. */
  readonly input: NodeJS.ReadableStream | null;
  readonly output: NodeJS.WritableStream;
  readonly errors: NodeJS.WritableStream;
  readonly terminal: ({ readonly type: string } & TerminalSize) | null;
  /** It runs: until now a refusal is shown as text. */
  readonly started: () => void;
  /** Called with whom to tell about new sizes. */
  readonly onResize: (tell: (size: TerminalSize) => void) => void;
}

export interface RemoteEnd {
  readonly code: number | null;
  readonly signal: string | null;
  readonly reason: string | null;
}

const Message = z.discriminatedUnion('type', [
  z.looseObject({ type: z.literal('started'), window: z.number() }),
  z.looseObject({ type: z.literal('refused'), message: z.string() }),
  z.looseObject({ type: z.literal('ack'), bytes: z.number() }),
  z.looseObject({ type: z.literal('exit'), code: z.number().nullable(), signal: z.string().nullable(), reason: z.string().nullable() }),
]);

/** Resolves with how it ended, when all that it has printed is written. Rejects when it was not run, or the connection was lost. */
export async function runInTask(target: HttpTarget, path: string, local: LocalEnd): Promise<RemoteEnd> {
  const socket = new WebSocket(target.url.replace(/^http/, 'ws') + path, PROTOCOL, {
    headers: target.token === null ? {} : { authorization: `Bearer ${target.token}` },
    handshakeTimeout: CONNECT_TIMEOUT_MS,
    perMessageDeflate: false,
  });
  try {
    await opened(socket, target);
    return await converse(socket, local);
  } finally {
    socket.terminate();
  }
}

function opened(socket: WebSocket, target: HttpTarget): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.once('open', resolve);
    socket.on('error', (error) =>
      reject(
        new CliError(`no answer from ${target.url} (${messageOf(error)})`, 'is Ekiden running? another address goes into --api or EKIDEN_API', EXIT_NOT_RUN),
      ),
    );
    socket.on('unexpected-response', (_request, response) => {
      let text = '';
      response.on('data', (chunk: Buffer) => {
        if (text.length < MAX_REFUSAL_BYTES) text += chunk.toString();
      });
      response.on('close', () => {
        const { message, hint } = refusal(response.statusCode ?? 0, parsed(text));
        reject(new CliError(message, hint, EXIT_NOT_RUN));
      });
    });
  });
}

function converse(socket: WebSocket, local: LocalEnd): Promise<RemoteEnd> {
  return new Promise((resolve, reject) => {
    const lost = (why: string): void => reject(new CliError(`lost sight of the command: ${why}`, 'it has been ended', EXIT_NOT_RUN));
    const say = (message: unknown): void => socket.send(JSON.stringify(message), () => undefined);
    let window = 0;
    let underWay = 0;
    let waiting: Buffer = Buffer.alloc(0);
    let hasEnded = false;
    /** What is not written here yet. */
    let unwritten = 0;
    let end: RemoteEnd | null = null;
    const finish = (): void => {
      if (end !== null && unwritten === 0) resolve(end);
    };

    let silence = setTimeout(() => undefined, 0);
    const alive = (): void => {
      clearTimeout(silence);
      silence = setTimeout(() => lost(`nothing was heard for ${SILENCE_MS / 1000} s`), SILENCE_MS);
    };
    /** What was read here, as far as the window is open; the rest of a chunk waits, and with it whoever writes to our stdin. */
    const pump = (): void => {
      const bytes = waiting.subarray(0, Math.max(0, window - underWay));
      waiting = waiting.subarray(bytes.length);
      underWay += bytes.length;
      if (bytes.length > 0) socket.send(Buffer.concat([Buffer.of(INPUT), bytes]), () => undefined);
      if (waiting.length > 0) local.input?.pause();
      else if (hasEnded) say({ type: 'end-of-input' });
      else local.input?.resume();
    };
    const ended = (): void => {
      hasEnded = true;
      if (waiting.length === 0) pump();
    };
    const begin = (): void => {
      local.started();
      local.onResize((size) => say({ type: 'resize', ...size }));
      local.input?.on('data', (chunk: Buffer) => {
        waiting = waiting.length === 0 ? chunk : Buffer.concat([waiting, chunk]);
        pump();
      });
      local.input?.on('end', ended);
      local.input?.on('error', ended);
    };
    const write = (data: Buffer): void => {
      const bytes = data.length - 1;
      unwritten += bytes;
      const stream = data[0] === ERRORS ? local.errors : local.output;
      stream.write(data.subarray(1), () => {
        unwritten -= bytes;
        if (socket.readyState === WebSocket.OPEN) say({ type: 'ack', bytes });
        finish();
      });
    };

    socket.on('ping', alive);
    socket.on('message', (data: Buffer, isBinary) => {
      alive();
      if (isBinary) return write(data);
      const message = Message.safeParse(parsed(data.toString('utf8')));
      if (!message.success) return lost('the agent says what this ekiden does not understand: are they of the same version?');
      const said = message.data;
      switch (said.type) {
        case 'started':
          window = said.window;
          return begin();
        case 'refused':
          return reject(new CliError(`the command was not run: ${said.message}`, null, EXIT_NOT_RUN));
        case 'ack':
          underWay -= said.bytes;
          return waiting.length > 0 ? pump() : undefined;
        case 'exit':
          end = { code: said.code, signal: said.signal, reason: said.reason };
          return finish();
      }
    });
    socket.on('close', (code, reason) => {
      clearTimeout(silence);
      if (end === null) lost(reason.toString() || `the connection ended (${code})`);
    });
    alive();
    say({ type: 'start', argv: local.argv, input: local.input !== null, terminal: local.terminal });
  });
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text === '' ? null : text;
  }
}
