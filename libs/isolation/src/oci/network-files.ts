/**
 * The files by which a container knows names: `hosts`, `hostname` and `resolv.conf`, of the machine or of its own network.
 *
 * Its own are in the run directory, and it may write to them, as with Docker; a container in the machine's network has them when its app says
 * something of names. Resolvers on the machine's loopback cannot be reached from
 * another network: they are left out, and behind systemd's stub are those that it asks itself.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { NO_DOCKER_OPTIONS } from '@ekiden/model';
import { hasCode } from '../cgroup-driver.js';
import type { DnsSettings } from '../networks/cni-config.js';
import type { NetworkFile } from './bundle.js';
import type { ContainerNetwork, ContainerSpec } from './container-spec.js';

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

type Named = Pick<ContainerSpec, 'network' | 'options'>;

export function hasOwnFiles({ network, options = NO_DOCKER_OPTIONS }: Named): boolean {
  if (network !== undefined || options.hostname !== null) return true;
  return [options.hosts, options.nameservers, options.searchDomains, options.resolverOptions].some((list) => list.length > 0);
}

export function writeOwnFiles(runDir: string, { network, options = NO_DOCKER_OPTIONS }: Named): void {
  const { nameservers, searchDomains: search, resolverOptions } = options;
  const asked: DnsSettings = { nameservers, search, options: resolverOptions };
  const machineText = readIfThere(MACHINE_RESOLVERS);
  const more = options.hosts.map(({ name, address }) => `${address}\t${name}\n`).join('');
  const hostname = network?.hostname ?? options.hostname;
  const texts = {
    'resolv.conf':
      network === undefined ? sharedResolvConf(asked, machineText) : resolvConf(merged(asked, network.dns), [machineText, readIfThere(BEHIND_STUB)]),
    hosts: `${network === undefined ? sharedHosts(readIfThere('/etc/hosts'), hostname) : hostsFile(network)}${more}`,
    hostname: hostname === null ? readIfThere('/etc/hostname') : `${hostname}\n`,
  };
  // Whoever it runs as has to be able to read them.
  for (const name of FILES) writeFileSync(join(runDir, `network-${name}`), texts[name], { mode: 0o644 });
}

/** Each kind from the first that says something. */
const merged = (a: DnsSettings, b: DnsSettings): DnsSettings => ({
  nameservers: a.nameservers.length > 0 ? a.nameservers : b.nameservers,
  search: a.search.length > 0 ? a.search : b.search,
  options: a.options.length > 0 ? a.options : b.options,
});

/** Pure. In the machine's network its loopback is reached as well. */
export const sharedResolvConf = (asked: DnsSettings, machine: string): string =>
  resolvLines(
    merged(
      asked,
      parseResolvConf(machine, () => true),
    ),
  );

/** Pure. */
export const sharedHosts = (machine: string, hostname: string | null): string =>
  `${machine.endsWith('\n') || machine === '' ? machine : `${machine}\n`}${hostname === null ? '' : `127.0.0.1\t${hostname}\n`}`;

/** Pure. `machine`: files of resolvers, of which the first is taken that has one which can be reached. */
export function resolvConf(own: DnsSettings, machine: readonly string[]): string {
  const files = machine.map((text) => parseResolvConf(text, (address) => !isLoopback(address)));
  const found = files.find(({ nameservers }) => nameservers.length > 0) ?? files[0];
  return resolvLines(found === undefined ? own : merged(own, found));
}

function resolvLines({ nameservers, search, options }: DnsSettings): string {
  return [
    ...nameservers.map((address) => `nameserver ${address}`),
    ...(search.length > 0 ? [`search ${search.join(' ')}`] : []),
    ...(options.length > 0 ? [`options ${options.join(' ')}`] : []),
  ]
    .map((line) => `${line}\n`)
    .join('');
}

function parseResolvConf(text: string, isUsable: (address: string) => boolean): DnsSettings {
  const lines = text.split('\n').map((line) => line.trim().split(/\s+/));
  const values = (key: string): readonly string[] => lines.filter(([word]) => word === key).flatMap(([, ...rest]) => rest);
  return { nameservers: values('nameserver').filter(isUsable), search: values('search'), options: values('options') };
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
