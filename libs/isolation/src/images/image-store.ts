/**
 * Images by reference: pulled once at a time, unpacked once a manifest, kept while somebody uses them and some time longer.
 *
 *   reference ─► known here? ─► a slot ─► inspect: which digest is it now ─► copy that digest ─► unpack ─► rename ─► remembered
 *
 * What was inspected is what is copied, so a tag that moves in between changes nothing, and who waits for it is told at once. Who asks for an image that is being pulled with
 * the same credentials waits for that pull; it is stopped when nobody waits any more.
 */
import { createHash } from 'node:crypto';
import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Log } from '@ekiden/model';
import type { UnpackedImage } from '../oci/container-spec.js';
import { reasonOf } from '../reason-of.js';
import { takeSandboxAuth, writeAuth } from './auth-file.js';
import { collectImages, type CollectPolicy } from './collect-images.js';
import { openImageFiles } from './image-files.js';
import { parseImageReference } from './image-reference.js';
import { pullImage, type PullProgress, type PullSettings } from './pull-image.js';
import { createSlots } from '../slots.js';

export interface ImageStoreOptions extends PullSettings {
  /** Absolute; private to the store. */
  readonly dir: string;
  readonly log: Log;
  /** A Docker configuration of the operator's, for tasks that bring none; null: none. */
  readonly authFile: string | null;
}

export interface ImageWish {
  readonly reference: string;
  /** Ask the registry even if the image is here. */
  readonly forcePull: boolean;
  /** The same, but where the registry gives no answer, what is here will do. */
  readonly ask?: boolean;
  /** Where credentials may have been fetched to. */
  readonly sandbox: string;
  readonly stop: AbortSignal;
  /** Told when a pull begins, and now and then while it goes on. */
  progress(text: string): void;
  /** Told what the registry calls it, before all of it is here; not told when it was here already. */
  found?(registryDigest: string): void;
}

export interface ImageStore {
  /** Rejects with a message that names the image and the reason. */
  ensure(wish: ImageWish): Promise<UnpackedImage>;
  /** Removes what nobody uses, by age and as the disk fills; answers how many images. `inUse`: digests. */
  collect(inUse: ReadonlySet<string>, policy: CollectPolicy): number;
}

/** Pulls at once; the others wait and say so. */
export const MAX_PULLS = 3;

interface Pull {
  readonly done: Promise<UnpackedImage>;
  readonly listeners: Set<ImageWish>;
  readonly stop: AbortController;
  latest: string;
  registryDigest: string | null;
}

export function openImageStore(options: ImageStoreOptions): ImageStore {
  const files = openImageFiles(options.dir);
  const slots = createSlots(MAX_PULLS);
  /** Those that can be joined. */
  const pulls = new Map<string, Pull>();
  let underWay = 0;

  function begin(wish: ImageWish, auth: string, work: string): Pull {
    const reference = parseImageReference(wish.reference);
    const stop = new AbortController();
    const listeners = new Set<ImageWish>();
    const tell: PullProgress = (text) => {
      pull.latest = text;
      for (const listener of listeners) listener.progress(text);
    };
    const found = (registryDigest: string): void => {
      pull.registryDigest = registryDigest;
      for (const listener of listeners) listener.found?.(registryDigest);
    };
    const pull: Pull = {
      listeners,
      stop,
      latest: !slots.isFull() ? '' : `waiting to pull ${wish.reference}: ${MAX_PULLS} other images are being pulled`,
      registryDigest: null,
      done: slots
        .run(stop.signal, async () => pullImage({ ...options, reference, files, auth, work, stop: stop.signal, found }, tell))
        .finally(() => {
          rmSync(work, { recursive: true, force: true });
        }),
    };
    return pull;
  }

  /** One for each image and credentials. */
  function pullOf(wish: ImageWish, canonical: string): Pull {
    const work = files.workDirectory();
    const auth = credentials(wish, work);
    const key = `${canonical} ${createHash('sha256').update(readFileSync(auth)).digest('hex')}`;
    const running = pulls.get(key);
    if (running !== undefined) {
      rmSync(work, { recursive: true, force: true });
      return running;
    }
    const pull = begin(wish, auth, work);
    pulls.set(key, pull);
    underWay += 1;
    const leave = (): void => {
      if (pulls.get(key) === pull) pulls.delete(key);
    };
    const over = (): void => {
      underWay -= 1;
      leave();
    };
    // Nobody waits for it any more: who comes now begins anew.
    pull.stop.signal.addEventListener('abort', leave, { once: true });
    pull.done.then(over, over);
    return pull;
  }

  function credentials({ sandbox }: ImageWish, work: string): string {
    const own = join(work, 'auth.json');
    if (takeSandboxAuth(sandbox, own)) return own;
    if (options.authFile !== null) return options.authFile;
    writeAuth(own, {});
    return own;
  }

  async function wait(pull: Pull, wish: ImageWish): Promise<UnpackedImage> {
    pull.listeners.add(wish);
    if (pull.latest !== '') wish.progress(pull.latest);
    if (pull.registryDigest !== null) wish.found?.(pull.registryDigest);
    let leave: () => void = () => undefined;
    const left = new Promise<never>((_, reject) => {
      leave = () => reject(new Error('it was stopped'));
      wish.stop.addEventListener('abort', leave, { once: true });
    });
    try {
      return await Promise.race([pull.done, left]);
    } finally {
      wish.stop.removeEventListener('abort', leave);
      pull.listeners.delete(wish);
      if (pull.listeners.size === 0) pull.stop.abort();
    }
  }

  async function find(wish: ImageWish): Promise<UnpackedImage> {
    const reference = parseImageReference(wish.reference);
    const here = wish.forcePull ? null : files.known(reference);
    if (here !== null && wish.ask !== true) return here;
    try {
      return await wait(pullOf(wish, reference.canonical), wish);
    } catch (error) {
      if (here === null || wish.stop.aborted) throw error;
      options.log.warn('registry-not-asked', { image: wish.reference, why: reasonOf(error), taken: here.registryDigest });
      return here;
    }
  }

  return {
    async ensure(wish) {
      try {
        wish.stop.throwIfAborted();
        const image = await find(wish);
        files.touch(image.digest, new Date());
        return image;
      } catch (error) {
        throw new Error(`the image ${wish.reference} cannot be had: ${reasonOf(error)}`, { cause: error });
      }
    },
    collect: (inUse, policy) => (underWay > 0 ? 0 : collectImages(files, inUse, policy, options.log)),
  };
}
