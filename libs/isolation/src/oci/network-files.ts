/**
 * The files by which a container knows names: `hosts`, `hostname` and `resolv.conf`, of the machine or of its own network.
 *
 * Its own are in the run directory, and it may write to them, as with Docker. Resolvers on the machine's loopback cannot be reached from
 * another network: they are left out, and behind systemd's stub are those that it asks itself.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { hasCode } from '../cgroup-driver.js';
import type { DnsSettings } from '../networks/cni-config.js';
import type { NetworkFile } from './bundle.js';
import type { ContainerNetwork } from './container-spec.js';

const FILES = ['resolv.conf', 'hosts', 'hostname'] as const;
const MACHINE_RESOLVERS = '/etc/resolv.conf';
/** What systemd-resolved, which listens on loopback, asks itself. */
const BEHIND_STUB = '/run/systemd/resolve/resolv.conf';

export const machineFiles = (): readonly NetworkFile[] =>
  FILES.map((name) => `/etc/${name}`)
    .filter((path) => existsSync(path))
    .map((path) => ({ source: path, destination: path, isReadOnly: true }));

/** Below the run directory, as `writeOwnFiles` has written them. */
export const ownFiles = (runDir: string): readonly NetworkFile[] =>
  FILES.map((name) => ({ source: join(runDir, `network-${name}`), destination: `/etc/${name}`, isReadOnly: false }));

export function writeOwnFiles(runDir: string, network: ContainerNetwork): void {
  const resolvers = [MACHINE_RESOLVERS, BEHIND_STUB].map(readIfThere);
  const texts = { 'resolv.conf': resolvConf(network.dns, resolvers), hosts: hostsFile(network), hostname: `${network.hostname}\n` };
  // Whoever it runs as has to be able to read them.
  for (const name of FILES) writeFileSync(join(runDir, `network-${name}`), texts[name], { mode: 0o644 });
}

/** Pure. `machine`: files of resolvers, of which the first is taken that has one which can be reached. */
export function resolvConf(own: DnsSettings, machine: readonly string[]): string {
  const files = machine.map(parseResolvConf);
  const found = files.find(({ nameservers }) => nameservers.length > 0) ?? files[0];
  const nameservers = own.nameservers.length > 0 ? own.nameservers : (found?.nameservers ?? []);
  const search = own.search.length > 0 ? own.search : (found?.search ?? []);
  const options = own.options.length > 0 ? own.options : (found?.options ?? []);
  return [
    ...nameservers.map((address) => `nameserver ${address}`),
    ...(search.length > 0 ? [`search ${search.join(' ')}`] : []),
    ...(options.length > 0 ? [`options ${options.join(' ')}`] : []),
  ]
    .map((line) => `${line}\n`)
    .join('');
}

/** Without resolvers that are reached from the machine alone. */
function parseResolvConf(text: string): DnsSettings {
  const lines = text.split('\n').map((line) => line.trim().split(/\s+/));
  const values = (key: string): readonly string[] => lines.filter(([word]) => word === key).flatMap(([, ...rest]) => rest);
  return { nameservers: values('nameserver').filter((address) => !isLoopback(address)), search: values('search'), options: values('options') };
}

const isLoopback = (address: string): boolean => address.startsWith('127.') || address === '::1' || address.startsWith('fe80:');

/** Pure. */
export function hostsFile({ hostname, addresses }: Pick<ContainerNetwork, 'hostname' | 'addresses'>): string {
  const own = addresses.map((address) => `${address}\t${hostname}\n`);
  return `127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n${own.join('')}`;
}

function readIfThere(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return '';
    throw error;
  }
}
