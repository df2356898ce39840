/** What an agent needs to run images: the machine is tried once, the store opened below the work directory, volumes looked at. */
import { mkdirSync } from 'node:fs';
import { realpath } from 'node:fs/promises';
import { join } from 'node:path';
import { openImageStore, probeContainers, type ContainerMachine, type HostVolume, type ImageStore } from '@ekiden/isolation';
import type { Log } from '@ekiden/model';
import type { ImagePort, TaskRecord } from './agent-ports.js';
import type { AgentOptions } from './options.js';
import { isBelow } from './tasks/read-container.js';

export interface ContainerImages {
  readonly machine: ContainerMachine;
  readonly port: ImagePort;
  readonly store: ImageStore;
}

export type FoundImages = { readonly kind: 'ready'; readonly images: ContainerImages } | { readonly kind: 'none'; readonly why: string };

const MIB = 1024 * 1024;

/** `hasGroups`: the runtime holds tasks in control groups, without which no container is run. */
export async function findImages(options: AgentOptions, workDir: string, hasGroups: boolean, log: Log): Promise<FoundImages> {
  if (!hasGroups) return { kind: 'none', why: 'images need the cgroup runtime, which this agent does not have' };
  const dir = join(workDir, 'images');
  mkdirSync(dir, { recursive: true, mode: 0o700 });
  const probed = await probeContainers(dir);
  if (probed.kind === 'missing') return { kind: 'none', why: probed.reasons.join('; ') };
  const store = openImageStore({
    dir,
    tools: probed.imageTools,
    log,
    insecureRegistries: options.insecureRegistries,
    authFile: options.imageAuthFile,
    stallMs: options.imageStallMs,
    maxImageBytes: options.imageMaxMib * MIB,
  });
  return {
    kind: 'ready',
    images: {
      machine: probed.machine,
      store,
      port: { ensure: (wish) => store.ensure(wish), openVolumes: (volumes) => openVolumes(volumes, options.allowVolumes) },
    },
  };
}

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
