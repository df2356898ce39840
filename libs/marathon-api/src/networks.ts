/**
 * Networks and mapped ports: the form that is stored (8.2, 8.3), and what is refused of it (9.4).
 *
 * An app is in the network of the machine, in the bridge of its agent, or in networks that the operator has named. Only the first has port
 * definitions; the others map ports of the container, which keep their place, name and service port likewise.
 */
import type { Violation } from '@ekiden/model';
import type { AppInput } from './app.schema.js';
import type { CanonicalApp, CanonicalMapping, CanonicalNetwork } from './canonical-app.js';

type MappingInput = NonNullable<NonNullable<AppInput['container']>['portMappings']>[number];

export const isOwn = (networks: readonly { readonly mode?: string | undefined }[]): boolean => networks.some(({ mode = 'container' }) => mode !== 'host');

export function canonicalNetworks(networks: AppInput['networks']): readonly CanonicalNetwork[] {
  if (networks === undefined || networks.length === 0) return [{ mode: 'host' }];
  return networks.map(({ mode = 'container', name, labels = {} }) => ({
    mode,
    ...(name === undefined ? {} : { name }),
    ...(Object.keys(labels).length === 0 ? {} : { labels }),
  }));
}

/** Of an app with networks of its own. */
export function canonicalMappings(mappings: readonly MappingInput[] | undefined, networks: readonly CanonicalNetwork[]): readonly CanonicalMapping[] {
  const isBridge = networks.some(({ mode }) => mode === 'container/bridge');
  return (mappings ?? [{ name: 'default' }]).map(({ containerPort = 0, hostPort, servicePort = 0, protocol = 'tcp', name, labels = {}, networkNames = [] }) => {
    const host = hostPort ?? (isBridge ? 0 : undefined);
    return {
      containerPort,
      ...(host === undefined ? {} : { hostPort: host }),
      servicePort,
      protocol,
      ...(name === undefined ? {} : { name }),
      labels,
      ...(networkNames.length === 0 ? {} : { networkNames }),
    };
  });
}

/** Mappings that were sent, in an app whose network nobody has named: they would map nothing. */
export function refuseStrayMappings(sent: AppInput, networks: readonly CanonicalNetwork[]): Violation[] {
  const mappings = sent.container?.portMappings ?? [];
  if (mappings.length === 0 || sent.networks !== undefined || isOwn(networks)) return [];
  return [{ path: '/container/portMappings', errors: ['need a network of the container: add networks [{"mode":"container/bridge"}], or use portDefinitions'] }];
}

/** Ports in the order by which health checks count them, and by which a readiness check names one. */
export const portsOf = ({ container, portDefinitions }: Pick<CanonicalApp, 'container' | 'portDefinitions'>): readonly { readonly name?: string }[] =>
  portDefinitions ?? container?.portMappings ?? [];

export function checkNetworks({ networks, container }: CanonicalApp): Violation[] {
  const found: Violation[] = [];
  const refuse = (path: string, text: string): void => void found.push({ path, errors: [text] });
  const named = networks.filter(({ mode }) => mode === 'container');
  const names = named.map(({ name }) => name);
  if (networks.some(({ mode, name, labels }) => mode === 'host' && (name !== undefined || labels !== undefined)))
    refuse('/networks', 'the host network takes neither name nor labels');
  if (networks.some(({ mode, name }) => mode === 'container/bridge' && name !== undefined)) refuse('/networks', 'the network container/bridge takes no name');
  if (networks.length > 1 && named.length < networks.length)
    refuse('/networks', 'networks of different modes cannot be mixed, and there is at most one host or container/bridge');
  if (names.includes(undefined)) refuse('/networks', 'a network of mode container has to have a name: one that the operator has configured on the agents');
  const twice = names.find((name, index) => name !== undefined && names.indexOf(name) !== index);
  if (twice !== undefined) refuse('/networks', `the network "${twice}" is named twice`);
  if (container?.type === 'DOCKER' && named.length > 1) refuse('/', 'a container of type DOCKER can be in a single container network: use type MESOS');
  return [...found, ...checkMappings(container?.portMappings ?? [], networks)];
}

function checkMappings(mappings: readonly CanonicalMapping[], networks: readonly CanonicalNetwork[]): Violation[] {
  const found: Violation[] = [];
  const refuse = (path: string, text: string): void => void found.push({ path, errors: [text] });
  const names = mappings.flatMap(({ name }) => name ?? []);
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined) refuse('/container/portMappings', `port names must be unique: "${twice}" is used twice`);
  const hostPorts = mappings.flatMap(({ hostPort = 0 }) => (hostPort === 0 ? [] : [hostPort]));
  const taken = hostPorts.find((port, index) => hostPorts.indexOf(port) !== index);
  if (taken !== undefined) refuse('/container/portMappings', `hostPort ${taken} is used twice: for both protocols, give "protocol": "udp,tcp" in one mapping`);
  const known = networks.flatMap(({ name }) => name ?? []);
  for (const [index, { hostPort, networkNames = [] }] of mappings.entries()) {
    const path = `/container/portMappings(${index})`;
    if (networks.length > 1 && hostPort !== undefined && networkNames.length !== 1)
      refuse(path, 'networkNames has to be a single item list when hostPort is set and there are several networks');
    for (const [at, name] of networkNames.entries())
      if (!known.includes(name)) refuse(`${path}/networkNames(${at})`, `"${name}" is not one of (${known.join(', ')}), the networks of the app`);
  }
  return found;
}
