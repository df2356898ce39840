/**
 * Brings one artifact into a sandbox: find its place, get the bytes, check them, then make it executable or unpack it.
 *
 * An executable is not unpacked (Marathon: `executable` wins). The archive itself stays beside its content, as in Mesos.
 */
import { chmod, lchown, readdir, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import type { Artifact } from '@ekiden/model';
import { checkDigest } from './digest.js';
import type { Download } from './download.js';
import { extractArchive } from './extract-archive.js';
import type { FetchCache } from './fetch-cache.js';
import { fetchTarget } from './fetch-target.js';
import { copyAsUser } from './read-as-user.js';
import { findUser } from './system-users.js';

export interface FetchOptions {
  readonly cache: FetchCache;
  readonly download: Download;
  readonly maxBytes: number;
  /** Below these a `file:` URI may lie; none: refused. */
  readonly fileDirs: readonly string[];
}

export interface FetchOrder extends FetchOptions {
  /** Ends the fetch: its task was killed. */
  readonly stop: AbortSignal;
  /** Told often what is going on; only who wants to know it makes the words. */
  readonly tell: (describe: () => string) => void;
}

/** Rejects with a message that names the URI and the reason. */
export async function fetchArtifact(sandbox: string, artifact: Artifact, user: string | null, order: FetchOrder): Promise<void> {
  const uri = withoutPassword(artifact.uri);
  try {
    const target = await fetchTarget(sandbox, artifact);
    await bringChecked(artifact, target, user, order);
    if (artifact.executable) await chmod(target, 0o755);
    else if (artifact.extract) {
      order.tell(() => `unpacking ${basename(target)}`);
      await extractArchive(target, dirname(target));
    }
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new Error(`cannot fetch ${uri}: ${order.stop.aborted ? 'its task was stopped' : why}`, { cause: error });
  }
}

/** The file is whole and what the app says when it resolves, or not there. */
async function bringChecked(artifact: Artifact, target: string, user: string | null, order: FetchOrder): Promise<void> {
  try {
    await unlessStopped(bring(artifact, target, user, order), order.stop);
    if (artifact.sha256 !== null) await checkDigest(target, artifact.sha256);
  } catch (error) {
    await rm(target, { force: true });
    throw error;
  }
}

/** What is shared with other tasks goes on without us. */
function unlessStopped(work: Promise<void>, stop: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const stopped = (): void => reject(new Error('its task was stopped'));
    stop.addEventListener('abort', stopped, { once: true });
    if (stop.aborted) stopped();
    work.then(resolve, reject).finally(() => stop.removeEventListener('abort', stopped));
  });
}

/**
 * Everything below the sandbox belongs to the task's user; the sandbox itself only from the launch on, so that until then none of
 * the user's processes can put something else in the way. Links are changed themselves, not followed.
 */
export async function giveTo(sandbox: string, user: string): Promise<void> {
  const { uid, gid } = await findUser(user);
  if (uid === process.getuid?.()) return;
  const entries = await readdir(sandbox, { recursive: true, withFileTypes: true });
  for (const entry of entries) await lchown(join(entry.parentPath, entry.name), uid, gid);
}

async function bring(artifact: Artifact, target: string, user: string | null, order: FetchOrder): Promise<void> {
  const { uri } = artifact;
  const { cache, download, fileDirs, maxBytes, stop, tell } = order;
  if (/^https?:\/\//i.test(uri)) {
    const shown = withoutPassword(uri);
    const onProgress = (bytes: number, total: number | null): void => tell(() => `fetching ${shown}: ${amount(bytes, total)}`);
    tell(() => `fetching ${shown}`);
    return artifact.cache ? cache.copyTo(artifact, target, { stop, onProgress }) : download(uri, target, { stop, onProgress });
  }
  if (/^file:/i.test(uri) || uri.startsWith('/')) {
    tell(() => `copying ${uri}`);
    return copyAsUser(uri, target, fileDirs, user, maxBytes);
  }
  throw new Error('only http, https and (where the operator allows it) file are fetched');
}

const MIB = 1024 * 1024;
const amount = (bytes: number, total: number | null): string =>
  total === null ? `${(bytes / MIB).toFixed(1)} MiB` : `${(bytes / MIB).toFixed(1)} of ${(total / MIB).toFixed(1)} MiB`;

/** A URI is shown to more people than may know what is in it. */
const withoutPassword = (uri: string): string => uri.replace(/^([a-z][a-z0-9+.-]*:\/\/)[^/?#]*@/i, '$1***@');
