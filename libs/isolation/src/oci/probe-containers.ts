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
import { quote } from '../plan-launch.js';
import { parseCgroupMounts } from '../probe-runtimes.js';
import { reasonOf } from '../reason-of.js';
import type { ContainerMachine } from './container-launcher.js';
import { type GroupTrees, keepOffGroups, OCI_RUNTIMES, type OciRuntime, runtimeWords } from './oci-runtime.js';
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

/** `imageDir`: where images will be kept; it exists. `order`: the container runtimes that may be taken, the best first. Takes some 50 ms. Never rejects. */
export async function probeContainers(imageDir: string, order: readonly OciRuntime[] = OCI_RUNTIMES): Promise<ProbedContainers> {
  if (process.platform !== 'linux') return missing([`images need Linux, this is ${process.platform}`]);
  if (process.geteuid?.() !== 0) return missing(['images need an agent that runs as root']);
  const unusable = refusePaths([imageDir]);
  if (unusable !== null) return missing([unusable]);
  const found = new Map(Object.keys(PACKAGES).map((name) => [name, findTool(name)]));
  const absent = Object.entries(PACKAGES).flatMap(([name, debian]) =>
    found.get(name) == null ? [`images need the program "${name}": install the package ${debian}`] : [],
  );
  const runtimes = { crun: findTool('crun'), runc: findTool('runc') };
  const candidates = order.flatMap((kind) => (runtimes[kind] === null ? [] : [{ kind, path: runtimes[kind] }]));
  if (candidates.length === 0)
    absent.unshift(`images need the program ${order.map((kind) => `"${kind}"`).join(' or ')}: install the package ${order.join(' or ')}`);
  if (absent.length > 0) return missing([...new Set(absent)]);
  const path = (name: keyof typeof PACKAGES): string => found.get(name) ?? name;
  try {
    const refusals: string[] = [];
    const groupTrees = findGroupTrees();
    for (const runtime of candidates) {
      const tools = { runtime, runtimes, groupTrees, unshare: path('unshare'), mount: path('mount'), umount: path('umount'), init: path('tini-static') };
      const refusal = await tryContainer(imageDir, tools);
      const imageTools = { skopeo: path('skopeo'), umoci: path('umoci'), setpriv: path('setpriv') };
      if (refusal === null) return { kind: 'ready', machine: { tools, seccomp: findProfile() }, imageTools };
      refusals.push(refusal);
    }
    return missing([...new Set(refusals)]);
  } catch (error) {
    return missing([`images cannot be probed: ${reasonOf(error)}`]);
  }
}

const missing = (reasons: readonly string[]): ProbedContainers => ({ kind: 'missing', reasons });

function findGroupTrees(): GroupTrees {
  const mounts = parseCgroupMounts(readFileSync('/proc/self/mountinfo', 'utf8'));
  const of = (wanted: number): string[] => [...new Set(mounts.filter(({ version }) => version === wanted).map(({ path }) => path))];
  return { v1: of(1), v2: of(2) };
}

function findProfile(): DockerProfile | null {
  const path = SECCOMP_PROFILES.find((each) => existsSync(each));
  return path === undefined ? null : readDockerProfile(readFileSync(path, 'utf8'));
}

/** Mounts an overlay there, in a mount namespace of its own, and asks the container runtime whether it likes the control groups. */
async function tryContainer(imageDir: string, tools: ContainerTools): Promise<string | null> {
  const dir = mkdtempSync(join(imageDir, 'probe-'));
  const script = [
    'set -e; mkdir "$1/l" "$1/u" "$1/w" "$1/m"',
    ...keepOffGroups(tools.runtime.kind, tools.groupTrees, tools).map((words) => words.map(quote).join(' ')),
    '"$2" -t overlay overlay -o "nodev,lowerdir=$1/l,upperdir=$1/u,workdir=$1/w" "$1/m"',
    `${runtimeWords(tools.runtime, join(dir, 's')).map(quote).join(' ')} list >/dev/null`,
  ].join('\n');
  try {
    await promisify(execFile)(tools.unshare, ['--mount', '--propagation', 'private', '--', '/bin/sh', '-c', script, 'probe', dir, tools.mount], {
      timeout: TRY_TIMEOUT_MS,
    });
    return null;
  } catch (error) {
    const said = typeof error === 'object' && error !== null && 'stderr' in error ? String(error.stderr).trim() : '';
    return `this machine runs no image below ${imageDir} by ${tools.runtime.kind}: ${said === '' ? reasonOf(error) : said}`;
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}
