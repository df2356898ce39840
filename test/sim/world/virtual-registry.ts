/**
 * A registry whose tags move, and what each simulated machine keeps of it.
 *
 * An image that nobody has pushed is there with its first question. Machines keep what they have pulled through deaths of the agent and
 * boots; asking and copying take a moment each, and the registry may be away.
 */
import { createHash } from 'node:crypto';
import { parseImageReference, type ContainerImage, type ImageWish } from '@ekiden/isolation';

export type After = <T>(ms: number, work: () => T) => Promise<T>;

const ASK_MS = 20;
const COPY_MS = 300;
const CONFIG = { user: '', env: {}, entrypoint: [], cmd: [], workingDirectory: '', stopSignal: '' };

export class VirtualRegistry {
  isAway = false;
  /** What each name means, by its canonical form. */
  private readonly tags = new Map<string, string>();
  private readonly gone = new Set<string>();
  private pushes = 0;

  /** The tag means another image from now on; answers its digest. */
  push(image: string): string {
    const { canonical } = parseImageReference(image);
    this.pushes += 1;
    const digest = `sha256:${createHash('sha256').update(`${canonical} ${this.pushes}`).digest('hex')}`;
    this.tags.set(canonical, digest);
    return digest;
  }

  /** Nobody gets it any more who does not have it. */
  forget(digest: string): void {
    this.gone.add(digest);
  }

  /** What it is now. Throws when there is no answer, or no such image. */
  ask(image: string): string {
    if (this.isAway) throw new Error('the registry does not answer');
    const { canonical, digest } = parseImageReference(image);
    const found = digest ?? this.tags.get(canonical) ?? this.push(image);
    if (this.gone.has(found)) throw new Error('manifest unknown');
    return found;
  }
}

/** The images of one machine: by each name that was pulled, what it meant. */
export class VirtualImages {
  private readonly names = new Map<string, string>();

  constructor(private readonly registry: VirtualRegistry) {}

  /** As the real store does it. */
  async ensure(wish: ImageWish, after: After): Promise<ContainerImage> {
    const { reference, forcePull, ask = false, stop } = wish;
    const { canonical, digest: asked } = parseImageReference(reference);
    const here = forcePull ? undefined : this.names.get(canonical);
    if (here !== undefined && !ask) return after(1, () => imageOf(here));
    try {
      const digest = await after(ASK_MS, () => this.registry.ask(reference));
      if (here === digest) return imageOf(digest);
      wish.found?.(digest);
      await after(COPY_MS, () => undefined);
      if (stop.aborted) throw new Error('it was stopped');
      const byDigest = asked === null ? canonical.replace(/:[^:/]*$/, `@${digest}`) : canonical;
      for (const name of [byDigest, canonical]) this.names.set(name, digest);
      return imageOf(digest);
    } catch (error) {
      if (here === undefined || stop.aborted) throw error;
      return imageOf(here);
    }
  }
}

const imageOf = (digest: string): ContainerImage => ({ digest, registryDigest: digest, rootfs: '/images/any', config: CONFIG });
