/**
 * A machine of the run's own: namespaces for network, mounts and processes, so that whatever a run makes (interfaces,
 * mounts, processes) is gone with it even if it is killed, its ports meet nobody else's, and no packet leaves it.
 *
 * Only root can have one. Others run beside everybody else, with the proxies as their only network faults.
 */
import { execFileSync, spawn } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { removeTree } from '../../libs/isolation/src/cgroup-driver.js';

/** How long an inner run may take to end in order after a signal. */
const ORDERLY_END_MS = 120_000;
const CGROUP_ROOTS = '/sys/fs/cgroup';

/** The init of the inner machine: it collects orphans, and has the mounts and interfaces made that a run builds on. */
const INIT = 'mount -t tmpfs -o size=1m,mode=0755 ekiden-chaos /run; [ -z "$CHAOS_IP" ] || ip link set lo up; "$@"; code=$?; exit "$code"';

export const isRoot = process.getuid?.() === 0;

export function hasProgram(name: string): boolean {
  return (process.env['PATH'] ?? '').split(':').some((directory) => directory !== '' && existsSync(join(directory, name)));
}

/** Null: it can. Otherwise what is missing. */
export function whyNoMachine(): string | null {
  if (!isRoot) return 'not root';
  for (const program of ['unshare', 'setpriv', 'mount']) if (!hasProgram(program)) return `no ${program} (Debian: util-linux, mount)`;
  try {
    execFileSync('unshare', ['--net', '--mount', '--pid', '--fork', '--mount-proc', 'true'], { stdio: 'ignore' });
    return null;
  } catch {
    return 'the kernel gives no namespaces here';
  }
}

/** Runs a command in a machine of its own; answers its exit code. SIGINT and SIGTERM ask the inner run to end in order. */
export async function runInside(command: readonly string[]): Promise<number> {
  const withNetwork = hasProgram('ip');
  const spaces = ['--mount', '--pid', '--fork', '--mount-proc', '--kill-child', ...(withNetwork ? ['--net'] : [])];
  const child = spawn('setpriv', ['--pdeathsig', 'KILL', 'unshare', ...spaces, 'sh', '-c', INIT, 'chaos', ...command], {
    stdio: 'inherit',
    env: { ...process.env, CHAOS_IP: withNetwork ? 'yes' : '' },
    detached: true, // a Ctrl-C reaches it once, through us
  });
  let overdue: NodeJS.Timeout | null = null;
  const end = (): void => {
    if (child.pid === undefined) return;
    for (const pid of descendants(child.pid)) if (isRun(pid)) process.kill(pid, 'SIGINT');
    overdue ??= setTimeout(() => child.kill('SIGKILL'), ORDERLY_END_MS);
  };
  process.on('SIGINT', end);
  process.on('SIGTERM', end);
  const code = await new Promise<number>((resolve) => child.on('close', (status) => resolve(status ?? 1)));
  if (overdue !== null) clearTimeout(overdue);
  process.off('SIGINT', end);
  process.off('SIGTERM', end);
  return code;
}

/** The run itself: not the programs that made its machine, nor what it has started. */
const isRun = (pid: number): boolean => commandLine(pid).startsWith(`${process.execPath} `) && commandLine(pid).includes(' --inside ');

function commandLine(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ');
  } catch {
    return ''; // it ended meanwhile
  }
}

function descendants(root: number): number[] {
  const parents = new Map<number, number>();
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    try {
      const stat = readFileSync(`/proc/${name}/stat`, 'utf8');
      parents.set(Number(name), Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]));
    } catch {
      continue; // it ended meanwhile
    }
  }
  const below = (pid: number): number[] => [...parents].flatMap(([child, parent]) => (parent === pid ? [child, ...below(child)] : []));
  return below(root);
}

/** Mounts below a directory, and control groups of these agents (named by their instance), that are still there. The groups are taken away. */
export function leftOnMachine(directory: string, instances: readonly string[]): string[] {
  const mounts = readFileSync('/proc/self/mounts', 'utf8')
    .split('\n')
    .map((line) => line.split(' ')[1] ?? '')
    .filter((place) => place.startsWith(directory))
    .map((place) => `mount ${place}`);
  const roots = existsSync(CGROUP_ROOTS) ? [CGROUP_ROOTS, ...readdirSync(CGROUP_ROOTS).map((name) => join(CGROUP_ROOTS, name))] : [];
  const groups = roots.flatMap((root) => instances.map((name) => join(root, 'ekiden', name)).filter((path) => existsSync(path)));
  for (const group of groups) removeTree(group);
  return [...mounts, ...groups.map((path) => `control group ${path}`)];
}
