import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, truncateSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Download, DownloadWatch } from './download.js';
import { FetchCache } from './fetch-cache.js';

let dir: string;
let cacheDir: string;
/** Downloads that were begun, by URI; each writes what `serve` has. */
let begun: string[];
let serve: (uri: string) => string;
/** What a download waits for before it ends. */
let gate: Promise<void>;

const digestOf = (text: string): string => createHash('sha256').update(text).digest('hex');

const download: Download = async (uri, file, { stop, onProgress }) => {
  begun.push(uri);
  onProgress?.(1, 2);
  await Promise.race([gate, new Promise((_, reject) => stop?.addEventListener('abort', () => reject(new Error('aborted'))))]);
  writeFileSync(file, serve(uri));
};

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'ekiden-cache-'));
  cacheDir = join(dir, 'cache');
  begun = [];
  serve = (uri) => `content of ${uri}`;
  gate = Promise.resolve();
});
afterEach(() => rmSync(dir, { recursive: true }));

const aCache = (maxBytes = 1_000): FetchCache => new FetchCache(cacheDir, maxBytes, download);
const get = async (cache: FetchCache, uri: string, sha256: string | null = null, watch: DownloadWatch = {}): Promise<string> => {
  const target = join(dir, `target-${begun.length}-${Math.random()}`);
  await cache.copyTo({ uri, sha256 }, target, watch);
  return readFileSync(target, 'utf8');
};
const kept = (): string[] => readdirSync(cacheDir).map((name) => readFileSync(join(cacheDir, name), 'utf8').replace('content of ', ''));

it('one download serves all that wait, each of whom sees its progress, and those that come later, also after a restart', async () => {
  const cache = aCache();
  let progress = 0;
  const all = await Promise.all(Array.from({ length: 20 }, () => get(cache, 'a', null, { onProgress: () => (progress += 1) })));
  expect(new Set(all)).toEqual(new Set(['content of a']));
  expect(await get(cache, 'a')).toBe('content of a');
  expect(await get(aCache(), 'a')).toBe('content of a');
  expect([begun, progress > 0]).toEqual([['a'], true]);
});

it('keeps to its size: the longest unused go first, in the order of an earlier agent too', async () => {
  const cache = aCache(3 * 'content of a'.length);
  for (const uri of ['a', 'b', 'c']) await get(cache, uri);
  await get(cache, 'a');
  await get(cache, 'd');
  expect(kept().sort()).toEqual(['a', 'c', 'd']);
  const old = new Date(0);
  utimesSync(join(cacheDir, `uri-${digestOf('d')}`), old, old);
  const next = aCache(3 * 'content of a'.length);
  await get(next, 'e');
  expect(kept().sort()).toEqual(['a', 'c', 'e']);
});

it('what is larger than the whole cache is fetched, used and not kept', async () => {
  const cache = aCache(3);
  expect(await Promise.all(['a', 'b', 'a'].map((uri) => get(cache, uri)))).toEqual(['content of a', 'content of b', 'content of a']);
  expect(kept()).toEqual([]);
});

it('never uses a half: neither one under way when an agent was killed, nor one that an earlier release has left', async () => {
  mkdirSync(cacheDir);
  writeFileSync(join(cacheDir, `uri-${digestOf('a')}.1234.part`), 'half');
  writeFileSync(join(cacheDir, digestOf('a')), 'of a release that did not sync');
  expect(await get(aCache(), 'a')).toBe('content of a');
  expect(kept()).toEqual(['a']);
});

it('wrong bytes poison nobody: who gives a digest gets them neither from the server nor from who gave none', async () => {
  const cache = aCache();
  const right = digestOf('content of a');
  serve = () => 'evil';
  await expect(get(cache, 'a', right)).rejects.toThrow(`its sha256 is ${digestOf('evil')}, but the app says ${right}`);
  expect(await get(cache, 'a')).toBe('evil'); // asks for no digest
  serve = (uri) => `content of ${uri}`;
  expect(await get(cache, 'a', right)).toBe('content of a');
  expect(await get(cache, 'another address of the same', right)).toBe('content of a');
  expect(begun).toEqual(['a', 'a', 'a']);
});

it('an entry that the disk has damaged, or that somebody has removed, is fetched again', async () => {
  const cache = aCache();
  const right = digestOf('content of a');
  await get(cache, 'a', right);
  truncateSync(join(cacheDir, `sha256-${right}`), 3);
  expect(await get(cache, 'a', right)).toBe('content of a');
  rmSync(join(cacheDir, `sha256-${right}`));
  expect(await get(cache, 'a', right)).toBe('content of a');
  expect(begun).toHaveLength(3);
});

it('a task that is stopped leaves the others their download, and the last one ends it', async () => {
  const cache = aCache();
  let open = (): void => undefined;
  gate = new Promise((resolve) => (open = resolve));
  const [first, second, third] = [new AbortController(), new AbortController(), new AbortController()];
  const stopped = get(cache, 'a', null, { stop: first.signal });
  const other = get(cache, 'a', null, { stop: second.signal });
  const alone = get(cache, 'b', null, { stop: third.signal });
  while (begun.length < 2) await new Promise((resolve) => setImmediate(resolve));
  first.abort();
  third.abort();
  await expect(stopped).rejects.toThrow('its task was stopped');
  await expect(alone).rejects.toThrow('its task was stopped');
  open();
  expect(await other).toBe('content of a');
  expect(await get(cache, 'b')).toBe('content of b'); // the ended one is in nobody's way
  expect(begun).toEqual(['a', 'b', 'b']);
});

it('a failure is told to all that wait, and is not kept', async () => {
  const cache = aCache();
  serve = () => {
    throw new Error('the server answered 500');
  };
  const results = await Promise.allSettled(['a', 'a', 'a'].map((uri) => get(cache, uri)));
  expect(results.map(({ status }) => status)).toEqual(['rejected', 'rejected', 'rejected']);
  serve = (uri) => `content of ${uri}`;
  expect(await get(cache, 'a')).toBe('content of a');
});
