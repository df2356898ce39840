/**
 * Downloads one http(s) URL into a file, bounded in size, time, silence, redirects and broken connections.
 *
 * Certificates are verified here: what comes is going to be run. Only http and https are ever followed. A connection that breaks
 * is taken up where it broke (`Range`), if the server has named what it sends (`ETag`, `Last-Modified`) and still has the same
 * (`If-Range`); otherwise it begins anew.
 */
import { open, type FileHandle } from 'node:fs/promises';
import { request as httpRequest, type IncomingHttpHeaders, type IncomingMessage } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { Transform } from 'node:stream';
import { setTimeout as pause } from 'node:timers/promises';

export interface FetchLimits {
  readonly maxBytes: number;
  /** For the whole artifact. */
  readonly timeoutMs: number;
  /** Without a single byte. */
  readonly stallMs: number;
}

/** Who waits for a download. */
export interface DownloadWatch {
  readonly stop?: AbortSignal;
  /** At each piece that came; the total is null while the server has not said it. */
  readonly onProgress?: (bytes: number, total: number | null) => void;
}

export type Download = (uri: string, file: string, watch: DownloadWatch) => Promise<void>;

export const MAX_FETCH_REDIRECTS = 5;
/** Broken connections of one download that are taken up again. */
export const MAX_RESUMES = 5;
/** Before the first of them; doubles. */
const RESUME_PAUSE_MS = 200;

/** The connection broke in the middle: another may bring the rest. */
class Broken extends Error {}

/** What has come so far, over all connections. */
interface Received {
  bytes: number;
  total: number | null;
  /** Names the content of which these are the first bytes; null: nothing does. */
  validator: string | null;
}

/** Rejects with the reason, also when it is stopped; the file may then exist in part. */
export async function download(uri: string, file: string, limits: FetchLimits, watch: DownloadWatch = {}): Promise<void> {
  const deadline = AbortSignal.timeout(limits.timeoutMs);
  const end = watch.stop === undefined ? deadline : AbortSignal.any([deadline, watch.stop]);
  const received: Received = { bytes: 0, total: null, validator: null };
  const target = await open(file, 'w', 0o644);
  try {
    await receiveAll(new URL(uri), { target, received, limits, end, watch });
  } catch (error) {
    if (deadline.aborted) throw new Error(`it was not complete after ${limits.timeoutMs} ms${soFar(received)}`, { cause: error });
    throw error;
  } finally {
    await target.close();
  }
}

interface Transfer {
  readonly target: FileHandle;
  readonly received: Received;
  readonly limits: FetchLimits;
  readonly end: AbortSignal;
  readonly watch: DownloadWatch;
}

async function receiveAll(url: URL, transfer: Transfer): Promise<void> {
  const { end, received } = transfer;
  for (let breaks = 0; ; breaks += 1) {
    try {
      return await receive(url, transfer);
    } catch (error) {
      if (!(error instanceof Broken) || end.aborted) throw error;
      if (breaks >= MAX_RESUMES) throw new Error(`its connection broke ${breaks + 1} times, at last with ${error.message}${soFar(received)}`, { cause: error });
      await pause(RESUME_PAUSE_MS * 2 ** breaks, undefined, { signal: end });
    }
  }
}

/** One connection: the rest, or all. */
async function receive(url: URL, { target, received, limits, end, watch }: Transfer): Promise<void> {
  const silence = new AbortController();
  const alarm = setTimeout(() => silence.abort(), limits.stallMs);
  try {
    const { bytes, validator } = received;
    const headers = bytes > 0 && validator !== null ? { range: `bytes=${bytes}-`, 'if-range': validator } : {};
    const response = await follow(url, AbortSignal.any([end, silence.signal]), headers, 0);
    await begin(response, target, received, limits.maxBytes);
    alarm.refresh();
    watch.onProgress?.(received.bytes, received.total);
    for await (const chunk of pieces(response)) {
      if (received.bytes + chunk.length > limits.maxBytes) throw tooMuch(limits.maxBytes);
      await target.write(chunk, 0, chunk.length, received.bytes);
      received.bytes += chunk.length;
      alarm.refresh();
      watch.onProgress?.(received.bytes, received.total);
    }
  } catch (error) {
    if (silence.signal.aborted) throw new Error(`nothing came for ${limits.stallMs} ms${soFar(received)}`, { cause: error });
    throw error;
  } finally {
    clearTimeout(alarm);
  }
}

/** The body, whose premature end is told apart from what happens to the file. */
async function* pieces(response: IncomingMessage): AsyncGenerator<Buffer> {
  try {
    for await (const chunk of response) yield chunk as Buffer;
  } catch (error) {
    throw new Broken(`"${messageOf(error)}"`, { cause: error });
  }
}

/** Reads the head of the answer: does it go on where we are, or from the start? */
async function begin(response: IncomingMessage, target: FileHandle, received: Received, maxBytes: number): Promise<void> {
  const { headers, statusCode } = response;
  const part = /^bytes (\d+)-\d+\/(\d+|\*)$/.exec(headers['content-range'] ?? '');
  if (statusCode === RANGE_NOT_SATISFIABLE || (statusCode === PARTIAL && Number(part?.[1]) !== received.bytes)) {
    response.destroy();
    received.validator = null; // it has something else now: from the start
    throw new Broken(`the server's answer ${statusCode} to the request for the rest`);
  }
  if (statusCode !== PARTIAL) {
    received.bytes = 0;
    await target.truncate(0);
    received.total = headers['content-length'] === undefined ? null : Number(headers['content-length']);
  }
  received.validator = validatorOf(headers);
  if (received.total === null || received.total <= maxBytes) return;
  response.destroy();
  throw new Error(`it has ${received.total} bytes, at most ${maxBytes} are fetched`);
}

/** A weak ETag does not promise the same bytes. */
function validatorOf(headers: IncomingHttpHeaders): string | null {
  const { etag } = headers;
  return etag !== undefined && !etag.startsWith('W/') ? etag : (headers['last-modified'] ?? null);
}

const PARTIAL = 206;
const RANGE_NOT_SATISFIABLE = 416;

async function follow(url: URL, end: AbortSignal, headers: Readonly<Record<string, string>>, redirects: number): Promise<IncomingMessage> {
  if (url.protocol !== 'http:' && url.protocol !== 'https:') throw new Error(`it leads to ${url.protocol}, only http and https are fetched`);
  const response = await get(url, end, headers);
  const status = response.statusCode ?? 0;
  if ((status >= 200 && status < 300) || (status === RANGE_NOT_SATISFIABLE && 'range' in headers)) return response;
  response.destroy();
  const { location } = response.headers;
  if (status < 300 || status >= 400 || !location) throw new Error(`the server answered ${status}`);
  if (redirects >= MAX_FETCH_REDIRECTS) throw new Error(`it redirects more than ${MAX_FETCH_REDIRECTS} times`);
  return follow(new URL(location, url), end, headers, redirects + 1);
}

function get(url: URL, end: AbortSignal, headers: Readonly<Record<string, string>>): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const send = url.protocol === 'https:' ? httpsRequest : httpRequest;
    const request = send(url, { agent: false, signal: end, headers: { 'user-agent': 'ekiden-agent', ...headers } }, resolve);
    request.on('error', reject);
    request.end();
  });
}

function soFar({ bytes, total }: Received): string {
  if (bytes === 0) return '';
  return `; ${bytes} ${total === null ? '' : `of ${total} `}bytes had come`;
}

/** Without `instanceof`: Node's errors may come from another realm. */
const messageOf = (error: unknown): string => (typeof error === 'object' && error !== null && 'message' in error ? String(error.message) : String(error));

const tooMuch = (maxBytes: number): Error => new Error(`it has more than ${maxBytes} bytes, which is the limit`);

/** Passes bytes through until there are too many: a body without an end must not fill the disk. */
export function atMost(maxBytes: number): Transform {
  let seen = 0;
  return new Transform({
    transform(chunk: Buffer, _encoding, done) {
      seen += chunk.length;
      if (seen > maxBytes) done(tooMuch(maxBytes));
      else done(null, chunk);
    },
  });
}
