/** A pod: tasks that share a network, volumes and one life. */
import type { TaskId } from '@ekiden/model';
import type { NetworkWish } from '../networks/task-networks.js';
import type { LaunchSpec, TaskExit } from '../runtime.js';

export interface PodSpec {
  /** Its own; each member is a task with another. */
  readonly podId: TaskId;
  /** Absolute; exists, and its members' users can get through it. The shared volumes are kept in there. */
  readonly sandbox: string;
  /** Absolute; exists; private to the runtime and its recovery; one a launch. */
  readonly runDir: string;
  /** In the order in which they are started; at least one. */
  readonly members: readonly PodMember[];
  /** Directories that begin empty and are gone with the sandbox. */
  readonly volumes: readonly string[];
  /** Null: the machine's network. Otherwise one namespace for all of them, with these in it. */
  readonly networks: NetworkWish['networks'] | null;
  /** Of its containers, when it has a network of its own. */
  readonly hostname: string;
  /** How long a member that has to go because another has ended gets from SIGTERM to SIGKILL. */
  readonly graceMs: number;
}

export interface PodMember {
  /** In its pod. */
  readonly name: string;
  /** As it would be launched alone. Network and volumes of the pod are added. */
  readonly launch: LaunchSpec;
  readonly mounts: readonly PodMount[];
}

export interface PodMount {
  /** One of the pod's. */
  readonly volume: string;
  /** Absolute in a container. Of a host command: below its sandbox, where a link leads to the volume. */
  readonly containerPath: string;
  /** Containers only: a link cannot hold it. */
  readonly isReadOnly: boolean;
}

export interface PodExit {
  /** Which member ended the pod, and how; empty: all ended well, or the pod was asked to stop. */
  readonly why: string;
  /** In the pod's order. Null: it never ran. */
  readonly members: readonly { readonly name: string; readonly exit: TaskExit | null }[];
}

const NAME = /^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$/;
/** Each is a handful of processes. */
export const MAX_MEMBERS = 32;
export const MAX_VOLUMES = 32;

/** Null when it can be tried; otherwise what is wrong with it. Pure. */
export function refusePod({ members, volumes, networks }: PodSpec): string | null {
  if (members.length === 0 || members.length > MAX_MEMBERS) return `a pod has 1 to ${MAX_MEMBERS} members, not ${members.length}`;
  if (volumes.length > MAX_VOLUMES) return `a pod has at most ${MAX_VOLUMES} volumes, not ${volumes.length}`;
  const names = members.map(({ name }) => name);
  const wrong = [...names, ...volumes].find((name) => !NAME.test(name));
  if (wrong !== undefined) return `"${wrong}" is no name: it has to be letters, digits, "_", "." and "-", 63 at most, and to begin with a letter or digit`;
  if (new Set(names).size < names.length) return 'two members of the pod have the same name';
  if (new Set(volumes).size < volumes.length) return 'two volumes of the pod have the same name';
  if (networks?.length === 0) return 'a pod with a network of its own names at least one';
  return members.map((member) => refuseMounts(member, volumes)).find((reason) => reason !== null) ?? null;
}

function refuseMounts({ name, launch, mounts }: PodMember, volumes: readonly string[]): string | null {
  for (const { volume, containerPath, isReadOnly } of mounts) {
    if (!volumes.includes(volume)) return `member "${name}" mounts the volume "${volume}", which the pod does not have`;
    if (launch.container != null) continue; // The container's own rules hold.
    const isBelow =
      containerPath !== '' && !containerPath.startsWith('/') && !containerPath.split('/').some((part) => part === '..' || part === '.' || part === '');
    if (!isBelow) return `member "${name}" is a host command: "${containerPath}" has to be a path below its sandbox`;
    if (isReadOnly) return `member "${name}" is a host command, which can write to each volume that it sees: leave out read only`;
  }
  return null;
}
