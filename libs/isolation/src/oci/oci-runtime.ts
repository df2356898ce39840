/**
 * The programs that make a container of a bundle, and what is different between them. Pure.
 *
 * Either has to leave control groups alone, since the container is in those of its task. crun has an option for that, but refuses a
 * machine that has both versions: there the tree of version 2 is taken away. runc makes a group of its own, below the task's (version 1)
 * or beside it (version 2), and goes without only where it may not and is told to bear it (`--rootless=true`, which changes nothing
 * else for root): there the trees are read-only. Both happen in a mount namespace of the runtime's own, and are seen nowhere else.
 *
 * Both stay in the task's group while it runs: crun with 1.5 MiB and one thread, runc with 4 MiB (7 while it starts) and nine threads.
 * crun hands the log files on to the container; runc copies what comes out of it.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';

/** In the order of preference. */
export const OCI_RUNTIMES = ['crun', 'runc'] as const;
export type OciRuntime = (typeof OCI_RUNTIMES)[number];

export interface FoundRuntime {
  readonly kind: OciRuntime;
  /** Absolute. */
  readonly path: string;
}

export interface GroupTrees {
  /** Where control groups of version 1 are mounted, one path a hierarchy. */
  readonly v1: readonly string[];
  readonly v2: readonly string[];
}

const HANDS_OFF: Readonly<Record<OciRuntime, string>> = { crun: '--cgroup-manager=disabled', runc: '--rootless=true' };

/** What its command line begins with. `stateDir`: of one container alone. */
export const runtimeWords = ({ kind, path }: FoundRuntime, stateDir: string): readonly string[] => [path, HANDS_OFF[kind], '--root', stateDir];

/** What has to be done in its mount namespace before it runs: command lines. */
export function keepOffGroups(
  kind: OciRuntime,
  { v1, v2 }: GroupTrees,
  tools: { readonly mount: string; readonly umount: string },
): readonly (readonly string[])[] {
  if (kind === 'runc') return [...v1, ...v2].map((path) => [tools.mount, '-o', 'remount,bind,ro', path]);
  return v1.length === 0 ? [] : v2.map((path) => [tools.umount, path]);
}

/** Which of them has made the container whose state is there: agents may find another one at their next start. */
export const makerOf = (stateDir: string, containerName: string): OciRuntime => (existsSync(join(stateDir, containerName, 'state.json')) ? 'runc' : 'crun');
