/**
 * The one way from the command line to the API: JSON over HTTP, with refusals turned into something to act on.
 *
 * The address comes from --api or EKIDEN_API; the token from the file that EKIDEN_TOKEN_FILE names, so that it is
 * neither in the arguments nor in the shell's history.
 */
import { readFileSync } from 'node:fs';
import { CliError, EXIT, messageOf, systemErrorCode } from '../cli-error.js';
import { explainRefusal } from '../render/refusal-text.js';

export const DEFAULT_API = 'http://127.0.0.1:8080';
const REQUEST_TIMEOUT_MS = 30_000;

export interface HttpTarget {
  readonly url: string;
  /** Null: none is sent. */
  readonly token: string | null;
}

export interface Answer {
  readonly body: unknown;
  readonly headers: Headers;
}

/** The API said no; `status` for those who can go on. */
export class ApiError extends CliError {
  constructor(
    readonly status: number,
    message: string,
    hint: string | null,
  ) {
    super(message, hint, EXIT.failed);
  }
}

export function readTarget(apiOption: string | undefined, env: Readonly<Record<string, string | undefined>>): HttpTarget {
  const given = apiOption ?? env.EKIDEN_API ?? DEFAULT_API;
  const text = /^https?:\/\//.test(given) ? given : `http://${given}`;
  if (!URL.canParse(text)) throw new CliError(`"${given}" is no address of an API`, `write it like ${DEFAULT_API}`);
  const file = env.EKIDEN_TOKEN_FILE;
  return { url: text.replace(/\/+$/, ''), token: file === undefined || file === '' ? null : readToken(file) };
}

function readToken(file: string): string {
  try {
    const line = readFileSync(file, 'utf8')
      .split('\n')
      .map((text) => text.trim())
      .find((text) => text !== '' && !text.startsWith('#'));
    if (line !== undefined) return line;
  } catch (error) {
    throw new CliError(
      `EKIDEN_TOKEN_FILE names ${file}, which cannot be read (${systemErrorCode(error) ?? messageOf(error)})`,
      'check path and mode',
      EXIT.failed,
      { cause: error },
    );
  }
  throw new CliError(`EKIDEN_TOKEN_FILE names ${file}, which holds no token`, 'write one into it');
}

/** One request; throws an `ApiError` for a refusal and a `CliError` when nobody answers. */
export async function request(target: HttpTarget, method: string, path: string, body?: unknown): Promise<Answer> {
  const response = await send(target, method, path, {
    body: body === undefined ? null : JSON.stringify(body),
    headers: body === undefined ? {} : { 'content-type': 'application/json' },
    signal: AbortSignal.timeout(REQUEST_TIMEOUT_MS),
  });
  const text = await response.text();
  const parsed = parseJson(text);
  if (response.ok) return { body: parsed, headers: response.headers };
  throw refusal(response.status, parsed ?? text);
}

/** A response that goes on: the event stream. */
export async function openStream(target: HttpTarget, path: string, signal: AbortSignal): Promise<ReadableStream<Uint8Array>> {
  const response = await send(target, 'GET', path, { headers: { accept: 'text/event-stream' }, signal });
  if (!response.ok || response.body === null) throw refusal(response.status, parseJson(await response.text()));
  return response.body;
}

async function send(target: HttpTarget, method: string, path: string, init: RequestInit): Promise<Response> {
  const auth: Record<string, string> = target.token === null ? {} : { authorization: `Bearer ${target.token}` };
  try {
    return await fetch(target.url + path, {
      ...init,
      method,
      headers: { accept: 'application/json', ...Object.fromEntries(new Headers(init.headers)), ...auth },
    });
  } catch (error) {
    const cause = error instanceof Error && error.cause !== undefined ? error.cause : error;
    throw new CliError(
      `no answer from ${target.url} (${systemErrorCode(cause) ?? messageOf(cause)})`,
      'is Ekiden running? `npm start` starts it; another address goes into --api or EKIDEN_API',
      EXIT.failed,
      { cause: error },
    );
  }
}

/** What an answer that refuses says. */
export function refusal(status: number, body: unknown): ApiError {
  const { message, hint } = explainRefusal(status, body);
  return new ApiError(status, message, hint);
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null; // `pong`, an empty body, or a proxy's page: the caller shows what it can
  }
}
