/**
 * The checkpoints of all tasks in one file that is appended to: a burst of launches shares its syncs.
 *
 * One line a change: a task's whole record, or that it is gone; the last line of a task counts. Changes that wait while a sync
 * runs are written and synced together. A file that is mostly old lines is written anew beside, and takes the place of the
 * old one when it is on disk.
 * What may happen: the last line is torn (a crash: it was never promised, and is cut off) · a line in the middle cannot be
 * read (it is handed to the caller, the task's line before it counts) · a write or sync fails (all that shared it are
 * refused, and the former content is restored; the next change then writes the file anew, since nobody knows what the disk has).
 */
import { isUtf8 } from 'node:buffer';
import { dirname } from 'node:path';
import { realDisk, type Disk } from './disk.js';
import { NewerFormat, parseJournalLine, REMOVED_VERSION } from './record-format.js';

/** A smaller file is not worth writing anew. */
export const COMPACT_MIN_BYTES = 1024 * 1024;
/** Written anew when it is this many times as long as what counts in it. */
export const COMPACT_FACTOR = 2;
/** Several times the tasks that an agent can have. */
export const MAX_WAITING_CHANGES = 50_000;

export interface DamagedLine {
  /** From 1. */
  readonly number: number;
  readonly why: string;
}

interface Change {
  readonly id: string;
  /** Null: the task is gone. */
  readonly line: string | null;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

type Lines = ReadonlyMap<string, string | null>;

/** A journal's file as it was read. */
export interface JournalContent {
  /** The last record of each task. */
  readonly live: ReadonlyMap<string, string>;
  /** Without the torn tail. */
  readonly size: number;
  readonly isDamaged: boolean;
}

export class TaskJournal {
  /** What counts: a task's record as it is on disk. */
  private readonly live: Map<string, string>;
  private liveBytes = 0;
  private file: number;
  private size = 0;
  private compactAbove = COMPACT_MIN_BYTES;
  private mustRewrite = false;
  /**
   * The file's end and name are durable. Not so when it was found (an earlier agent may have died before the sync of its last rename), nor
   * when it was cut: then what was cut off may still be on the disk, and would be mixed with what is written over it.
   */
  private isSettled = false;
  private waiting: Change[] = [];
  private isWriting = false;

  /** Reads what is there; throws when the file cannot be opened at all, or `NewerFormat`. `damaged` is told each line that cannot be read. */
  constructor(
    private readonly path: string,
    damaged: (line: DamagedLine) => void,
    private readonly disk: Disk = realDisk,
  ) {
    disk.remove(this.fresh);
    const content = disk.read(path) ?? Buffer.alloc(0);
    const { live, size, isDamaged } = readJournal(content, damaged);
    this.live = new Map(live);
    for (const line of live.values()) this.liveBytes += Buffer.byteLength(line) + 1;
    this.file = disk.open(path);
    this.size = size;
    if (size < content.length) disk.truncate(this.file, size);
    // A new file has no durable name yet; lines that cannot be read are to go.
    this.mustRewrite = size === 0 || isDamaged;
  }

  /** The last record of each task, one line each. */
  records(): readonly string[] {
    return [...this.live.values()];
  }

  /** Durable when it resolves. */
  save(id: string, line: string): Promise<void> {
    return this.change(id, line);
  }

  /** In the file when it resolves, durable with the next save: a record that comes back after a power cut does no harm. */
  remove(id: string): Promise<void> {
    return this.change(id, null);
  }

  /** Lines that could not be read leave the file. */
  async repair(): Promise<void> {
    if (this.mustRewrite) await this.rewrite(new Map());
  }

  private get fresh(): string {
    return `${this.path}.new`;
  }

  private change(id: string, line: string | null): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.waiting.length >= MAX_WAITING_CHANGES) {
        reject(new Error(`${MAX_WAITING_CHANGES} checkpoints wait for the disk already: it is too slow`));
        return;
      }
      this.waiting.push({ id, line, resolve, reject });
      if (this.isWriting) return;
      this.isWriting = true;
      this.disk.gather(() => void this.drain());
    });
  }

  private async drain(): Promise<void> {
    while (this.waiting.length > 0) {
      const batch = this.waiting.splice(0);
      const lines = new Map(batch.map(({ id, line }) => [id, line]));
      try {
        await this.commit(
          lines,
          batch.some(({ line }) => line !== null),
        );
        for (const { resolve } of batch) resolve();
      } catch (error) {
        this.forget([...lines].filter(([, line]) => line === null));
        for (const { reject } of batch) reject(error);
      }
    }
    this.isWriting = false;
  }

  /** What is gone shall not come back although that could not be written: it is left out when the file is written anew. */
  private forget(gone: readonly (readonly [string, string | null])[]): void {
    if (gone.length === 0) return;
    this.apply(new Map(gone));
    this.mustRewrite = true;
  }

  private async commit(lines: Lines, isPromised: boolean): Promise<void> {
    if (this.mustRewrite) return await this.rewrite(lines);
    if (this.size > Math.max(this.compactAbove, this.liveBytes * COMPACT_FACTOR)) {
      try {
        return await this.rewrite(lines);
      } catch (error) {
        if (this.mustRewrite) throw error;
        // The disk may have no room for a second file, and yet for a line: tried again when this one has grown.
        this.compactAbove = this.size + COMPACT_MIN_BYTES;
      }
    }
    await this.append(lines, isPromised);
  }

  /** `isPromised`: somebody was told that it would be durable, be it of a task that is removed in the same breath. */
  private async append(lines: Lines, isPromised: boolean): Promise<void> {
    const changes = [...lines].filter(([id, line]) => line !== null || this.live.has(id));
    if (changes.length === 0) return;
    const bytes = Buffer.from(changes.map(([id, line]) => `${line ?? removal(id)}\n`).join(''));
    this.mustRewrite = true; // should nobody know what the disk has
    if (!this.isSettled) await this.settle();
    try {
      this.disk.write(this.file, bytes, this.size);
    } catch (error) {
      this.cut();
      this.mustRewrite = false;
      throw error;
    }
    if (isPromised) await this.syncOrCut();
    this.mustRewrite = false;
    this.size += bytes.length;
    this.apply(lines);
  }

  private async syncOrCut(): Promise<void> {
    try {
      await this.disk.sync(this.file);
    } catch (error) {
      this.cut();
      throw error;
    }
  }

  /** Everything that counts, with these changes, in a new file. Until its rename the old one stands. */
  private async rewrite(lines: Lines): Promise<void> {
    const content = new Map<string, string | null>([...this.live, ...lines]);
    const bytes = Buffer.from([...content.values()].map((line) => (line === null ? '' : `${line}\n`)).join(''));
    const file = this.disk.open(this.fresh);
    try {
      this.disk.truncate(file, 0);
      this.disk.write(file, bytes, 0);
      await this.disk.sync(file);
      this.disk.rename(this.fresh, this.path);
    } catch (error) {
      this.disk.close(file);
      throw error;
    }
    const former = this.file;
    this.file = file;
    this.size = bytes.length;
    this.mustRewrite = true; // should the directory not be synced
    this.disk.close(former);
    await this.disk.syncDirectory(dirname(this.path));
    this.isSettled = true;
    this.mustRewrite = false;
    this.compactAbove = COMPACT_MIN_BYTES;
    this.apply(lines);
  }

  private cut(): void {
    this.isSettled = false;
    this.disk.truncate(this.file, this.size);
  }

  private async settle(): Promise<void> {
    await this.disk.sync(this.file);
    await this.disk.syncDirectory(dirname(this.path));
    this.isSettled = true;
  }

  private apply(lines: Lines): void {
    for (const [id, line] of lines) {
      const before = this.live.get(id);
      if (before !== undefined) this.liveBytes -= Buffer.byteLength(before) + 1;
      if (line === null) {
        this.live.delete(id);
        continue;
      }
      this.live.set(id, line);
      this.liveBytes += Buffer.byteLength(line) + 1;
    }
  }
}

const removal = (id: string): string => JSON.stringify({ v: REMOVED_VERSION, removed: id });

/** `damaged` is told each line that cannot be read. Throws `NewerFormat`. */
export function readJournal(content: Buffer, damaged: (line: DamagedLine) => void): JournalContent {
  const live = new Map<string, string>();
  const size = content.lastIndexOf('\n') + 1;
  let isDamaged = false;
  let number = 0;
  for (let from = 0; from < size;) {
    const to = content.indexOf('\n', from);
    const bytes = content.subarray(from, to);
    from = to + 1;
    number += 1;
    try {
      if (!isUtf8(bytes)) throw new Error('no UTF-8');
      const text = bytes.toString('utf8');
      const { id, isRemoval } = parseJournalLine(text);
      if (isRemoval) live.delete(id);
      else live.set(id, text);
    } catch (error) {
      if (error instanceof NewerFormat) throw error;
      isDamaged = true;
      damaged({ number, why: error instanceof Error ? error.message : String(error) });
    }
  }
  return { live, size, isDamaged };
}
