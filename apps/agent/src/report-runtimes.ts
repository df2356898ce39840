/**
 * What this agent says of its runtimes: to people (`ekiden nodes -v`) which are used, and what each cannot give here, with the reason; to
 * who places tasks, by attributes, what to bring elsewhere. Pure.
 */
import type { RuntimeReport } from '@ekiden/agent-link';
import type { Abilities } from '@ekiden/isolation';
import { IMAGES_ATTRIBUTE, LACKS_ATTRIBUTE, NETWORKS_ATTRIBUTE } from '@ekiden/mesos';
import { ABILITIES } from '@ekiden/model';

export interface FoundRuntimes {
  readonly used: 'process' | 'cgroup';
  readonly abilities: Abilities | null;
  /** Why there are no control groups; empty: there are. */
  readonly withoutGroups: readonly string[];
  /** Why images are not run; null: they are. */
  readonly withoutImages: string | null;
  /** That tasks can have of their own. */
  readonly networks: { readonly kind: 'ready'; readonly names: readonly string[] } | { readonly kind: 'none'; readonly why: string };
}

export function reportRuntimes({ used, abilities, withoutGroups, withoutImages, networks }: FoundRuntimes): readonly RuntimeReport[] {
  const missing = [...new Set(Object.values(abilities ?? {}).filter((why) => why !== null))];
  const cgroup = used === 'cgroup' ? missing : withoutGroups.length > 0 ? withoutGroups : ['not chosen: --runtime process'];
  return [
    { name: 'process', isUsed: used === 'process', reasons: used === 'process' ? missing : ['not needed: cgroup does all that it does'] },
    { name: 'cgroup', isUsed: used === 'cgroup', reasons: cgroup },
    { name: 'oci', isUsed: withoutImages === null, reasons: withoutImages !== null ? [withoutImages] : networks.kind === 'none' ? [networks.why] : [] },
  ];
}

export function runtimeAttributes({
  abilities,
  withoutImages,
  networks,
}: Pick<FoundRuntimes, 'abilities' | 'withoutImages' | 'networks'>): Readonly<Record<string, string>> {
  const lacks = ABILITIES.filter((ability) => abilities?.[ability] != null);
  return {
    [IMAGES_ATTRIBUTE]: withoutImages === null ? 'oci' : `no: ${withoutImages}`,
    [NETWORKS_ATTRIBUTE]: networks.kind === 'ready' ? networks.names.join(',') : `no: ${networks.why}`,
    ...(lacks.length === 0 ? {} : { [LACKS_ATTRIBUTE]: lacks.join(',') }),
  };
}
