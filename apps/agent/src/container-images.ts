/** What an agent needs to run images: the machine is tried once, the store opened below the work directory or an engine asked, volumes looked at. */
import { mkdirSync } from 'node:fs';
import { realpath } from 'node:fs/promises';
import { join } from 'node:path';
import {
  engineClient,
  openEngineImages,
  openImageLedger,
  openImageStore,
  probeContainers,
  probeEngine,
  socketsToTry,
  type ContainerMachine,
  type EngineImages,
  type HostVolume,
  type ImageStore,
  type ReadyEngine,
} from '@ekiden/isolation';
import type { Log } from '@ekiden/model';
import type { ImagePort, TaskRecord } from './agent-ports.js';
import type { AgentOptions } from './options.js';
import { isBelow } from './tasks/read-container.js';

/** Who runs images here. */
export type ImageRunner = { readonly by: 'oci'; readonly machine: ContainerMachine; readonly port: ImagePort; readonly store: ImageStore } | DockerRunner;

export interface DockerRunner {
  readonly by: 'docker';
  readonly engine: ReadyEngine;
  readonly images: EngineImages;
  readonly port: ImagePort;
}

export interface FoundImages {
  /** Null: nobody. */
  readonly runner: ImageRunner | null;
  /** Why each is not used; empty for the one that is. */
  readonly reasons: Readonly<Record<ImageRunner['by'], readonly string[]>>;
}

type ImageOptions = Pick<
  AgentOptions,
  'imageRuntime' | 'dockerSocket' | 'insecureRegistries' | 'imageAuthFile' | 'imageStallMs' | 'imageMaxMib' | 'allowVolumes'
>;

const MIB = 1024 * 1024;

/** `hasGroups`: the runtime holds tasks in control groups, without which oci runs no container. */
export async function findImages(options: ImageOptions, workDir: string, hasGroups: boolean, log: Log): Promise<FoundImages> {
  const wanted = options.imageRuntime;
  const notChosen = [`not chosen: --image-runtime ${wanted}`];
  const oci = wanted === 'auto' || wanted === 'oci' ? await findOci(options, workDir, hasGroups, log) : notChosen;
  if (!Array.isArray(oci)) return { runner: oci, reasons: { oci: [], docker: wanted === 'oci' ? notChosen : ['not needed: oci does all that it does'] } };
  const docker = wanted === 'auto' || wanted === 'docker' ? await findDocker(options, workDir, log) : notChosen;
  return 'by' in docker ? { runner: docker, reasons: { oci, docker: [] } } : { runner: null, reasons: { oci, docker } };
}

/** Why no image is run here; null: they are. Pure. */
export function imagesRefused({ runner, reasons }: FoundImages): string | null {
  return runner !== null ? null : [...new Set([...reasons.oci, ...reasons.docker])].join('; ');
}

/** Or why not. */
async function findOci(options: ImageOptions, workDir: string, hasGroups: boolean, log: Log): Promise<ImageRunner | string[]> {
  if (!hasGroups) return ['images need the cgroup runtime, which this agent does not have'];
  const dir = join(workDir, 'images');
  mkdirSync(dir, { recursive: true, mode: 0o700 });
  const probed = await probeContainers(dir);
  if (probed.kind === 'missing') return [...probed.reasons];
  const store = openImageStore({
    dir,
    tools: probed.imageTools,
    log,
    insecureRegistries: options.insecureRegistries,
    authFile: options.imageAuthFile,
    stallMs: options.imageStallMs,
    maxImageBytes: options.imageMaxMib * MIB,
  });
  return { by: 'oci', machine: probed.machine, store, port: portOf(store, options) };
}

/** Or why not. Asks anew each time. */
export async function findDocker(options: ImageOptions, workDir: string, log: Log): Promise<DockerRunner | readonly string[]> {
  const engine = await probeEngine(socketsToTry(options.dockerSocket, process.getuid?.() ?? null));
  if (engine.kind === 'missing') return [...engine.reasons];
  const images = openEngineImages({
    client: engineClient(engine.socket),
    authFile: options.imageAuthFile,
    stallMs: options.imageStallMs,
    maxImageBytes: options.imageMaxMib * MIB,
    collecting: { ledger: openImageLedger(join(workDir, 'engine-images'), log, () => Date.now()), storage: engine.storage, log },
  });
  return { by: 'docker', engine, images, port: portOf(images, options) };
}

const portOf = (images: Pick<ImagePort, 'ensure'>, { allowVolumes }: ImageOptions): ImagePort => ({
  ensure: (wish) => images.ensure(wish),
  openVolumes: (volumes) => openVolumes(volumes, allowVolumes),
});

/** Follows links once more than the user may: what they lead to has to be allowed as well, and is what is mounted. */
export async function openVolumes(volumes: readonly HostVolume[], allowed: readonly string[]): Promise<readonly HostVolume[]> {
  const roots = await Promise.all(allowed.map((directory) => realpath(directory).catch(() => directory)));
  return await Promise.all(
    volumes.map(async (volume) => {
      const hostPath = await realpath(volume.hostPath).catch(() => {
        throw new Error(`the volume "${volume.hostPath}" cannot be mounted: there is nothing of that name on this machine`);
      });
      if (!isBelow(hostPath, roots)) throw new Error(`the volume "${volume.hostPath}" leads to ${hostPath}, which may not be mounted on this agent`);
      return { ...volume, hostPath };
    }),
  );
}

/** Digests of the images that tasks use, or may be started with again. */
export function imagesInUse(tasks: readonly TaskRecord[]): ReadonlySet<string> {
  return new Set(tasks.flatMap(({ imageDigest }) => imageDigest ?? []));
}
