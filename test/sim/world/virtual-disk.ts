/**
 * The disk of a simulated machine: what is written is in the page cache, what is synced is durable, and a power cut tells them apart.
 *
 * The death of a process loses nothing. A power cut keeps any part of what was not synced: of two writes the later one alone,
 * of one write the first bytes, of a rename nothing. Besides it may be full, slow, or fail to sync; after a failed sync part of what
 * was written is durable and the rest never will be, though it is read back until the power goes (as Linux does).
 * A file keeps its durable bytes and the edits since then, so that a write costs what it writes, however long the file is.
 */
import { dirname } from 'node:path';
import type { Clock } from '@ekiden/model';
import type { Disk } from '../../../apps/agent/src/checkpoint/disk.js';
import type { Chance } from './chance.js';

type Edit = { readonly kind: 'write'; readonly at: number; readonly bytes: Buffer } | { readonly kind: 'truncate'; readonly size: number };

/** Of names: `file` takes the name `to`, null: nobody has it any more; `from` is given up in the same step. */
interface Naming {
  readonly from: string | null;
  readonly to: string;
  readonly file: VirtualFile | null;
}

/** A file or a directory. */
interface Synced {
  readonly mark: number;
  synced(mark: number): void;
}

/** How much of what was not synced a power cut leaves. */
export type Survival = 'nothing' | 'everything' | 'anything';

const FIRST_CAPACITY = 4096;
const GROWTH = 1.5;
const NEVER: Promise<never> = new Promise(() => undefined);

/** Bytes that grow; what was never written is zero. */
class Bytes {
  size = 0;
  private buffer = Buffer.alloc(0);

  apply(edit: Edit): void {
    const end = edit.kind === 'write' ? edit.at + edit.bytes.length : edit.size;
    if (end > this.buffer.length) {
      const grown = Buffer.alloc(Math.max(FIRST_CAPACITY, Math.ceil(end * GROWTH)));
      this.buffer.copy(grown, 0, 0, this.size);
      this.buffer = grown;
    }
    if (edit.kind === 'write') edit.bytes.copy(this.buffer, edit.at);
    else if (end < this.size) this.buffer.fill(0, end, this.size);
    this.size = edit.kind === 'write' ? Math.max(this.size, end) : end;
  }

  copy(): Bytes {
    const copy = new Bytes();
    copy.apply({ kind: 'write', at: 0, bytes: this.content() });
    return copy;
  }

  content(): Buffer {
    return Buffer.from(this.buffer.subarray(0, this.size));
  }
}

class VirtualFile {
  /** As it is read. */
  size = 0;
  private durable = new Bytes();
  private edits: Edit[] = [];
  private settled = 0;
  /** Set once it is not durable bytes and edits any more: after a failed sync. */
  private cache: Bytes | null = null;

  edit(edit: Edit): void {
    this.edits.push(edit);
    this.cache?.apply(edit);
    this.size = edit.kind === 'write' ? Math.max(this.size, edit.at + edit.bytes.length) : edit.size;
  }

  content(): Buffer {
    return this.cached().content();
  }

  /** What a sync that begins now is about: edits up to here. */
  get mark(): number {
    return this.settled + this.edits.length;
  }

  synced(mark: number): void {
    for (const edit of this.upTo(mark)) this.durable.apply(edit);
  }

  syncFailed(mark: number, chance: Chance): void {
    this.cache = this.cached();
    for (const edit of this.upTo(mark)) this.keepPart(edit, 'anything', chance);
  }

  powerCut(survival: Survival, chance: Chance): void {
    for (const edit of this.upTo(this.mark)) this.keepPart(edit, survival, chance);
    this.cache = null;
    this.size = this.durable.size;
  }

  private upTo(mark: number): Edit[] {
    const edits = this.edits.splice(0, Math.max(0, mark - this.settled));
    this.settled += edits.length;
    return edits;
  }

  private keepPart(edit: Edit, survival: Survival, chance: Chance): void {
    const fate = survival === 'anything' ? chance.pick(['nothing', 'everything', 'part'] as const) : survival;
    if (fate === 'everything') this.durable.apply(edit);
    else if (fate === 'part' && edit.kind === 'write') this.durable.apply({ ...edit, bytes: edit.bytes.subarray(0, chance.int(0, edit.bytes.length)) });
  }

  private cached(): Bytes {
    const bytes = (this.cache ?? this.durable).copy();
    if (this.cache === null) for (const edit of this.edits) bytes.apply(edit);
    return bytes;
  }
}

class Directory {
  readonly names = new Map<string, VirtualFile>();
  private readonly durable = new Map<string, VirtualFile>();
  private edits: Naming[] = [];
  private settled = 0;

  name(edit: Naming): void {
    apply(this.names, edit);
    this.edits.push(edit);
  }

  get mark(): number {
    return this.settled + this.edits.length;
  }

  synced(mark: number): void {
    const edits = this.edits.splice(0, Math.max(0, mark - this.settled));
    this.settled += edits.length;
    for (const edit of edits) apply(this.durable, edit);
  }

  powerCut(survival: Survival, chance: Chance): void {
    this.settled += this.edits.length;
    for (const edit of this.edits.splice(0)) if (survival === 'everything' || (survival === 'anything' && chance.hit(0.5))) apply(this.durable, edit);
    this.names.clear();
    for (const [name, file] of this.durable) this.names.set(name, file);
  }
}

function apply(names: Map<string, VirtualFile>, { from, to, file }: Naming): void {
  if (from !== null && names.get(from) === file) names.delete(from);
  if (file === null) names.delete(to);
  else names.set(to, file);
}

export class VirtualDisk {
  /** Files may not be longer than this in sum. */
  capacityBytes = Number.POSITIVE_INFINITY;
  /** Set: every sync fails with it. */
  syncError: string | null = null;
  syncMs: () => number = () => 1;
  private readonly directories = new Map<string, Directory>();
  private readonly open = new Map<number, VirtualFile>();
  private nextHandle = 3;
  private boots = 0;

  constructor(
    private readonly clock: Clock,
    private readonly chance: Chance,
  ) {}

  /** No room but for `bytes` more. */
  fill(bytes = 0): void {
    this.capacityBytes = this.used() + bytes;
  }

  /** It is as good as new; what was lost stays lost. */
  mend(): void {
    this.capacityBytes = Number.POSITIVE_INFINITY;
    this.syncError = null;
    this.syncMs = () => 1;
  }

  /** Why checkpoints may fail now; null: they do not. */
  get trouble(): string | null {
    return this.syncError ?? (this.capacityBytes === Number.POSITIVE_INFINITY ? null : 'it is full');
  }

  /** The machine stops at once: handles are gone, and all that was not synced is lost, or a part of it. */
  powerCut(survival: Survival = 'anything'): void {
    this.boots += 1;
    this.open.clear();
    for (const directory of this.directories.values()) {
      const files = new Set(directory.names.values());
      directory.powerCut(survival, this.chance);
      for (const file of directory.names.values()) files.add(file);
      for (const file of files) file.powerCut(survival, this.chance);
    }
  }

  /** As somebody reads it now. */
  read(path: string): Buffer | null {
    return this.file(path)?.content() ?? null;
  }

  paths(): string[] {
    return [...this.directories.values()].flatMap(({ names }) => [...names.keys()]);
  }

  /**
   * The disk as one process sees it: once that is dead, nothing that its code still does has an effect, and no sync ends. `atPort` is
   * called before and after the effect of each change, and may kill it.
   */
  mount(isAlive: () => boolean, atPort: () => void = () => undefined): Disk {
    const change = <T>(dead: T, work: () => T): T => {
      if (isAlive()) atPort();
      if (!isAlive()) return dead;
      const result = work();
      atPort();
      return result;
    };
    const sync = (of: Synced, failed: (mark: number) => void): Promise<void> => {
      if (!isAlive()) return NEVER;
      const { boots } = this;
      const { mark } = of;
      return new Promise((resolve, reject) => {
        this.clock.after(this.syncMs(), () => {
          if (isAlive()) atPort();
          if (!isAlive() || this.boots !== boots) return;
          const error = this.syncError;
          if (error === null) of.synced(mark);
          else failed(mark);
          atPort();
          if (!isAlive()) return;
          if (error === null) resolve();
          else reject(new DiskError('EIO', error));
        });
      });
    };
    return {
      read: (path) => this.read(path),
      exists: (path) => this.file(path) !== undefined,
      makeDirectory: (path) =>
        change(undefined, () => {
          this.directories.set(path, this.directories.get(path) ?? new Directory());
        }),
      open: (path) => change(0, () => this.openFile(path)),
      write: (handle, bytes, at) => change(undefined, () => this.write(handle, bytes, at)),
      truncate: (handle, size) => change(undefined, () => this.open.get(handle)?.edit({ kind: 'truncate', size })),
      close: (handle) => change(undefined, () => void this.open.delete(handle)),
      rename: (from, to) => change(undefined, () => this.name(from, to, true)),
      link: (from, to) => change(undefined, () => this.name(from, to, false)),
      remove: (path) =>
        change(undefined, () => {
          if (this.file(path) !== undefined) this.directory(path).name({ from: null, to: path, file: null });
        }),
      sync: (handle) => {
        const file = this.open.get(handle) ?? new VirtualFile();
        return sync(file, (mark) => file.syncFailed(mark, this.chance));
      },
      syncDirectory: (path) => sync(this.directories.get(path) ?? new Directory(), () => undefined),
      gather: (work) => void this.clock.after(0, () => isAlive() && work()),
    };
  }

  private openFile(path: string): number {
    const directory = this.directory(path);
    let file = directory.names.get(path);
    if (file === undefined) {
      if (this.used() >= this.capacityBytes) throw noSpace();
      file = new VirtualFile();
      directory.name({ from: null, to: path, file });
    }
    this.open.set(this.nextHandle, file);
    return this.nextHandle++;
  }

  private write(handle: number, bytes: Buffer, at: number): void {
    const file = this.open.get(handle);
    if (file === undefined) throw new DiskError('EBADF', 'bad file descriptor');
    const room = this.capacityBytes === Number.POSITIVE_INFINITY ? bytes.length : Math.max(0, this.capacityBytes - this.used() + file.size - at);
    file.edit({ kind: 'write', at, bytes: room < bytes.length ? bytes.subarray(0, room) : bytes });
    if (room < bytes.length) throw noSpace();
  }

  private name(from: string, to: string, isMove: boolean): void {
    const file = this.file(from);
    if (file === undefined) throw new DiskError('ENOENT', `no such file: ${from}`);
    const there = this.directory(to);
    there.name({ from: isMove && there === this.directory(from) ? from : null, to, file });
    if (isMove && there !== this.directory(from)) this.directory(from).name({ from: null, to: from, file: null });
  }

  private used(): number {
    const files = new Set([...this.directories.values()].flatMap(({ names }) => [...names.values()]));
    return [...files].reduce((sum, file) => sum + file.size, 0);
  }

  private file(path: string): VirtualFile | undefined {
    return this.directories.get(dirname(path))?.names.get(path);
  }

  private directory(path: string): Directory {
    const directory = this.directories.get(dirname(path));
    if (directory === undefined) throw new DiskError('ENOENT', `no such directory: ${dirname(path)}`);
    return directory;
  }
}

class DiskError extends Error {
  constructor(
    readonly code: string,
    message: string,
  ) {
    super(`${code}: ${message}`);
  }
}

const noSpace = (): DiskError => new DiskError('ENOSPC', 'no space left on device');
