/**
 * Which images of an engine this agent has brought there: written down before each pull with what was there by then, and after it with what
 * has come. So an image that somebody else has pulled, or made, is never taken for ours, also when the agent is killed in between.
 *
 * One small file, replaced as a whole. Where it cannot be written, an image is nobody's of ours, and stays.
 */
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Log } from '@ekiden/model';
import { hasCode } from '../cgroup-driver.js';
import { reasonOf } from '../reason-of.js';
import { fieldIn, numberIn, textIn } from './engine-client.js';

export interface OwnImage {
  readonly imageId: string;
  /** Under which it was pulled. */
  readonly references: readonly string[];
  /** By which tasks know it. */
  readonly digests: readonly string[];
  /** When a task last asked for it: epoch ms. */
  readonly usedAt: number;
}

/** A pull that has begun: `before` are the ids of all images that were there. */
export interface BegunPull {
  readonly reference: string;
  readonly before: readonly string[];
}

export interface ImageLedger {
  begin(pull: BegunPull): void;
  /** `image` null: it has failed. */
  end(reference: string, image: { readonly imageId: string; readonly digest: string } | null): void;
  /** Nothing of one that is not ours. */
  used(image: { readonly imageId: string; readonly digest: string }): void;
  forget(imageId: string): void;
  /** The least recently used first. */
  images(): readonly OwnImage[];
  /** Of an agent that was killed. */
  leftPulls(): readonly BegunPull[];
}

/** The version of the file (decision 10). */
const LEDGER_VERSION = 1;
const FILE = 'images.json';

export function openImageLedger(dir: string, log: Log, now: () => number): ImageLedger {
  mkdirSync(dir, { recursive: true, mode: 0o700 });
  const file = join(dir, FILE);
  const read = readLedger(file, log);
  const images = new Map(read.images.map((image) => [image.imageId, image]));
  const pulls = new Map(read.pulls.map((pull) => [pull.reference, pull]));
  /** How many of this agent's wait for each. */
  const waiting = new Map<string, number>();

  function save(): void {
    try {
      writeFileSync(`${file}.new`, JSON.stringify({ v: LEDGER_VERSION, images: [...images.values()], pulls: [...pulls.values()] }), { mode: 0o600 });
      renameSync(`${file}.new`, file);
    } catch (error) {
      log.warn('image-ledger-not-written', { why: reasonOf(error) });
    }
  }

  function own(imageId: string, digest: string, reference: string | null): void {
    const known = images.get(imageId);
    const references = [...new Set([...(known?.references ?? []), ...(reference === null ? [] : [reference])])];
    images.set(imageId, { imageId, references, digests: [...new Set([...(known?.digests ?? []), digest])], usedAt: now() });
  }

  return {
    begin(pull) {
      waiting.set(pull.reference, (waiting.get(pull.reference) ?? 0) + 1);
      // What was there before the first of them counts for all.
      if (!pulls.has(pull.reference)) pulls.set(pull.reference, pull);
      save();
    },
    end(reference, image) {
      const before = pulls.get(reference)?.before;
      const others = (waiting.get(reference) ?? 1) - 1;
      if (others > 0) waiting.set(reference, others);
      else {
        waiting.delete(reference);
        pulls.delete(reference);
      }
      if (image !== null && (images.has(image.imageId) || before?.includes(image.imageId) === false)) own(image.imageId, image.digest, reference);
      save();
    },
    used({ imageId, digest }) {
      if (!images.has(imageId)) return;
      own(imageId, digest, null);
      save();
    },
    forget(imageId) {
      if (images.delete(imageId)) save();
    },
    images: () => [...images.values()].toSorted((a, b) => a.usedAt - b.usedAt),
    leftPulls: () => [...pulls.values()].filter(({ reference }) => !waiting.has(reference)),
  };
}

/** What cannot be read is set aside: then no image is ours. */
function readLedger(file: string, log: Log): { readonly images: readonly OwnImage[]; readonly pulls: readonly BegunPull[] } {
  try {
    return parseLedger(readFileSync(file, 'utf8'));
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return { images: [], pulls: [] };
    log.error('image-ledger-set-aside', { why: reasonOf(error) });
    renameSync(file, `${file}.damaged`);
    return { images: [], pulls: [] };
  }
}

/** Pure. Throws what is wrong with it. */
export function parseLedger(text: string): { readonly images: readonly OwnImage[]; readonly pulls: readonly BegunPull[] } {
  const read: unknown = JSON.parse(text);
  if (numberIn(read, 'v') !== LEDGER_VERSION) throw new Error(`it is no ledger of version ${LEDGER_VERSION}`);
  return {
    images: listIn(read, 'images').map((each) => ({
      imageId: textIn(each, 'imageId'),
      references: textsIn(each, 'references'),
      digests: textsIn(each, 'digests'),
      usedAt: numberIn(each, 'usedAt'),
    })),
    pulls: listIn(read, 'pulls').map((each) => ({ reference: textIn(each, 'reference'), before: textsIn(each, 'before') })),
  };
}

function listIn(value: unknown, name: string): readonly unknown[] {
  const found = fieldIn(value, name);
  return Array.isArray(found) ? found : [];
}

const textsIn = (value: unknown, name: string): readonly string[] => listIn(value, name).filter((each) => typeof each === 'string');
