/**
 * Network configurations of CNI: how a file is read, and what each plugin of a list is given. Pure.
 *
 * Source: the CNI specification 1.0.0, sections 1 and 4 (https://www.cni.dev/docs/spec/). A plugin gets the fields of its own entry, the
 * name and version of the list, what the plugin before it answered, and of the runtime's wishes those that its entry says it takes.
 */
export interface NetworkList {
  readonly name: string;
  readonly cniVersion: string;
  /** In the order of ADD; at least one. */
  readonly plugins: readonly PluginEntry[];
}

export type PluginEntry = Readonly<Record<string, unknown>> & { readonly type: string };

/** As plugins know it: a port of the machine that leads to one of the container. */
export interface PortForward {
  readonly hostPort: number;
  readonly containerPort: number;
  readonly protocol: 'tcp' | 'udp';
}

/** Versions whose results have the form that is read here. */
const VERSIONS = ['0.3.0', '0.3.1', '0.4.0', '1.0.0', '1.1.0'];
const NAME = /^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$/;
/** A program's name, never a path: it is looked for in the directories of plugins alone. */
const TYPE = /^[A-Za-z0-9_][A-Za-z0-9_.-]*$/;

/** A `.conflist`, or a `.conf` of one plugin. Throws with the reason when it is none. */
export function parseNetworkList(text: string): NetworkList {
  const parsed: unknown = JSON.parse(text);
  if (!isFields(parsed)) throw new Error('it holds no object');
  const { name, cniVersion = '0.3.1', plugins } = parsed;
  if (typeof name !== 'string' || !NAME.test(name)) throw new Error('its `name` has to be letters, digits, "_", "." and "-", 63 at most');
  if (typeof cniVersion !== 'string' || !VERSIONS.includes(cniVersion)) throw new Error(`its \`cniVersion\` has to be one of ${VERSIONS.join(', ')}`);
  const { name: _name, cniVersion: _version, ...single } = parsed;
  const entries = plugins === undefined ? [single] : plugins;
  if (!Array.isArray(entries) || entries.length === 0) throw new Error('its `plugins` have to be a list that is not empty');
  return { name, cniVersion, plugins: entries.map(pluginEntry) };
}

function pluginEntry(entry: unknown): PluginEntry {
  if (!isFields(entry)) throw new Error('each of its `plugins` has to be an object');
  const { type } = entry;
  if (typeof type !== 'string' || !TYPE.test(type)) throw new Error('each of its `plugins` needs a `type`, the name of a program');
  return { ...entry, type };
}

export const takesPorts = ({ plugins }: NetworkList): boolean => plugins.some((plugin) => hasCapability(plugin, 'portMappings'));

const hasCapability = ({ capabilities }: PluginEntry, name: string): boolean => isFields(capabilities) && capabilities[name] === true;

/** What is written to the plugin's standard input. `former`: the answer of the one before; null for the first, or when it is not known. */
export function pluginInput(list: NetworkList, entry: PluginEntry, ports: readonly PortForward[], former: unknown): Readonly<Record<string, unknown>> {
  const { capabilities: _capabilities, ...own } = entry;
  return {
    ...own,
    cniVersion: list.cniVersion,
    name: list.name,
    ...(ports.length > 0 && hasCapability(entry, 'portMappings') ? { runtimeConfig: { portMappings: ports } } : {}),
    ...(former === null ? {} : { prevResult: former }),
  };
}

export interface NetworkResult {
  /** Without their prefix lengths, in the order of the answer. */
  readonly addresses: readonly string[];
  /** The ends of its cables on the machine's side: what a bridge knows it by. */
  readonly hostInterfaces: readonly string[];
  readonly dns: DnsSettings;
}

export interface DnsSettings {
  readonly nameservers: readonly string[];
  readonly search: readonly string[];
  readonly options: readonly string[];
}

/** Reads the answer to ADD, whatever is missing in there. */
export function readResult(result: unknown): NetworkResult {
  const fields = isFields(result) ? result : {};
  const dns = isFields(fields['dns']) ? fields['dns'] : {};
  const addresses = objects(fields['ips']).flatMap(({ address }) => (typeof address === 'string' ? [address.split('/')[0] ?? ''] : []));
  const cables = objects(fields['interfaces']).filter(({ sandbox }) => sandbox === undefined || sandbox === '');
  const names = cables.flatMap(({ name }) => (typeof name === 'string' && name.startsWith('veth') ? [name] : []));
  const domain = typeof dns['domain'] === 'string' && dns['domain'] !== '' ? [dns['domain']] : [];
  return {
    addresses: addresses.filter((address) => address !== ''),
    hostInterfaces: names,
    dns: { nameservers: texts(dns['nameservers']), search: [...domain, ...texts(dns['search'])], options: texts(dns['options']) },
  };
}

const isFields = (value: unknown): value is Readonly<Record<string, unknown>> => typeof value === 'object' && value !== null && !Array.isArray(value);
const objects = (value: unknown): readonly Readonly<Record<string, unknown>>[] => (Array.isArray(value) ? value.filter(isFields) : []);
const texts = (value: unknown): readonly string[] => (Array.isArray(value) ? value.filter((each) => typeof each === 'string') : []);
