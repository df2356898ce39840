/**
 * Speaks the Docker Engine API over the engine's unix socket: the calls that we need, each with a deadline and a bound of its answer.
 *
 * Two kinds of failure, kept apart since they mean different things: the engine has refused (`EngineRefusal`, nothing was done), or it could
 * not be asked to the end (`EngineAway`: nobody knows whether it was done). Any 2xx is success: podman answers 201 where Docker says 200.
 */
import { type IncomingMessage, request } from 'node:http';
import type { Duplex } from 'node:stream';
import { reasonOf } from '../reason-of.js';

export interface EngineClient {
  readonly socket: string;
  /** Whose API it is: podman's differs in a few places. Asked once. */
  program(): Promise<EngineProgram>;
  /** JSON, or null where the answer has no body. */
  call(method: Method, path: string, options?: CallOptions): Promise<unknown>;
  /** Sends what is no JSON; answers the text of the body. */
  send(method: Method, path: string, type: string, content: Buffer): Promise<string>;
  /** The body as it is. */
  bytes(path: string, maxBytes: number): Promise<Buffer>;
  /** An answer that goes on: the caller reads it to its end or destroys it. The deadline is for its head. */
  stream(method: Method, path: string, options?: StreamOptions): Promise<IncomingMessage>;
  /** A connection in both directions. */
  hijack(path: string, body: unknown): Promise<{ readonly socket: Duplex; /** Came with the answer's head. */ readonly head: Buffer }>;
}

export type EngineProgram = 'docker' | 'podman';
type Method = 'GET' | 'POST' | 'DELETE';

interface Asked {
  readonly method: Method;
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
}

interface Content {
  readonly type: string;
  readonly bytes: Buffer;
}

export interface CallOptions {
  readonly body?: unknown;
  readonly timeoutMs?: number;
}

export interface StreamOptions {
  readonly headers?: Readonly<Record<string, string>>;
  readonly stop?: AbortSignal;
  /** A stream on which nothing comes for so long is broken off; absent: it may be silent for ever. */
  readonly stallMs?: number;
}

/** The engine has said no. */
export class EngineRefusal extends Error {
  constructor(
    readonly status: number,
    message: string,
  ) {
    super(message);
  }
}

/** It could not be asked, or its answer was cut off. */
export class EngineAway extends Error {}

export const CALL_TIMEOUT_MS = 30_000;
/** Descriptions of containers and images, lists of thousands of them. */
const MAX_ANSWER_BYTES = 32 * 1024 * 1024;
const MAX_ERROR_BYTES = 64 * 1024;
/** What we speak: between these the calls that we make mean the same. */
const OLDEST_API = '1.40';
const NEWEST_API = '1.44';

export function engineClient(socket: string): EngineClient {
  let version: Promise<unknown> | null = null;

  /** Asked once, and again after the engine was away: it may have been exchanged. */
  const about = async (): Promise<unknown> => {
    version ??= readJson(open({ method: 'GET', path: '/version' }, CALL_TIMEOUT_MS), MAX_ANSWER_BYTES);
    const asked = version;
    try {
      return await asked;
    } catch (error) {
      if (version === asked) version = null;
      throw error;
    }
  };
  const prefix = async (): Promise<string> => `/v${chooseVersion(await about())}`;

  /** Answers once the head of a 2xx is there; throws one of the two failures. */
  function open(options: Asked, timeoutMs: number, content: Content | null = null, stop?: AbortSignal): Promise<IncomingMessage> {
    return new Promise((resolve, reject) => {
      const headers = { host: 'engine', ...(content === null ? {} : { 'content-type': content.type, 'content-length': content.bytes.length }) };
      const asking = request({ socketPath: socket, agent: false, ...options, headers: { ...headers, ...options.headers } });
      const deadline = setTimeout(() => asking.destroy(new Error(`no answer within ${timeoutMs} ms`)), timeoutMs);
      const leave = (): void => void asking.destroy(new Error('it was stopped'));
      if (stop?.aborted === true) leave();
      stop?.addEventListener('abort', leave, { once: true });
      asking.on('close', () => {
        clearTimeout(deadline);
        stop?.removeEventListener('abort', leave);
      });
      asking.on('error', (error) => {
        version = null;
        reject(away(options, error));
      });
      asking.on('response', (answer) => {
        clearTimeout(deadline);
        const status = answer.statusCode ?? 0;
        if ((status >= 200 && status < 300) || status === 304) resolve(answer);
        else refusalOf(answer).then(reject, reject);
      });
      asking.end(content?.bytes);
    });
  }

  const away = ({ method, path }: Pick<Asked, 'method' | 'path'>, error: unknown): EngineAway =>
    new EngineAway(`the container engine at ${socket} does not answer ${method} ${path.split('?')[0]}`, { cause: error });

  return {
    socket,
    program: async () => programIn(await about()),
    async call(method, path, { body, timeoutMs = CALL_TIMEOUT_MS } = {}) {
      const content = body === undefined ? null : { type: 'application/json', bytes: Buffer.from(JSON.stringify(body)) };
      const answer = await open({ method, path: (await prefix()) + path }, timeoutMs, content);
      return readJson(Promise.resolve(answer), MAX_ANSWER_BYTES, timeoutMs);
    },
    async send(method, path, type, bytes) {
      const answer = await open({ method, path: (await prefix()) + path }, CALL_TIMEOUT_MS, { type, bytes });
      return (await readBytes(answer, MAX_ANSWER_BYTES, CALL_TIMEOUT_MS)).toString('utf8');
    },
    async bytes(path, maxBytes) {
      return await readBytes(await open({ method: 'GET', path: (await prefix()) + path }, CALL_TIMEOUT_MS), maxBytes, CALL_TIMEOUT_MS);
    },
    async stream(method, path, { headers = {}, stop, stallMs } = {}) {
      const answer = await open({ method, path: (await prefix()) + path, headers }, CALL_TIMEOUT_MS, null, stop);
      if (stallMs !== undefined) answer.setTimeout(stallMs, () => answer.destroy(new Error(`nothing came for ${stallMs} ms`)));
      return answer;
    },
    async hijack(path, body) {
      const text = JSON.stringify(body);
      const at = (await prefix()) + path;
      return await new Promise((resolve, reject) => {
        const headers = {
          host: 'engine',
          'content-type': 'application/json',
          'content-length': Buffer.byteLength(text),
          connection: 'Upgrade',
          upgrade: 'tcp',
        };
        const asking = request({ socketPath: socket, agent: false, method: 'POST', path: at, headers });
        const deadline = setTimeout(() => asking.destroy(new Error(`no answer within ${CALL_TIMEOUT_MS} ms`)), CALL_TIMEOUT_MS);
        asking.on('close', () => clearTimeout(deadline));
        asking.on('error', (error) => reject(away({ method: 'POST', path: at }, error)));
        asking.on('upgrade', (_, stream, head) => {
          clearTimeout(deadline);
          resolve({ socket: stream, head });
        });
        asking.on('response', (answer) => void refusalOf(answer).then(reject, reject));
        asking.end(text);
      });
    },
  };
}

/** From `GET /version`. Pure. */
export function programIn(answer: unknown): EngineProgram {
  const components = fieldIn(answer, 'Components');
  const names = Array.isArray(components) ? components.map((each: unknown) => textIn(each, 'Name')) : [];
  return names.some((name) => /podman/i.test(name)) ? 'podman' : 'docker';
}

/** The newest that both sides speak. Throws naming the versions when there is none. Pure. */
export function chooseVersion(answer: unknown): string {
  const newest = textIn(answer, 'ApiVersion');
  const oldest = textIn(answer, 'MinAPIVersion') || OLDEST_API;
  if (!/^\d+\.\d+$/.test(newest)) throw new EngineRefusal(0, 'what answers there is no container engine: its /version names no ApiVersion');
  const chosen = isOlder(newest, NEWEST_API) ? newest : NEWEST_API;
  if (isOlder(chosen, OLDEST_API) || isOlder(chosen, oldest))
    throw new EngineRefusal(0, `the container engine speaks the API ${oldest} to ${newest}, and we speak ${OLDEST_API} to ${NEWEST_API}: take another engine`);
  return chosen;
}

function isOlder(one: string, other: string): boolean {
  const [major = 0, minor = 0] = one.split('.').map(Number);
  const [otherMajor = 0, otherMinor = 0] = other.split('.').map(Number);
  return major < otherMajor || (major === otherMajor && minor < otherMinor);
}

async function refusalOf(answer: IncomingMessage): Promise<Error> {
  const status = answer.statusCode ?? 0;
  try {
    const text = (await readBytes(answer, MAX_ERROR_BYTES, CALL_TIMEOUT_MS)).toString('utf8');
    return new EngineRefusal(status, messageIn(text) || `the container engine answers ${status}`);
  } catch (error) {
    return new EngineRefusal(status, `the container engine answers ${status}, and its reason cannot be read: ${reasonOf(error)}`);
  }
}

function messageIn(text: string): string {
  try {
    return textIn(JSON.parse(text), 'message');
  } catch {
    return text.trim();
  }
}

/** Null where there is no body. A body that was cut off is no answer. */
async function readJson(asked: Promise<IncomingMessage>, maxBytes: number, timeoutMs = CALL_TIMEOUT_MS): Promise<unknown> {
  const answer = await asked;
  const text = (await readBytes(answer, maxBytes, timeoutMs)).toString('utf8').trim();
  if (text === '') return null;
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new EngineAway('the container engine has answered something else than JSON', { cause: error });
  }
}

async function readBytes(answer: IncomingMessage, maxBytes: number, timeoutMs: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  const deadline = setTimeout(() => answer.destroy(new Error(`its answer is not whole after ${timeoutMs} ms`)), timeoutMs);
  try {
    for await (const chunk of answer) {
      const piece = Buffer.from(chunk as Uint8Array);
      size += piece.length;
      if (size > maxBytes) throw new Error(`its answer is larger than ${maxBytes} bytes`);
      chunks.push(piece);
    }
  } catch (error) {
    answer.destroy();
    throw new EngineAway('the answer of the container engine was not read to its end', { cause: error });
  } finally {
    clearTimeout(deadline);
  }
  return Buffer.concat(chunks);
}

/** The text of a field of an answer; empty when there is none. */
export function textIn(value: unknown, name: string): string {
  const found = fieldIn(value, name);
  return typeof found === 'string' ? found : '';
}

export function fieldIn(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? (value as Readonly<Record<string, unknown>>)[name] : undefined;
}

export function numberIn(value: unknown, name: string): number {
  const found = fieldIn(value, name);
  return typeof found === 'number' ? found : 0;
}
