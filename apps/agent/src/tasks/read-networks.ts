/**
 * Reads which networks of its own a container wants, and which of its ports are led there. Pure; throws `Refusal`.
 *
 * Of type DOCKER: `docker.network` BRIDGE (the agent's bridge) or USER (the first of `network_infos`), with `docker.port_mappings`. Of type
 * MESOS: each of `network_infos` that has a name, with its own mappings. So Marathon and other frameworks write them.
 */
import type { ContainerKind, NetworkWish } from '@ekiden/isolation';
import { BRIDGE_NETWORK } from '@ekiden/model';
import { fieldsOf, isFields, isSet, listOf, Refusal, textOf, type Fields } from './read-fields.js';

export type WantedNetwork = NetworkWish['networks'][number];
type Forward = WantedNetwork['ports'][number];

/** What one task may map. */
const MAX_MAPPINGS = 1_000;

export function readNetworks(kind: ContainerKind, container: Fields): readonly WantedNetwork[] {
  const infos = listOf(container['network_infos']).map((info) => fieldsOf(info, 'container.network_infos'));
  if (infos.some(({ ip_addresses: addresses }) => listOf(addresses).some((one) => isFields(one) && isSet(one['ip_address']))))
    throw new Refusal('an address that the task chooses (`network_infos.ip_addresses`) is not supported: leave it out, the network gives one');
  return kind === 'DOCKER' ? ofDocker(fieldsOf(container['docker'] ?? {}, 'container.docker'), infos) : ofMesos(infos);
}

function ofDocker(docker: Fields, infos: readonly Fields[]): readonly WantedNetwork[] {
  const network = docker['network'] ?? 'HOST';
  const mappings = docker['port_mappings'];
  switch (network) {
    case 'HOST':
      if (isSet(mappings)) throw new Refusal('`container.docker.port_mappings` are not supported with the network HOST: the ports are those of the machine');
      if (infos.some((info) => isSet(info['name']))) throw new Refusal('`container.network_infos` need `container.docker.network` USER');
      return [];
    case 'BRIDGE':
      return [{ name: BRIDGE_NETWORK, ports: readMappings(mappings, 'container.docker.port_mappings') }];
    case 'USER':
      if (infos.length !== 1) throw new Refusal('the network USER needs exactly one of `container.network_infos`');
      return [{ name: textOf(infos[0]?.['name'], 'container.network_infos.name'), ports: readMappings(mappings, 'container.docker.port_mappings') }];
    default:
      throw new Refusal('of the networks HOST, BRIDGE and USER are supported');
  }
}

function ofMesos(infos: readonly Fields[]): readonly WantedNetwork[] {
  const named = infos.filter((info) => isSet(info['name']));
  if (infos.some((info) => !isSet(info['name']) && isSet(info['port_mappings'])))
    throw new Refusal('`container.network_infos.port_mappings` need the `name` of a network');
  const wanted = named.map((info) => ({
    name: textOf(info['name'], 'container.network_infos.name'),
    ports: readMappings(info['port_mappings'], 'container.network_infos.port_mappings'),
  }));
  if (new Set(wanted.map(({ name }) => name)).size < wanted.length) throw new Refusal('`container.network_infos` name a network twice');
  return wanted;
}

function readMappings(raw: unknown, name: string): readonly Forward[] {
  const entries = listOf(raw);
  if (entries.length > MAX_MAPPINGS) throw new Refusal(`\`${name}\` has ${entries.length} entries, at most ${MAX_MAPPINGS} are allowed`);
  return entries.map((entry) => {
    const mapping = fieldsOf(entry, name);
    const protocol = mapping['protocol'] ?? 'tcp';
    if (protocol !== 'tcp' && protocol !== 'udp') throw new Refusal(`\`${name}.protocol\` has to be tcp or udp`);
    return {
      hostPort: portOf(mapping['host_port'], `${name}.host_port`),
      containerPort: portOf(mapping['container_port'], `${name}.container_port`),
      protocol,
    };
  });
}

function portOf(value: unknown, name: string): number {
  if (typeof value !== 'number' || !Number.isInteger(value) || value < 1 || value > 65_535) throw new Refusal(`\`${name}\` has to be a port: 1 to 65535`);
  return value;
}
