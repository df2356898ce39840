/**
 * Finds out whether this machine can run images, by running one: a container with nothing but busybox's job done by its own init.
 *
 * Whatever is missing is a named reason with the package to install. Nothing here throws for a machine that has less.
 */
import { execFile } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { findTool } from '../launch-tools.js';
import { parseCgroupMounts } from '../probe-runtimes.js';
import { reasonOf } from '../reason-of.js';
import type { ContainerMachine } from './container-launcher.js';
import { type ContainerTools, refusePaths } from './plan-container.js';
import { type DockerProfile, readDockerProfile } from './seccomp-profile.js';

export type ProbedContainers =
  | { readonly kind: 'ready'; readonly machine: ContainerMachine; readonly imageTools: ImageTools }
  | { readonly kind: 'missing'; readonly reasons: readonly string[] };

/** The programs that bring images here. */
export interface ImageTools {
  readonly skopeo: string;
  readonly umoci: string;
  readonly setpriv: string;
}

const PACKAGES = {
  crun: 'crun',
  skopeo: 'skopeo',
  umoci: 'umoci',
  unshare: 'util-linux',
  setpriv: 'util-linux',
  mount: 'mount',
  umount: 'mount',
  'tini-static': 'tini',
} as const;
const SECCOMP_PROFILES = ['/etc/containers/seccomp.json', '/usr/share/containers/seccomp.json'];
const TRY_TIMEOUT_MS = 20_000;

/** `imageDir`: where images will be kept; it exists. Takes some 50 ms. Never rejects. */
export async function probeContainers(imageDir: string): Promise<ProbedContainers> {
  if (process.platform !== 'linux') return missing([`images need Linux, this is ${process.platform}`]);
  if (process.geteuid?.() !== 0) return missing(['images need an agent that runs as root']);
  const unusable = refusePaths([imageDir]);
  if (unusable !== null) return missing([unusable]);
  const found = new Map(Object.keys(PACKAGES).map((name) => [name, findTool(name)]));
  const absent = Object.entries(PACKAGES).flatMap(([name, debian]) =>
    found.get(name) == null ? [`images need the program "${name}": install the package ${debian}`] : [],
  );
  if (absent.length > 0) return missing([...new Set(absent)]);
  const path = (name: keyof typeof PACKAGES): string => found.get(name) ?? name;
  const tools: ContainerTools = {
    ...{ crun: path('crun'), unshare: path('unshare'), mount: path('mount'), umount: path('umount'), init: path('tini-static') },
    hybridTree: hybridTree(),
  };
  try {
    const refusal = await tryOverlay(imageDir, tools);
    if (refusal !== null) return missing([refusal]);
    const seccomp = findProfile();
    return { kind: 'ready', machine: { tools, seccomp }, imageTools: { skopeo: path('skopeo'), umoci: path('umoci'), setpriv: path('setpriv') } };
  } catch (error) {
    return missing([`images cannot be probed: ${reasonOf(error)}`]);
  }
}

const missing = (reasons: readonly string[]): ProbedContainers => ({ kind: 'missing', reasons });

/** A cgroup2 tree on a machine whose controllers are those of version 1. */
function hybridTree(): string | null {
  const mounts = parseCgroupMounts(readFileSync('/proc/self/mountinfo', 'utf8'));
  return mounts.some(({ version }) => version === 1) ? (mounts.find(({ version }) => version === 2)?.path ?? null) : null;
}

function findProfile(): DockerProfile | null {
  const path = SECCOMP_PROFILES.find((each) => existsSync(each));
  return path === undefined ? null : readDockerProfile(readFileSync(path, 'utf8'));
}

/** Mounts an overlay there, in a mount namespace of its own, and asks crun whether it likes the control groups. */
async function tryOverlay(imageDir: string, tools: ContainerTools): Promise<string | null> {
  const dir = mkdtempSync(join(imageDir, 'probe-'));
  const script = [
    'set -e; mkdir "$1/l" "$1/u" "$1/w" "$1/m"',
    ...(tools.hybridTree === null ? [] : ['"$3" "$5"']),
    '"$2" -t overlay overlay -o "nodev,lowerdir=$1/l,upperdir=$1/u,workdir=$1/w" "$1/m"',
    '"$4" --cgroup-manager=disabled --root "$1/s" list >/dev/null',
  ].join('\n');
  const values = [dir, tools.mount, tools.umount, tools.crun, tools.hybridTree ?? ''];
  try {
    await promisify(execFile)(tools.unshare, ['--mount', '--propagation', 'private', '--', '/bin/sh', '-c', script, 'probe', ...values], {
      timeout: TRY_TIMEOUT_MS,
    });
    return null;
  } catch (error) {
    const said = typeof error === 'object' && error !== null && 'stderr' in error ? String(error.stderr).trim() : '';
    return `this machine mounts no image below ${imageDir}: ${said === '' ? reasonOf(error) : said}`;
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}
