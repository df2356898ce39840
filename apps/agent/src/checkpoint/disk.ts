/**
 * All that the checkpoints do to a disk: the real one here, a virtual one in the simulator, which loses what was not synced.
 *
 * Only the syncs are asynchronous: they are what takes time. The rest goes to the page cache in microseconds, where a trip
 * through the thread pool costs more than the work itself.
 */
import {
  closeSync,
  constants,
  existsSync,
  fdatasync,
  fsync,
  fsyncSync,
  ftruncateSync,
  linkSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeSync,
} from 'node:fs';
import { dirname } from 'node:path';
import { promisify } from 'node:util';
import { makeStateDirectory } from '@ekiden/service';
import { errorCode } from '../error-code.js';

/** Errors are the system's, with their `code`. Nothing is durable before its sync: a power cut may keep any part of the rest. */
export interface Disk {
  /** The whole content; null when no such file is there. */
  read(path: string): Buffer | null;
  exists(path: string): boolean;
  /** For its owner alone, in a directory that is there; its name is durable. One that is there stays. */
  makeDirectory(path: string): void;
  /** For writing, by its owner alone; made if it is not there; its content stays. */
  open(path: string): number;
  /** All of it, or throws; then a part of it may be written. `bytes` do not change afterwards. */
  write(file: number, bytes: Buffer, at: number): void;
  truncate(file: number, size: number): void;
  /** The content, and what is needed to read it again, is durable when it resolves; its name is not. */
  sync(file: number): Promise<void>;
  close(file: number): void;
  /** Takes the place of what is there. */
  rename(from: string, to: string): void;
  /** A second name of the same file. */
  link(from: string, to: string): void;
  /** Harmless when it is not there. */
  remove(path: string): void;
  /** The names in it are durable when it resolves. */
  syncDirectory(path: string): Promise<void>;
  /** Calls `work` once, when everybody who runs now has asked for what they want: they share a sync. */
  gather(work: () => void): void;
}

export const realDisk: Disk = {
  read: (path) => {
    try {
      return readFileSync(path);
    } catch (error) {
      if (errorCode(error) === 'ENOENT') return null;
      throw error;
    }
  },
  exists: existsSync,
  makeDirectory: (path) => {
    const isNew = !existsSync(path);
    makeStateDirectory(path);
    if (!isNew) return;
    const parent = openSync(dirname(path), constants.O_RDONLY);
    try {
      fsyncSync(parent);
    } finally {
      closeSync(parent);
    }
  },
  // Without O_APPEND: what a failed write has left behind is written over.
  open: (path) => openSync(path, constants.O_WRONLY | constants.O_CREAT, 0o600),
  write: (file, bytes, at) => {
    for (let done = 0; done < bytes.length;) done += writeSync(file, bytes, done, bytes.length - done, at + done);
  },
  truncate: ftruncateSync,
  sync: promisify(fdatasync),
  close: closeSync,
  rename: renameSync,
  link: linkSync,
  remove: (path) => rmSync(path, { force: true }),
  syncDirectory: async (path) => {
    const directory = openSync(path, constants.O_RDONLY);
    try {
      await promisify(fsync)(directory);
    } finally {
      closeSync(directory);
    }
  },
  gather: setImmediate,
};
