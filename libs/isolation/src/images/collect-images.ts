/** Which images go: those that nobody has used for long, and while the disk is too full the least recently used of all that are unused. */
import type { Log } from '@ekiden/model';
import type { ImageFiles } from './image-files.js';

export interface CollectPolicy {
  readonly now: number;
  /** Unused for longer: removed. */
  readonly keepMs: number;
  /** 0 to 1. Above it, age does not count. */
  readonly maxUsedShare: number;
}

/** Between the moment when an image is there and the moment when its task is written down. */
export const MIN_UNUSED_MS = 10 * 60 * 1000;

/** Answers how many were removed. Not to be called while a pull is under way: its blobs belong to no image yet. */
export function collectImages(files: ImageFiles, inUse: ReadonlySet<string>, policy: CollectPolicy, log: Log): number {
  let removed = 0;
  for (const { digest, usedAt } of files.images()) {
    const unusedMs = policy.now - usedAt;
    if (inUse.has(digest) || unusedMs < MIN_UNUSED_MS) continue;
    if (unusedMs <= policy.keepMs && files.usedShare() <= policy.maxUsedShare) continue;
    files.removeImage(digest);
    files.removeUnreferenced();
    removed += 1;
    log.info('image-removed', { digest, unusedMs });
  }
  if (removed === 0) files.removeUnreferenced();
  return removed;
}
