/** The parts of the fetcher put together: one cache, and a bound on the downloads of the whole agent. */
import { join } from 'node:path';
import { Slots } from '../tasks/slots.js';
import { download, type Download, type FetchLimits } from './download.js';
import type { FetchOptions } from './fetch-artifact.js';
import { FetchCache } from './fetch-cache.js';

export interface FetcherOptions {
  readonly workDir: string;
  readonly limits: FetchLimits;
  readonly cacheBytes: number;
  /** Downloads at once; the others wait in the order in which they came. */
  readonly parallel: number;
  readonly fileDirs: readonly string[];
}

export function createFetcher({ workDir, limits, cacheBytes, parallel, fileDirs }: FetcherOptions): FetchOptions {
  const slots = new Slots(parallel);
  const bounded: Download = (uri, file, watch) =>
    slots.run(async () => {
      if (watch.stop?.aborted) throw new Error('its task was stopped');
      await download(uri, file, limits, watch);
    });
  return { cache: new FetchCache(join(workDir, 'cache'), cacheBytes, bounded), download: bounded, maxBytes: limits.maxBytes, fileDirs };
}
