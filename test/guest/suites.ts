/** Which suites of libs/isolation run in the guest, and why the others do not. */
import type { Suite } from './pack-guest.js';

/** From the root of the repository. */
export const SOURCES = 'libs/isolation/src';

const suitesOf = (...names: string[]): readonly Suite[] => names.map((name) => ({ file: `${SOURCES}/${name}` }));

/** Of the runtimes of host commands. */
export const COMMANDS: readonly Suite[] = [
  ...suitesOf('cgroup-driver.spec.ts', 'cgroup-limits.spec.ts', 'create-runtime.spec.ts', 'exec.spec.ts', 'log-rotation.spec.ts', 'orphans.spec.ts'),
  ...suitesOf('recover.spec.ts', 'recover-elsewhere.spec.ts', 'task-security.spec.ts', 'task-statistics.spec.ts', 'warm-joins.spec.ts'),
];

/** Of images, their networks, and pods. */
export const CONTAINERS: readonly Suite[] = [
  ...suitesOf('oci/containers.nightly-spec.ts', 'pods/pods.spec.ts', 'pods/full-disk.nightly-spec.ts'),
  ...suitesOf('networks/task-networks.nightly-spec.ts', 'pods/pods.nightly-spec.ts').map((suite) => ({ ...suite, ownNetwork: true })),
];

const PURE = 'it looks at values and plain files: no kernel has a say in it';

/** The rest, with the reason: files, or whole directories. */
export const LEFT_OUT: Readonly<Record<string, string>> = {
  'engine/': 'the groups of its tasks are those of a container engine (dockerd, podman), which does not fit into this guest',
  'images/image-reference.spec.ts': PURE,
  'images/image-store.nightly-spec.ts': 'it is about a registry and a directory: nothing is run',
  'judge-left-over.spec.ts': PURE,
  'networks/networks.spec.ts': PURE,
  'oci/bundle.spec.ts': PURE,
  'oci/oci-runtime.spec.ts': PURE,
  'plan-launch.spec.ts': PURE,
  'pods/judge-pod.spec.ts': PURE,
  'refuse-launch.spec.ts': PURE,
};
