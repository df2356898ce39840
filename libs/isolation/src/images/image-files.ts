/**
 * The image store on disk.
 *
 *   blobs/sha256/…          layers, configurations and manifests, shared by all images
 *   rootfs/<digest>/        one a manifest, unpacked once: `rootfs`, and `image.json`, whose time of change is that of the last use
 *   refs/<name>.json        what a reference meant when it was last pulled
 *   work/                   pulls and unpacks under way; emptied at the start
 *
 * What is named `rootfs/<digest>` is whole, since it was renamed to that; a reference to an image that is gone counts for nothing.
 */
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, readdirSync, renameSync, rmSync, statSync, statfsSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { hasCode } from '../cgroup-driver.js';
import type { ImageConfig, UnpackedImage } from '../oci/container-spec.js';
import { readImageConfig } from '../oci/image-config.js';
import type { ImageReference } from './image-reference.js';

export const STORE_VERSION = 1;

/** Of an unpacked image. */
export interface StoredImage {
  readonly v: number;
  readonly config: ImageConfig;
  /** Hexadecimal names of its blobs. */
  readonly blobs: readonly string[];
}

export interface StoredReference {
  readonly v: number;
  readonly reference: string;
  /** What the registry calls it. */
  readonly registryDigest: string;
  /** `sha256:…` of the manifest for this machine. */
  readonly digest: string;
}

export type ImageFiles = ReturnType<typeof openImageFiles>;

/** Makes the directories, and forgets what was under way. */
export function openImageFiles(dir: string) {
  const at = (...names: string[]): string => join(dir, ...names);
  rmSync(at('work'), { recursive: true, force: true });
  for (const name of ['', 'blobs', 'blobs/sha256', 'rootfs', 'refs', 'work']) mkdirSync(at(name), { recursive: true, mode: 0o700 });
  const imageDir = (digest: string): string => at('rootfs', hexOf(digest));
  const refFile = (reference: string): string => at('refs', `${createHash('sha256').update(reference).digest('hex')}.json`);
  const storedImage = (digest: string): StoredImage | null => readJson(join(imageDir(digest), 'image.json'), isStoredImage);
  const reference = (name: string): StoredReference | null => readJson(refFile(name), isStoredReference);
  const find = (digest: string): UnpackedImage | null => {
    const stored = storedImage(digest);
    return stored === null ? null : { digest, rootfs: join(imageDir(digest), 'rootfs'), config: stored.config };
  };
  let works = 0;

  return {
    blobs: at('blobs'),
    blobPath: (hex: string) => at('blobs/sha256', hex),
    /** A new empty directory. */
    workDirectory(): string {
      works += 1;
      const path = at('work', `${works}`);
      mkdirSync(path, { mode: 0o700 });
      return path;
    },
    storedImage,
    find,
    /** Marks it as used now, so that it outlives the next collections. */
    touch(digest: string, now: Date): void {
      utimesSync(join(imageDir(digest), 'image.json'), now, now);
    },
    /** Takes over what was unpacked into `work`, which has `rootfs` in it. */
    adopt(work: string, digest: string, image: Omit<StoredImage, 'v'>): void {
      writeFileSync(join(work, 'image.json'), JSON.stringify({ v: STORE_VERSION, ...image }), { mode: 0o600 });
      renameSync(work, imageDir(digest));
    },
    reference,
    /** What the name meant when it was last pulled, if that is here; by a digest also what its tag meant then, where that is it. */
    known({ registry, repository, canonical, digest, tag }: ImageReference): UnpackedImage | null {
      const stored = reference(canonical) ?? (digest === null || tag === null ? null : reference(`${registry}/${repository}:${tag}`));
      if (stored === null || (digest !== null && stored.registryDigest !== digest)) return null;
      const image = find(stored.digest);
      return image === null ? null : { ...image, registryDigest: stored.registryDigest };
    },
    setReference(reference: StoredReference): void {
      writeFileSync(`${refFile(reference.reference)}.new`, JSON.stringify(reference), { mode: 0o600 });
      renameSync(`${refFile(reference.reference)}.new`, refFile(reference.reference));
    },
    /** Digests, least recently used first. */
    images(): readonly { readonly digest: string; readonly usedAt: number }[] {
      const images = readdirSync(at('rootfs')).map((hex) => ({ digest: `sha256:${hex}`, usedAt: timeOf(at('rootfs', hex, 'image.json')) }));
      return images.sort((a, b) => a.usedAt - b.usedAt);
    },
    /** Renamed first: what has the name is whole. */
    removeImage(digest: string): void {
      works += 1;
      const gone = at('work', `${works}`);
      renameSync(imageDir(digest), gone);
      rmSync(gone, { recursive: true, force: true });
    },
    /** Blobs of no image, and references to no image. Answers how many blobs. */
    removeUnreferenced(): number {
      const kept = new Set(readdirSync(at('rootfs')).flatMap((hex) => storedImage(`sha256:${hex}`)?.blobs ?? []));
      const surplus = readdirSync(at('blobs/sha256')).filter((hex) => !kept.has(hex));
      for (const hex of surplus) rmSync(at('blobs/sha256', hex), { force: true });
      for (const name of readdirSync(at('refs'))) {
        const reference = readJson(at('refs', name), isStoredReference);
        if (reference === null || !existsSync(imageDir(reference.digest))) rmSync(at('refs', name), { force: true });
      }
      return surplus.length;
    },
    /** 0 to 1, of what others than root may use. */
    usedShare: (): number => usedShareOf(dir),
    freeBytes(): number {
      const { bavail, bsize } = statfsSync(dir);
      return bavail * bsize;
    },
    sizeOf: (path: string): number => sizeOf(path),
    readBlob: (digest: string): string => readFileSync(at('blobs/sha256', hexOf(digest)), 'utf8'),
    readConfigBlob: (digest: string): ImageConfig => readImageConfig(readFileSync(at('blobs/sha256', hexOf(digest)), 'utf8')),
  };
}

/** Throws on what is no digest: it becomes part of a path. */
export function hexOf(digest: string): string {
  const hex = /^sha256:([0-9a-f]{64})$/.exec(digest)?.[1];
  if (hex === undefined) throw new Error(`"${digest.slice(0, 100)}" is no sha256 digest`);
  return hex;
}

/** 0 when it is not there. */
function sizeOf(path: string): number {
  try {
    return statSync(path).size;
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return 0;
    throw error;
  }
}

function timeOf(path: string): number {
  try {
    return statSync(path).mtimeMs;
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return 0;
    throw error;
  }
}

/** Null when it is not there, or is not what it should be: the image is then pulled again. */
function readJson<T>(path: string, is: (value: unknown) => value is T): T | null {
  try {
    const value: unknown = JSON.parse(readFileSync(path, 'utf8'));
    return is(value) ? value : null;
  } catch (error) {
    if (hasCode(error, 'ENOENT') || error instanceof SyntaxError) return null;
    throw error;
  }
}

const hasVersion = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && 'v' in value && value.v === STORE_VERSION;

const isStoredImage = (value: unknown): value is StoredImage => hasVersion(value) && typeof value['config'] === 'object' && Array.isArray(value['blobs']);

const isStoredReference = (value: unknown): value is StoredReference =>
  hasVersion(value) && ['reference', 'registryDigest', 'digest'].every((name) => typeof value[name] === 'string');

/** Of the disk that a directory is on, 0 to 1, as users without root see it. */
export function usedShareOf(dir: string): number {
  const { blocks, bavail, bfree } = statfsSync(dir);
  return 1 - bavail / Math.max(1, blocks - bfree + bavail);
}
