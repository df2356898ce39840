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

/** Of one that no task uses. `usedShare` is asked only where age does not settle it. */
export function isOverdue({ usedAt }: { readonly usedAt: number }, { now, keepMs, maxUsedShare }: CollectPolicy, usedShare: () => number): boolean {
  const unusedMs = now - usedAt;
  return unusedMs >= MIN_UNUSED_MS && (unusedMs > keepMs || usedShare() > maxUsedShare);
}

/** Answers how many were removed. Not to be called while a pull is under way: its blobs belong to no image yet. */
export function collectImages(files: ImageFiles, inUse: ReadonlySet<string>, policy: CollectPolicy, log: Log): number {
  let removed = 0;
  for (const { digest, usedAt } of files.images()) {
    if (inUse.has(digest) || !isOverdue({ usedAt }, policy, () => files.usedShare())) continue;
    files.removeImage(digest);
    files.removeUnreferenced();
    removed += 1;
    log.info('image-removed', { digest, unusedMs: policy.now - usedAt });
  }
  if (removed === 0) files.removeUnreferenced();
  return removed;
}
