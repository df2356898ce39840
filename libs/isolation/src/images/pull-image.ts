/** One pull: asks the registry what a reference is, copies that, unpacks it. The programs are skopeo and umoci. */
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, readdirSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import type { UnpackedImage } from '../oci/container-spec.js';
import type { ImageTools } from '../oci/probe-containers.js';
import { type ImageFiles, hexOf, STORE_VERSION } from './image-files.js';
import { type ImageReference, isInsecure } from './image-reference.js';
import { readIndex, readManifest, type ManifestBlobs } from './manifest.js';
import { runTool, Stalled, type ToolRun } from './run-tool.js';

export type PullProgress = (text: string) => void;

export interface PullSettings {
  readonly tools: ImageTools;
  /** Registries that are asked without TLS, `host:port`; those on loopback always are. */
  readonly insecureRegistries: readonly string[];
  /** A pull during which nothing comes for so long has failed. */
  readonly stallMs: number;
  readonly maxImageBytes: number;
}

interface PullInput extends PullSettings {
  readonly reference: ImageReference;
  readonly files: ImageFiles;
  /** A file with credentials; never on a command line. */
  readonly auth: string;
  /** An empty directory of its own. */
  readonly work: string;
  readonly stop: AbortSignal;
  /** Told what the registry calls it now. */
  found(registryDigest: string): void;
}

const MIB = 1024 * 1024;
/** What a pull leaves free for everybody else. */
const MIN_FREE_BYTES = 512 * MIB;
/** Unpacking makes no bytes that anybody counts: it just may not take for ever. */
const UNPACK_MS = 15 * 60 * 1000;
const IMAGE_NAME = 'i';
const POLICY_FILES = ['/etc/containers/policy.json'];

export async function pullImage(input: PullInput, progress: PullProgress): Promise<UnpackedImage> {
  const { files, reference } = input;
  progress(`pulling ${reference.canonical}: asking the registry`);
  const raw = await skopeo(input, ['inspect', ...tls(input, ''), '--authfile', input.auth, '--raw', `docker://${reference.canonical}`]);
  const registryDigest = `sha256:${createHash('sha256').update(raw).digest('hex')}`;
  const known = files.known(reference);
  if (known?.registryDigest === registryDigest) return known;
  input.found(registryDigest);
  const digest = await copyImage(input, registryDigest, readManifest(raw.toString('utf8')), progress);
  const image = files.find(digest) ?? (await unpack(input, digest, progress));
  const byDigest = `${reference.registry}/${reference.repository}@${registryDigest}`;
  // By its digest as well: that is how the next task of the same version asks, whatever the tag means by then.
  for (const name of new Set([byDigest, reference.canonical])) files.setReference({ v: STORE_VERSION, reference: name, registryDigest, digest });
  return { ...image, registryDigest };
}

/** Answers the digest of the manifest for this machine. */
async function copyImage(input: PullInput, registryDigest: string, announced: ManifestBlobs | null, progress: PullProgress): Promise<string> {
  const { reference, files, work, maxImageBytes } = input;
  const total = announced?.layers.reduce((sum, { size }) => sum + size, 0) ?? null;
  if (total !== null && total > maxImageBytes) throw new Error(`it has ${mib(total)} MiB, and this agent takes ${mib(maxImageBytes)}: raise --image-max-mib`);
  const layout = makeLayout(work, files.blobs);
  const here = (): number => (announced?.layers ?? []).reduce((sum, { digest }) => sum + files.sizeOf(files.blobPath(hexOf(digest))), 0);
  const underWay = (): number => readdirSync(layout).reduce((sum, name) => (name.startsWith('oci-put-blob') ? sum + files.sizeOf(join(layout, name)) : sum), 0);
  let told = -1;
  const tell = (): number => {
    const bytes = here() + underWay();
    const share = total === null ? mib(bytes) : Math.floor((10 * bytes) / Math.max(1, total));
    if (share !== told) progress(`pulling ${reference.canonical}: ${mib(bytes)} of ${total === null ? 'unknown' : mib(total)} MiB`);
    told = share;
    return bytes;
  };
  const source = `docker://${reference.registry}/${reference.repository}@${registryDigest}`;
  const policy = POLICY_FILES.some((path) => existsSync(path)) ? [] : ['--insecure-policy'];
  const args = [
    'copy',
    '--quiet',
    ...tls(input, 'src-'),
    '--src-authfile',
    input.auth,
    '--dest-shared-blob-dir',
    files.blobs,
    source,
    `oci:${layout}:${IMAGE_NAME}`,
  ];
  await skopeo(input, [...policy, ...args], { progress: tell, refuse: () => tooLarge(underWay(), maxImageBytes) ?? diskFull(files) });
  return readIndex(readFileSync(join(layout, 'index.json'), 'utf8'));
}

async function unpack(input: PullInput, digest: string, progress: PullProgress): Promise<UnpackedImage> {
  const { files, work, tools, stop, reference } = input;
  progress(`pulling ${reference.canonical}: unpacking`);
  const manifest = readManifest(files.readBlob(digest));
  if (manifest === null) throw new Error('its manifest names no layers');
  const bundle = join(work, 'bundle');
  mkdirSync(bundle, { mode: 0o700 });
  const args = ['raw', 'unpack', '--image', `${join(work, 'layout')}:${IMAGE_NAME}`, join(bundle, 'rootfs')];
  await runTool({ setpriv: tools.setpriv, program: tools.umoci, args, home: work, stop, stallMs: UNPACK_MS, refuse: () => diskFull(files) });
  const image = { config: files.readConfigBlob(manifest.config), blobs: [digest, manifest.config, ...manifest.layers.map((layer) => layer.digest)].map(hexOf) };
  const already = files.find(digest); // by a pull of another name meanwhile
  if (already !== null) return already;
  files.adopt(bundle, digest, image);
  const unpacked = files.find(digest);
  if (unpacked === null) throw new Error('it was unpacked, and is not there');
  return unpacked;
}

async function skopeo(
  { tools, work, stop, stallMs, reference }: PullInput,
  args: readonly string[],
  watch: Pick<ToolRun, 'progress' | 'refuse'> = {},
): Promise<Buffer> {
  try {
    return await runTool({ setpriv: tools.setpriv, program: tools.skopeo, args, home: work, stop, stallMs, ...watch });
  } catch (error) {
    if (!(error instanceof Stalled)) throw error;
    throw new Error(`the registry ${reference.registry} stalls: ${error.message}`, { cause: error });
  }
}

const tls = ({ reference, insecureRegistries }: PullInput, prefix: string): readonly string[] =>
  isInsecure(reference, insecureRegistries) ? [`--${prefix}tls-verify=false`] : [];

const tooLarge = (bytes: number, most: number): string | null =>
  bytes > most ? `one of its layers is larger than ${mib(most)} MiB: raise --image-max-mib` : null;

const diskFull = (files: ImageFiles): string | null =>
  files.freeBytes() < MIN_FREE_BYTES ? `the disk of the agent's work directory has less than ${mib(MIN_FREE_BYTES)} MiB left` : null;

const mib = (bytes: number): number => Math.round(bytes / MIB);

/** An OCI layout whose blobs are those of the store. */
function makeLayout(work: string, blobs: string): string {
  const layout = join(work, 'layout');
  mkdirSync(layout, { mode: 0o700 });
  symlinkSync(blobs, join(layout, 'blobs'));
  return layout;
}
