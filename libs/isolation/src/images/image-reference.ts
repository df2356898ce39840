/** What `nginx`, `team/app:1`, `registry.example:5000/app@sha256:…` mean, by Docker's rules. Pure. */

export interface ImageReference {
  /** `docker.io`, `registry.example:5000`. */
  readonly registry: string;
  /** `library/nginx`. */
  readonly repository: string;
  /** The same image always reads the same. */
  readonly canonical: string;
  /** `sha256:…`; null: named by its tag. */
  readonly digest: string | null;
  /** Null: beside a digest none was named. */
  readonly tag: string | null;
}

const MAX_REFERENCE_LENGTH = 1_024;
const NAME = '[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*';
const REPOSITORY = new RegExp(`^${NAME}(?:/${NAME})*$`);
const TAG = /^\w[\w.-]{0,127}$/;
const DIGEST = /^sha256:[0-9a-f]{64}$/;
const REGISTRY = /^(?:[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9a-fA-F:]+\])(?::\d{1,5})?$/;

/** Throws naming what is wrong with it. A digest wins over a tag beside it. */
export function parseImageReference(raw: string): ImageReference {
  const wrong = (why: string): Error => new Error(`"${raw.slice(0, MAX_REFERENCE_LENGTH)}" is no image: ${why}`);
  if (raw.length > MAX_REFERENCE_LENGTH) throw wrong(`it is longer than ${MAX_REFERENCE_LENGTH} characters`);
  const [named = '', digest, ...more] = raw.split('@');
  if (more.length > 0 || (digest !== undefined && !DIGEST.test(digest))) throw wrong('after "@" a digest is expected, sha256: and 64 hexadecimal digits');
  const colon = named.lastIndexOf(':');
  const hasTag = colon > named.lastIndexOf('/');
  const tag = hasTag ? named.slice(colon + 1) : 'latest';
  if (!TAG.test(tag)) throw wrong('after ":" a tag of letters, digits, "_", "." and "-" is expected');
  const path = hasTag ? named.slice(0, colon) : named;
  const slash = path.indexOf('/');
  const first = slash < 0 ? '' : path.slice(0, slash);
  const hasRegistry = first === 'localhost' || /[.:]/.test(first) || first !== first.toLowerCase();
  const registry = hasRegistry ? first.replace(/^index\.docker\.io$/, 'docker.io') : 'docker.io';
  const rest = hasRegistry ? path.slice(slash + 1) : path;
  const repository = registry === 'docker.io' && !rest.includes('/') ? `library/${rest}` : rest;
  if (!REGISTRY.test(registry)) throw wrong(`"${registry}" is no host, or host:port`);
  if (!REPOSITORY.test(repository)) throw wrong('its name has to be of lower case letters and digits, with ".", "_", "-" and "/" between them');
  const canonical = `${registry}/${repository}${digest === undefined ? `:${tag}` : `@${digest}`}`;
  return { registry, repository, canonical, digest: digest ?? null, tag: digest === undefined || hasTag ? tag : null };
}

/** Docker asks loopback without TLS; any other registry only when the operator named it. */
export function isInsecure({ registry }: Pick<ImageReference, 'registry'>, named: readonly string[]): boolean {
  return named.includes(registry) || /^(localhost|127\.\d{1,3}\.\d{1,3}\.\d{1,3}|\[::1\])(:\d+)?$/.test(registry);
}
