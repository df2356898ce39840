/**
 * Images of a container engine: asked for by reference, pulled by the engine, told with their digest and how they want to be run.
 *
 *   reference ─► known there? ─► a slot ─► pull, with the task's or the operator's login ─► what is it now
 *
 * The engine shares what two pulls have in common. What has come by a pull of ours is written down, and collected when nobody uses it. What
 * was made in it and never pushed is run as it is: no registry is asked about a name that may be somebody else's there.
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Log } from '@ekiden/model';
import { readAuths, takeSandboxAuth } from '../images/auth-file.js';
import type { CollectPolicy } from '../images/collect-images.js';
import { type ImageReference, parseImageReference } from '../images/image-reference.js';
import { type ImageWish, MAX_PULLS } from '../images/image-store.js';
import type { EngineImage } from '../oci/container-spec.js';
import { readImageConfig } from '../oci/image-config.js';
import { reasonOf } from '../reason-of.js';
import { createSlots } from '../slots.js';
import { collectEngineImages } from './collect-engine-images.js';
import { type EngineClient, EngineRefusal, fieldIn, textIn } from './engine-client.js';
import type { ImageLedger } from './image-ledger.js';
import { createPullProgress } from './pull-progress.js';

export interface EngineImages {
  /** Rejects with a message that names the image and the reason. */
  ensure(wish: ImageWish): Promise<EngineImage>;
  /** Removes what this agent has pulled and nobody uses; answers how many images. `inUse`: digests. Rejects while the engine is away. */
  collect(inUse: ReadonlySet<string>, policy: CollectPolicy): Promise<number>;
}

export interface EngineImageOptions {
  readonly client: EngineClient;
  /** A Docker configuration of the operator's, for tasks that bring none; null: none. */
  readonly authFile: string | null;
  readonly stallMs: number;
  readonly maxImageBytes: number;
  /** Of what it has pulled; absent: nothing is collected. */
  readonly collecting?: { readonly ledger: ImageLedger; /** Where the engine keeps images, as it says. */ readonly storage: string; readonly log: Log };
}

const NOT_FOUND = 404;
/** Between the head of a pull and its first word the engine asks the registry. */
const MAX_LINE_CHARACTERS = 64 * 1024;
/** As Docker calls its own registry where it keeps logins. */
const DOCKER_HUB_LOGIN = 'https://index.docker.io/v1/';

export function openEngineImages(options: EngineImageOptions): EngineImages {
  const { client } = options;
  const slots = createSlots(MAX_PULLS);
  const ledger = options.collecting?.ledger ?? null;
  let underWay = 0;

  /** By its name; by a digest also what was made in this engine, which no registry has. */
  async function find(reference: ImageReference): Promise<EngineImage | null> {
    return (await inspect(reference.canonical, reference)) ?? (reference.digest === null ? null : await inspect(reference.digest, reference));
  }

  async function inspect(name: string, reference: ImageReference): Promise<EngineImage | null> {
    try {
      return readEngineImage(await client.call('GET', `/images/${encodeURIComponent(name)}/json`), reference);
    } catch (error) {
      if (error instanceof EngineRefusal && error.status === NOT_FOUND) return null;
      throw error;
    }
  }

  /** What the tag means now is known before the pull where the engine asks for us (podman does not), and holds if the tag moves meanwhile. */
  async function pullAsked(reference: ImageReference, wish: ImageWish): Promise<EngineImage> {
    const login = loginFor(reference, authsOf(wish.sandbox, options.authFile));
    const digest = wish.ask === true && reference.digest === null ? await ask(reference, login, wish) : null;
    if (digest === null) return await pull(reference, login, wish);
    const exact = { ...reference, digest, canonical: `${reference.registry}/${reference.repository}@${digest}` };
    const here = await inspect(exact.canonical, exact);
    if (here !== null) return here;
    wish.found?.(digest);
    await pull(reference, login, wish);
    return (await inspect(exact.canonical, exact)) ?? (await pull(exact, login, wish));
  }

  /** Null: the engine cannot say; a pull tells why. */
  async function ask(reference: ImageReference, login: string | null, { stop }: ImageWish): Promise<string | null> {
    try {
      const path = `/distribution/${encodeURIComponent(reference.canonical)}/json`;
      const answer = await client.stream('GET', path, { headers: headersOf(login), stop, stallMs: options.stallMs });
      const digest = textIn(fieldIn(JSON.parse(await textOf(answer)), 'Descriptor'), 'digest');
      return /^sha256:[0-9a-f]{64}$/.test(digest) ? digest : null;
    } catch (error) {
      if (stop.aborted) throw error;
      return null;
    }
  }

  async function carryOut(reference: ImageReference, login: string | null, wish: ImageWish): Promise<EngineImage> {
    wish.progress(`pulling ${reference.canonical}: asking the engine`);
    const answer = await client.stream('POST', `/images/create?fromImage=${encodeURIComponent(reference.canonical)}`, {
      headers: headersOf(login),
      stop: wish.stop,
      stallMs: options.stallMs,
    });
    const progress = createPullProgress(reference.canonical, options.maxImageBytes, (text) => wish.progress(text));
    const leave = (): void => void answer.destroy(new Error('it was stopped'));
    wish.stop.addEventListener('abort', leave, { once: true });
    try {
      // Its end without a word is success, and so is what is there afterwards.
      for await (const line of createInterface({ input: answer, crlfDelay: Number.POSITIVE_INFINITY })) {
        if (line.length <= MAX_LINE_CHARACTERS) progress.take(line);
      }
      if (answer.errored !== null) throw answer.errored;
    } finally {
      wish.stop.removeEventListener('abort', leave);
      answer.destroy();
    }
    const found = await find(reference);
    if (found === null) throw new Error('it was pulled, and the container engine does not have it');
    return found;
  }

  /** Written down before and after. */
  async function pull(reference: ImageReference, login: string | null, wish: ImageWish): Promise<EngineImage> {
    if (ledger === null) return await carryOut(reference, login, wish);
    underWay += 1;
    try {
      ledger.begin({ reference: reference.canonical, before: idsIn(await client.call('GET', '/images/json')) });
      let found: EngineImage | null = null;
      try {
        found = await carryOut(reference, login, wish);
        return found;
      } finally {
        ledger.end(reference.canonical, found);
      }
    } finally {
      underWay -= 1;
    }
  }

  /** `known`: what is here, if that will do should nothing come. */
  async function pullInTurn(reference: ImageReference, known: EngineImage | null, wish: ImageWish): Promise<EngineImage> {
    if (slots.isFull()) wish.progress(`waiting to pull ${wish.reference}: ${MAX_PULLS} other images are being pulled`);
    try {
      return await slots.run(wish.stop, async () => await pullAsked(reference, wish));
    } catch (error) {
      if (known === null || wish.stop.aborted) throw error;
      return known;
    }
  }

  async function collect(inUse: ReadonlySet<string>, policy: CollectPolicy): Promise<number> {
    const { collecting } = options;
    // What is being pulled belongs to nobody yet.
    if (collecting === undefined || underWay > 0) return 0;
    for (const { reference } of collecting.ledger.leftPulls()) collecting.ledger.end(reference, await find(parseImageReference(reference)));
    return await collectEngineImages(client, collecting.ledger, { ...collecting, inUse, policy });
  }

  return {
    collect,
    async ensure(wish) {
      try {
        wish.stop.throwIfAborted();
        const reference = parseImageReference(wish.reference);
        const known = wish.forcePull ? null : await find(reference);
        const image = known !== null && (wish.ask !== true || isMadeHere(known)) ? known : await pullInTurn(reference, known, wish);
        ledger?.used(image);
        return image;
      } catch (error) {
        throw new Error(`the image ${wish.reference} cannot be had: ${wish.stop.aborted ? 'it was stopped' : reasonOf(error)}`, { cause: error });
      }
    },
  };
}

/** It has no name of a registry's. */
const isMadeHere = ({ registryDigest, imageId }: EngineImage): boolean => registryDigest === imageId;

const headersOf = (login: string | null): Readonly<Record<string, string>> => (login === null ? {} : { 'x-registry-auth': login });

/** Of an answer of a few lines; a longer one is cut, and is no JSON then. */
async function textOf(answer: AsyncIterable<Buffer>): Promise<string> {
  let text = '';
  for await (const part of answer) {
    text += part.toString('utf8');
    if (text.length > MAX_LINE_CHARACTERS) break;
  }
  return text;
}

/** Pure: from `GET /images/NAME/json`. Throws when it is no image. */
export function readEngineImage(
  description: unknown,
  { registry, repository, digest: asked = null }: Pick<ImageReference, 'registry' | 'repository'> & Partial<Pick<ImageReference, 'digest'>>,
): EngineImage {
  const imageId = textIn(description, 'Id');
  if (imageId === '') throw new Error('the container engine describes an image without its id');
  const digests = fieldIn(description, 'RepoDigests');
  const all = Array.isArray(digests) ? digests.filter((each) => typeof each === 'string') : [];
  const short = registry === 'docker.io' ? repository.replace(/^library\//, '') : '';
  const own = all.find((each) => [`${registry}/${repository}`, short].includes(each.split('@')[0] ?? '')) ?? all[0];
  // An image may have several: the one that was asked for is the one that it is.
  const digest = asked ?? own?.split('@')[1] ?? imageId;
  return { digest, imageId, registryDigest: digest, config: readImageConfig(JSON.stringify({ config: fieldIn(description, 'Config') })) };
}

const idsIn = (images: unknown): readonly string[] => (Array.isArray(images) ? images.map((each: unknown) => textIn(each, 'Id')) : []);

/** By registry; none: empty. */
function authsOf(sandbox: string, authFile: string | null): Readonly<Record<string, unknown>> {
  const dir = mkdtempSync(join(tmpdir(), 'ekiden-login-'));
  try {
    const own = join(dir, 'auth.json');
    const file = takeSandboxAuth(sandbox, own) ? own : authFile;
    return file === null ? {} : (readAuths(readFileSync(file, 'utf8'), false) ?? {});
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

/** The header of a pull; null: nobody is logged in there. Pure. */
export function loginFor({ registry }: Pick<ImageReference, 'registry'>, auths: Readonly<Record<string, unknown>>): string | null {
  const names = registry === 'docker.io' ? [DOCKER_HUB_LOGIN, 'docker.io', 'index.docker.io'] : [registry];
  const plain = (name: string): string => name.replace(/^https?:\/\//, '').replace(/\/.*$/, '');
  const entry = names.map((name) => auths[name]).find((found) => found !== undefined) ?? Object.entries(auths).find(([name]) => plain(name) === registry)?.[1];
  const [username = '', ...rest] = Buffer.from(textIn(entry, 'auth'), 'base64').toString('utf8').split(':');
  if (username === '') return null;
  const login = { username, password: rest.join(':'), serveraddress: registry === 'docker.io' ? DOCKER_HUB_LOGIN : registry };
  // The alphabet for URLs, and padded: a header that cannot be read counts as none.
  return Buffer.from(JSON.stringify(login)).toString('base64').replaceAll('+', '-').replaceAll('/', '_');
}
