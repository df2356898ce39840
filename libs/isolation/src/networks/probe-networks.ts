/**
 * Finds out whether this machine can give tasks networks of their own, by making one in a network namespace that is gone a moment later:
 * nothing of the machine's own network is touched before the first task asks.
 */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { promisify } from 'node:util';
import { findTool } from '../launch-tools.js';
import { reasonOf } from '../reason-of.js';
import { BRIDGE_PLUGINS } from './bridge-network.js';
import type { MachineTools } from './machine-network.js';
import { findPlugin } from './run-plugin.js';
import { findMutePlugins } from './try-plugins.js';

export type ProbedNetworks =
  | { readonly kind: 'ready'; readonly tools: MachineTools & { readonly setpriv: string }; readonly pluginDirs: readonly string[] }
  | { readonly kind: 'missing'; readonly reasons: readonly string[] };

const PACKAGES = { ip: 'iproute2', iptables: 'iptables', unshare: 'util-linux', setpriv: 'util-linux' } as const;
/** Of Debian, and where most others put them. */
const PLUGIN_DIRS = ['/usr/lib/cni', '/opt/cni/bin', '/usr/libexec/cni'];
const TRY_TIMEOUT_MS = 20_000;
/** What a bridge task needs of the kernel; `$1` is ip, `$2` iptables. */
const TRY = [
  'set -e',
  '"$1" link add name ektry type bridge',
  '"$1" link add name ektry0 type veth peer name ektry1',
  '"$1" link set ektry0 master ektry',
  '"$2" -w -t nat -A PREROUTING -p tcp --dport 1 -m addrtype --dst-type LOCAL -m comment --comment try -j DNAT --to-destination 127.0.0.1:2',
  '"$2" -w -t nat -A POSTROUTING -s 127.0.0.1 -j MASQUERADE',
  '"$2" -w -A FORWARD -o ektry -m conntrack --ctstate DNAT -j ACCEPT',
].join('\n');

/** `own`: further directories of plugins, which come first. Never rejects. */
export async function probeNetworks(own: readonly string[]): Promise<ProbedNetworks> {
  if (process.platform !== 'linux' || process.geteuid?.() !== 0) return missing(['networks of tasks need an agent that runs as root on Linux']);
  const found = new Map(Object.keys(PACKAGES).map((name) => [name, findTool(name)]));
  const absent = Object.entries(PACKAGES).flatMap(([name, debian]) =>
    found.get(name) == null ? [`networks of tasks need the program "${name}": install the package ${debian}`] : [],
  );
  const pluginDirs = [...own, ...PLUGIN_DIRS].filter((dir) => existsSync(dir));
  const plugins = BRIDGE_PLUGINS.filter((type) => findPlugin(type, pluginDirs) === null);
  const where = [...own, ...PLUGIN_DIRS].join(', ');
  if (plugins.length > 0)
    absent.push(`networks of tasks need the CNI plugins ${plugins.join(', ')} in one of ${where}: install the package containernetworking-plugins`);
  if (absent.length > 0) return missing([...new Set(absent)]);
  const path = (name: keyof typeof PACKAGES): string => found.get(name) ?? name;
  try {
    const args = ['--net', '--', '/bin/sh', '-c', TRY, 'try', path('ip'), path('iptables')];
    await promisify(execFile)(path('unshare'), args, { timeout: TRY_TIMEOUT_MS });
  } catch (error) {
    return missing([`this machine makes no networks for tasks: ${whatFailed(error)}`]);
  }
  const mute = await findMutePlugins(BRIDGE_PLUGINS, pluginDirs, path('setpriv'));
  if (mute.size > 0) return missing([...mute.values()]);
  return { kind: 'ready', tools: { ip: path('ip'), iptables: path('iptables'), setpriv: path('setpriv') }, pluginDirs };
}

function whatFailed(error: unknown): string {
  if (typeof error !== 'object' || error === null) return reasonOf(error);
  if ('killed' in error && error.killed === true) return `ip and iptables were not done within ${TRY_TIMEOUT_MS / 1000} s`;
  const said = 'stderr' in error ? String(error.stderr).trim() : '';
  return said === '' ? reasonOf(error) : said;
}

const missing = (reasons: readonly string[]): ProbedNetworks => ({ kind: 'missing', reasons });
