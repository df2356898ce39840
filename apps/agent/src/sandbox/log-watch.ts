/**
 * Tells when a log may have grown, or its task may have ended: the kernel says so, and a slow look makes up for what it does not say.
 *
 * Where nothing can be watched (a file system without it, too many watches on this machine, a sandbox that is not there yet) the
 * looks come more often.
 */
import { watch, type FSWatcher } from 'node:fs';
import { dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { END_MARK } from './fs-sandboxes.js';

/** Between two looks when the kernel says nothing. */
export const LOG_CHECK_MS = 5_000;
/** The same where the kernel cannot be asked. */
export const UNWATCHED_CHECK_MS = 500;
/** Between two looks at the least: a task that writes without pause is read in larger pieces, not more often. */
export const MIN_LOOK_MS = 50;

export interface LogWatch {
  /** Resolves at the next change since the last call, or when it is time to look anyway, or at once when the signal is given. */
  changed(gone: AbortSignal): Promise<void>;
  close(): void;
}

export function watchLog(sandbox: string, name: string): LogWatch {
  const watchers = new Map<string, FSWatcher>();
  let isChanged = false;
  let wake: () => void = () => undefined;
  const ring = (): void => {
    isChanged = true;
    wake();
  };
  /** The directories and not the files, which the task may replace, also by links to anywhere. */
  const attach = (directory: string, file: string): void => {
    if (watchers.has(directory)) return;
    try {
      const watcher = watch(directory, { persistent: false }, (_kind, changed) => {
        if (changed === file) ring();
      });
      watchers.set(directory, watcher);
      watcher.on('error', () => {
        watcher.close();
        watchers.delete(directory);
      });
    } catch {
      // Not there yet, or no watch to be had: the next look tries again.
    }
  };
  const attachAll = (): boolean => {
    attach(sandbox, name);
    attach(dirname(sandbox), END_MARK);
    return watchers.size === 2;
  };
  attachAll();
  return {
    changed: async (gone) => {
      await sleep(MIN_LOOK_MS, undefined, { signal: gone }).catch(() => undefined); // nobody follows any more: at once
      const wasWatched = watchers.size === 2;
      const isWatched = attachAll();
      // What happened before the watch was there has to be looked at.
      if (!isChanged && !gone.aborted && wasWatched === isWatched) {
        await new Promise<void>((resolve) => {
          const done = (): void => {
            clearTimeout(timer);
            gone.removeEventListener('abort', done);
            wake = () => undefined;
            resolve();
          };
          const timer = setTimeout(done, isWatched ? LOG_CHECK_MS : UNWATCHED_CHECK_MS);
          gone.addEventListener('abort', done);
          wake = done;
        });
      }
      isChanged = false;
    },
    close: () => {
      for (const watcher of watchers.values()) watcher.close();
      watchers.clear();
    },
  };
}
