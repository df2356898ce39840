/**
 * Keeps downloads that ask for it (`cache: true`) up to a size; the longest unused go first, one in use never.
 *
 * An entry is named by its digest, where the app gives one, and then holds nothing else: whoever serves wrong bytes poisons
 * nobody. Otherwise it is named by its URI, and is not asked for again: who caches a URI promises that its content stays.
 * One download serves all that wait for the same entry; it ends when the last of them has gone.
 *
 *   <work-dir>/cache/sha256-<digest>, uri-<digest of the URI>     whole, synced before they got this name; last use: their mtime
 *   <work-dir>/cache/*.part                                      under way; what an earlier agent left is removed
 */
import { createHash, randomUUID } from 'node:crypto';
import { constants } from 'node:fs';
import { copyFile, mkdir, open, readdir, rename, rm, stat, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { checkDigest } from './digest.js';
import type { Download, DownloadWatch } from './download.js';

/** Of an entry that turns out to be damaged or gone: it is fetched once more. */
const MAX_TRIES = 2;
const ENTRY_NAME = /^(sha256|uri)-[0-9a-f]{64}$/;

export interface Cacheable {
  readonly uri: string;
  readonly sha256: string | null;
}

interface Entry {
  readonly bytes: number;
  /** Who copies from it just now. */
  users: number;
}

interface Flight {
  readonly waiters: Set<DownloadWatch>;
  readonly stop: AbortController;
  readonly landed: Promise<Entry>;
}

export class FetchCache {
  /** The longest unused first. */
  private readonly entries = new Map<string, Entry>();
  private readonly flights = new Map<string, Flight>();
  private loaded: Promise<void> | null = null;

  constructor(
    private readonly directory: string,
    private readonly maxBytes: number,
    private readonly download: Download,
  ) {}

  /** Puts the content into `target`. Rejects with the reason. */
  async copyTo(wanted: Cacheable, target: string, watch: DownloadWatch): Promise<void> {
    await (this.loaded ??= this.load().catch((error: unknown) => {
      this.loaded = null;
      throw error;
    }));
    const name = nameOf(wanted);
    for (let tries = 1; ; tries += 1) {
      const entry = await this.take(name, wanted, watch);
      try {
        await copyFile(this.path(name), target, constants.COPYFILE_FICLONE);
        if (wanted.sha256 === null) return;
        return await checkDigest(target, wanted.sha256);
      } catch (error) {
        // Somebody has cleared the directory, or the disk has damaged the file.
        if (this.entries.get(name) === entry) await this.drop(name);
        if (tries >= MAX_TRIES) throw error;
      } finally {
        entry.users -= 1;
        await this.evict();
      }
    }
  }

  /** The entry is there and stays until it is released. */
  private async take(name: string, wanted: Cacheable, watch: DownloadWatch): Promise<Entry> {
    const entry = this.entries.get(name);
    if (entry === undefined) return this.join(name, this.flights.get(name) ?? this.depart(name, wanted, watch), watch);
    entry.users += 1;
    this.entries.delete(name);
    this.entries.set(name, entry);
    const now = new Date();
    await utimes(this.path(name), now, now).catch(() => undefined); // gone: the copy will tell
    return entry;
  }

  private join(name: string, flight: Flight, watch: DownloadWatch): Promise<Entry> {
    flight.waiters.add(watch);
    const leave = (): void => {
      flight.waiters.delete(watch);
      if (flight.waiters.size > 0 || this.flights.get(name) !== flight) return;
      this.flights.delete(name);
      flight.stop.abort();
    };
    return new Promise((resolve, reject) => {
      const stopped = (): void => {
        leave();
        reject(new Error('its task was stopped'));
      };
      watch.stop?.addEventListener('abort', stopped, { once: true });
      if (watch.stop?.aborted) stopped();
      const arrived = (entry: Entry): void => {
        if (!watch.stop?.aborted) entry.users += 1;
        resolve(entry);
      };
      flight.landed.then(arrived, reject).finally(() => watch.stop?.removeEventListener('abort', stopped));
    });
  }

  private depart(name: string, wanted: Cacheable, first: DownloadWatch): Flight {
    const waiters = new Set([first]);
    const stop = new AbortController();
    const onProgress = (bytes: number, total: number | null): void => waiters.forEach((waiter) => waiter.onProgress?.(bytes, total));
    const landed = this.fetch(name, wanted, { stop: stop.signal, onProgress }).then(
      (bytes) => {
        const entry: Entry = { bytes, users: 0 };
        this.flights.delete(name);
        this.entries.set(name, entry);
        return entry;
      },
      (error: unknown) => {
        if (this.flights.get(name) === flight) this.flights.delete(name);
        throw error;
      },
    );
    const flight: Flight = { waiters, stop, landed };
    this.flights.set(name, flight);
    return flight;
  }

  /** Whole, right and on disk before it gets its name. */
  private async fetch(name: string, { uri, sha256 }: Cacheable, watch: DownloadWatch): Promise<number> {
    const part = `${this.path(name)}.${randomUUID()}.part`;
    try {
      await this.download(uri, part, watch);
      if (sha256 !== null) await checkDigest(part, sha256);
      await syncPath(part);
      const { size } = await stat(part);
      if (watch.stop?.aborted) throw new Error('nobody waits for it any more');
      await rename(part, this.path(name));
      await syncPath(this.directory);
      return size;
    } finally {
      await rm(part, { force: true });
    }
  }

  private async evict(): Promise<void> {
    let total = 0;
    for (const { bytes } of this.entries.values()) total += bytes;
    for (const [candidate, { bytes, users }] of [...this.entries]) {
      if (total <= this.maxBytes) return;
      if (users > 0) continue;
      await this.drop(candidate);
      total -= bytes;
    }
  }

  private async drop(name: string): Promise<void> {
    this.entries.delete(name);
    await rm(this.path(name), { force: true });
  }

  private async load(): Promise<void> {
    await mkdir(this.directory, { recursive: true, mode: 0o700 });
    const found: { readonly name: string; readonly bytes: number; readonly usedAt: number }[] = [];
    for (const name of await readdir(this.directory)) {
      const info = ENTRY_NAME.test(name) ? await stat(this.path(name)) : null;
      if (info === null) await rm(this.path(name), { force: true, recursive: true });
      else found.push({ name, bytes: info.size, usedAt: info.mtimeMs });
    }
    for (const { name, bytes } of found.sort((a, b) => a.usedAt - b.usedAt)) this.entries.set(name, { bytes, users: 0 });
  }

  private path(name: string): string {
    return join(this.directory, name);
  }
}

const nameOf = ({ uri, sha256 }: Cacheable): string => (sha256 === null ? `uri-${createHash('sha256').update(uri).digest('hex')}` : `sha256-${sha256}`);

async function syncPath(path: string): Promise<void> {
  const handle = await open(path);
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
