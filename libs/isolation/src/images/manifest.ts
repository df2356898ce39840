/** The documents of a registry, as far as a pull needs them. Pure: they come from outside, field by field. */

export interface ManifestBlobs {
  /** `sha256:…` */
  readonly config: string;
  readonly layers: readonly { readonly digest: string; readonly size: number }[];
}

const MAX_LAYERS = 1_000;
const DIGEST = /^sha256:[0-9a-f]{64}$/;

/** An image's manifest (OCI, or Docker's second form); null for a list of them, one an architecture. Throws when it is neither. */
export function readManifest(json: string): ManifestBlobs | null {
  const manifest: unknown = JSON.parse(json);
  if (!isFields(manifest)) throw new Error('the registry answers with no manifest');
  if (Array.isArray(manifest['manifests'])) return null;
  const layers = manifest['layers'];
  // Docker's first form has neither; skopeo makes an OCI manifest of it.
  if (!Array.isArray(layers)) return null;
  if (layers.length > MAX_LAYERS) throw new Error(`its manifest has more than ${MAX_LAYERS} layers`);
  return { config: digestOf(manifest['config']), layers: layers.map((layer: unknown) => ({ digest: digestOf(layer), size: sizeOf(layer) })) };
}

/** The one manifest of a layout's index. */
export function readIndex(json: string): string {
  const index: unknown = JSON.parse(json);
  const manifests = isFields(index) ? index['manifests'] : null;
  if (!Array.isArray(manifests) || manifests.length !== 1) throw new Error('the copy of the image has not exactly one manifest');
  return digestOf(manifests[0]);
}

const isFields = (value: unknown): value is Readonly<Record<string, unknown>> => typeof value === 'object' && value !== null && !Array.isArray(value);

function digestOf(descriptor: unknown): string {
  const digest = isFields(descriptor) ? descriptor['digest'] : null;
  if (typeof digest !== 'string' || !DIGEST.test(digest)) throw new Error('its manifest names a part without a sha256 digest');
  return digest;
}

function sizeOf(descriptor: unknown): number {
  const size = isFields(descriptor) ? descriptor['size'] : null;
  return typeof size === 'number' && Number.isFinite(size) && size >= 0 ? size : 0;
}
