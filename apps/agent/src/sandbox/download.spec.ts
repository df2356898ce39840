import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { download, MAX_RESUMES, type DownloadWatch, type FetchLimits } from './download.js';

const LIMITS: FetchLimits = { maxBytes: 1_000_000, timeoutMs: 60_000, stallMs: 60_000 };
const CONTENT = Buffer.from('0123456789'.repeat(10_000));

let dir: string;
let file: string;
let server: Server;
let url: string;
let answer: (request: IncomingMessage, response: ServerResponse) => void;
/** The `range` and `if-range` of each request. */
let asked: (readonly [string | undefined, unknown])[];

beforeEach(async () => {
  dir = mkdtempSync(join(tmpdir(), 'ekiden-download-'));
  file = join(dir, 'file');
  asked = [];
  arrived = () => undefined;
  server = createServer((request, response) => {
    asked.push([request.headers.range, request.headers['if-range']]);
    answer(request, response);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/x`;
});
afterEach(() => {
  server.closeAllConnections();
  server.close();
  rmSync(dir, { recursive: true });
});

/** Sends `part` of what it has announced, and breaks the connection when it has come. */
const breakAfter = (response: ServerResponse, part: Buffer, from = 0): void => {
  arrived = (bytes) => void (bytes === from + part.length && response.destroy());
  response.write(part);
};
let arrived: (bytes: number) => void;
const get = (more: DownloadWatch = {}): Promise<void> => {
  const onProgress = (bytes: number, total: number | null): void => {
    more.onProgress?.(bytes, total);
    arrived(bytes);
  };
  return download(url, file, LIMITS, { ...more, onProgress });
};
const fromOf = ({ headers }: IncomingMessage): number => Number(/^bytes=(\d+)-$/.exec(headers.range ?? '')?.[1] ?? 0);

describe('a download whose connection breaks', () => {
  it('goes on where it was, as long as the content is the same', async () => {
    answer = (request, response) => {
      const from = fromOf(request);
      const rest = CONTENT.subarray(from);
      const range = from === 0 ? {} : { 'content-range': `bytes ${from}-${CONTENT.length - 1}/${CONTENT.length}` };
      response.writeHead(from === 0 ? 200 : 206, { etag: '"one"', 'content-length': rest.length, ...range });
      if (asked.length < 3) breakAfter(response, rest.subarray(0, 30_000), from);
      else response.end(rest);
    };
    const told: (readonly [number, number | null])[] = [];
    await get({ onProgress: (...progress) => told.push(progress) });
    expect(readFileSync(file).equals(CONTENT)).toBe(true);
    expect(asked).toEqual([
      [undefined, undefined],
      ['bytes=30000-', '"one"'],
      ['bytes=60000-', '"one"'],
    ]);
    expect(told.at(-1)).toEqual([CONTENT.length, CONTENT.length]);
    expect(told.every(([bytes], at) => bytes >= (told[at - 1]?.[0] ?? 0))).toBe(true);
  });

  it('begins anew when the content is another one by now, or the server cannot do parts', async () => {
    const later = Buffer.from('short');
    answer = (_request, response) => {
      if (asked.length === 1) breakAfter(response.writeHead(200, { etag: '"one"', 'content-length': CONTENT.length }), CONTENT.subarray(0, 30_000));
      else response.writeHead(200, { etag: '"two"', 'content-length': later.length }).end(later);
    };
    await get();
    expect(readFileSync(file, 'utf8')).toBe('short');
  });

  it.each([
    ['nothing names the content', {}],
    ['its name does not promise the same bytes', { etag: 'W/"weak"' }],
  ])('asks for all of it again when %s', async (_why, headers) => {
    answer = (_request, response) => {
      response.writeHead(200, { 'content-length': CONTENT.length, ...headers });
      if (asked.length === 1) breakAfter(response, CONTENT.subarray(0, 30_000));
      else response.end(CONTENT);
    };
    await get();
    expect(readFileSync(file).equals(CONTENT)).toBe(true);
    expect(asked).toEqual([
      [undefined, undefined],
      [undefined, undefined],
    ]);
  });

  it('is not put together from parts of which the server sends the wrong ones', async () => {
    answer = (request, response) => {
      if (request.headers.range === undefined && asked.length > 1) return void response.end(CONTENT);
      if (request.headers.range !== undefined) return void response.writeHead(206, { etag: '"one"', 'content-range': 'bytes 0-9/10' }).end('XXXXXXXXXX');
      return breakAfter(response.writeHead(200, { etag: '"one"', 'content-length': CONTENT.length }), CONTENT.subarray(0, 30_000));
    };
    await get();
    expect(readFileSync(file).equals(CONTENT)).toBe(true);
  });

  it('is given up in the end, and says how much had come', async () => {
    answer = (_request, response) => breakAfter(response.writeHead(200, { 'content-length': 10 }), Buffer.from('abc'));
    await expect(get()).rejects.toThrow(new RegExp(`its connection broke ${MAX_RESUMES + 1} times.*; 3 of 10 bytes had come`));
    expect(asked).toHaveLength(MAX_RESUMES + 1);
  }, 30_000);
});

it('a server that stalls is given up, with the reason', async () => {
  answer = (_request, response) => void response.writeHead(200, { 'content-length': 10 }).write('abc');
  await expect(download(url, file, { ...LIMITS, stallMs: 300 })).rejects.toThrow('nothing came for 300 ms; 3 of 10 bytes had come');
  answer = () => undefined;
  await expect(download(url, file, { ...LIMITS, stallMs: 50 })).rejects.toThrow('nothing came for 50 ms');
  expect(asked).toHaveLength(2);
});

it('a stop ends it at once, also between two connections', async () => {
  const stop = new AbortController();
  answer = (_request, response) => {
    response.writeHead(200, { 'content-length': 10 }).write('abc', () => response.destroy());
    stop.abort();
  };
  await expect(download(url, file, LIMITS, { stop: stop.signal })).rejects.toThrow();
  expect(asked).toHaveLength(1);
});
