/**
 * What this agent says of its runtimes: to people (`ekiden nodes -v`) which are used, and what each cannot give here, with the reason; to
 * who places tasks, by attributes, which images and networks to bring elsewhere (what is lacking to commands: link/registration.ts). Pure.
 */
import type { RuntimeReport } from '@ekiden/agent-link';
import type { Abilities } from '@ekiden/isolation';
import { IMAGES_ATTRIBUTE, NETWORKS_ATTRIBUTE } from '@ekiden/mesos';
import type { OfferedNetworks } from './container-networks.js';
import { imagesRefused, type FoundImages, type ImageRunner } from './container-images.js';

export interface FoundRuntimes {
  readonly used: 'process' | 'cgroup';
  readonly abilities: Abilities | null;
  /** Why there are no control groups; empty: there are. */
  readonly withoutGroups: readonly string[];
  readonly images: FoundImages;
  /** That tasks can have of their own. */
  readonly networks: OfferedNetworks;
}

/** Which of the two has been found, and what that means. */
const MADE_BY = {
  crun: 'its containers are made by crun',
  runc: 'its containers are made by runc, which takes 4 MiB and 9 threads of each task’s limits: install the package crun for less',
} as const;

export function reportRuntimes({ used, abilities, withoutGroups, images, networks }: FoundRuntimes): readonly RuntimeReport[] {
  const missing = [...new Set(Object.values(abilities ?? {}).filter((why) => why !== null))];
  const cgroup = used === 'cgroup' ? missing : withoutGroups.length > 0 ? withoutGroups : ['not chosen: --runtime process'];
  const runnerOf = (by: ImageRunner['by']): Omit<RuntimeReport, 'name'> => {
    const { runner, reasons } = images;
    if (runner?.by !== by) return { isUsed: false, reasons: reasons[by] };
    const own = runner.by === 'docker' ? Object.values(runner.engine.abilities).filter((why) => why !== null) : [MADE_BY[runner.machine.tools.runtime.kind]];
    return { isUsed: true, reasons: [...new Set([...own, ...(networks.kind === 'none' ? [networks.why] : networks.leftOut)])] };
  };
  return [
    { name: 'process', isUsed: used === 'process', reasons: used === 'process' ? missing : ['not needed: cgroup does all that it does'] },
    { name: 'cgroup', isUsed: used === 'cgroup', reasons: cgroup },
    { name: 'oci', ...runnerOf('oci') },
    { name: 'docker', ...runnerOf('docker') },
  ];
}

export function runtimeAttributes({ images, networks }: Pick<FoundRuntimes, 'images' | 'networks'>): Readonly<Record<string, string>> {
  return {
    [IMAGES_ATTRIBUTE]: images.runner?.by ?? `no: ${imagesRefused(images) ?? ''}`,
    [NETWORKS_ATTRIBUTE]: networks.kind === 'ready' ? networks.names.join(',') : `no: ${networks.why}`,
  };
}
