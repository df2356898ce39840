/**
 * Removes from an engine what this agent has pulled there and nobody uses, by the policy of images on the machine (images/collect-images.ts).
 *
 * Names go first, then what has no name left: so what somebody else has named, or a container uses, stays, and from then on is not ours.
 */
import { existsSync } from 'node:fs';
import type { Log } from '@ekiden/model';
import { type CollectPolicy, isOverdue } from '../images/collect-images.js';
import { usedShareOf } from '../images/image-files.js';
import { reasonOf } from '../reason-of.js';
import { type EngineClient, EngineRefusal, fieldIn, textIn } from './engine-client.js';
import type { ImageLedger, OwnImage } from './image-ledger.js';

const NOT_FOUND = 404;
const CONFLICT = 409;
const REMOVE_TIMEOUT_MS = 120_000;

/** `storage`: where the engine keeps images, as it says; empty, or not on this machine: only age counts. Answers how many were removed. */
export async function collectEngineImages(
  client: EngineClient,
  ledger: ImageLedger,
  { inUse, policy, storage, log }: { readonly inUse: ReadonlySet<string>; readonly policy: CollectPolicy; readonly storage: string; readonly log: Log },
): Promise<number> {
  const usedShare = (): number => (storage !== '' && existsSync(storage) ? usedShareOf(storage) : 0);
  let removed = 0;
  for (const image of ledger.images()) {
    const isUsed = [image.imageId, ...image.digests].some((digest) => inUse.has(digest));
    if (isUsed || !isOverdue(image, policy, usedShare)) continue;
    try {
      if (!(await remove(client, image))) continue;
      ledger.forget(image.imageId);
      removed += 1;
      log.info('image-removed', { digest: image.digests[0], imageId: image.imageId, unusedMs: policy.now - image.usedAt });
    } catch (error) {
      log.debug('image-not-removed', { imageId: image.imageId, why: reasonOf(error) });
    }
  }
  return removed;
}

/** False: a container uses it, whoever's that is. */
async function remove(client: EngineClient, { imageId, references }: OwnImage): Promise<boolean> {
  for (const reference of references) {
    const named = await inspect(client, reference);
    // Another image may have the name by now.
    if (textIn(named, 'Id') === imageId && !(await removeName(client, reference))) return false;
  }
  const left = await inspect(client, imageId);
  if (left === null) return true;
  const names = fieldIn(left, 'RepoTags');
  const isNamed = Array.isArray(names) && names.some((name) => typeof name === 'string' && !name.startsWith('<none>'));
  return isNamed || (await removeName(client, imageId));
}

async function inspect(client: EngineClient, name: string): Promise<unknown> {
  try {
    return await client.call('GET', `/images/${encodeURIComponent(name)}/json`);
  } catch (error) {
    if (error instanceof EngineRefusal && error.status === NOT_FOUND) return null;
    throw error;
  }
}

/** Without force: false when a container uses it. */
async function removeName(client: EngineClient, name: string): Promise<boolean> {
  try {
    await client.call('DELETE', `/images/${encodeURIComponent(name)}`, { timeoutMs: REMOVE_TIMEOUT_MS });
    return true;
  } catch (error) {
    if (error instanceof EngineRefusal && error.status === NOT_FOUND) return true;
    if (error instanceof EngineRefusal && error.status === CONFLICT) return false;
    throw error;
  }
}
