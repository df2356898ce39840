/**
 * The network that a bridge app gets when nobody has configured another: a bridge of this agent's own. Pure.
 *
 * `bridge` makes the cable and the address (leases are files of `host-local`) and gives a default route. `portmap` leads ports of the
 * machine to the container, from other machines, from this one, and from the container itself. What is the same for all containers are
 * rules of the whole bridge, set again where somebody has emptied the machine's: what leaves the machine has the machine's address; since
 * beside Docker a machine forwards nothing by itself, what goes out, what belongs to it, and what was sent to a mapped port is let
 * through; and no container gets at what listens on the machine's loopback.
 */
import type { NetworkList } from './cni-config.js';
import { gatewayOf, subnetText, type Subnet } from './subnets.js';

export interface BridgePlan {
  /** Of the interface; 15 characters at most. */
  readonly bridge: string;
  readonly subnet: Subnet;
  /** Of the way out, so that large packets get through; null: the kernel's own. */
  readonly mtu: number | null;
  /** None: those of the machine. */
  readonly nameservers: readonly string[];
  /** Where leases are kept. */
  readonly leaseDir: string;
}

export const BRIDGE_PLUGINS = ['bridge', 'host-local', 'portmap'] as const;

export function bridgeNetwork({ bridge, subnet, mtu, nameservers, leaseDir }: BridgePlan): NetworkList {
  return {
    cniVersion: '0.4.0',
    // Chains and leases are named after it: one name an agent.
    name: bridge,
    plugins: [
      {
        type: 'bridge',
        bridge,
        isDefaultGateway: true,
        hairpinMode: true,
        ...(mtu === null ? {} : { mtu }),
        ...(nameservers.length === 0 ? {} : { dns: { nameservers } }),
        ipam: { type: 'host-local', dataDir: leaseDir, ranges: [[{ subnet: subnetText(subnet), gateway: gatewayOf(subnet).split('/')[0] }]] },
      },
      { type: 'portmap', snat: true, capabilities: { portMappings: true } },
    ],
  };
}

export interface Rule {
  readonly table: 'filter' | 'nat';
  /** As iptables takes it after `-I`, `-C` or `-D`. */
  readonly words: readonly string[];
}

export const bridgeRules = (bridge: string, subnet: Subnet): readonly Rule[] => [
  { table: 'filter', words: ['FORWARD', '-i', bridge, '-j', 'ACCEPT'] },
  { table: 'filter', words: ['FORWARD', '-o', bridge, '-m', 'conntrack', '--ctstate', 'RELATED,ESTABLISHED', '-j', 'ACCEPT'] },
  { table: 'filter', words: ['FORWARD', '-o', bridge, '-m', 'conntrack', '--ctstate', 'DNAT', '-j', 'ACCEPT'] },
  // portmap opens the bridge to 127.0.0.0/8, so that mapped ports are reached there: no container may begin to speak to it.
  { table: 'filter', words: ['INPUT', '-i', bridge, '-d', '127.0.0.0/8', '-m', 'conntrack', '!', '--ctstate', 'RELATED,ESTABLISHED', '-j', 'DROP'] },
  { table: 'nat', words: ['POSTROUTING', '-s', subnetText(subnet), '!', '-d', '224.0.0.0/4', '!', '-o', bridge, '-j', 'MASQUERADE'] },
];

/** Of one table as `iptables -S` prints it: the rules that name the bridge as an interface. */
export const rulesOfBridge = (printed: string, bridge: string): readonly (readonly string[])[] =>
  printed
    .split('\n')
    .map((line) => line.trim().split(/\s+/))
    .filter(([command, ...words]) => command === '-A' && words.some((word, at) => word === bridge && ['-i', '-o'].includes(words[at - 1] ?? '')))
    .map(([, ...words]) => words);

/** Of the table nat as `iptables -S` prints it: the containers to which the plugin portmap leads ports, where the machine asks it at all. */
export function containersWithPorts(printed: string): ReadonlySet<string> {
  const lines = printed.split('\n');
  const isAsked = ['PREROUTING', 'OUTPUT'].every((chain) => lines.some((line) => line.startsWith(`-A ${chain} `) && line.includes(`-j ${PORT_CHAIN}`)));
  const ids = lines.flatMap((line) => (line.startsWith(`-A ${PORT_CHAIN} `) ? (/id: \\?"([^"\\]+)/.exec(line)?.[1] ?? []) : []));
  return new Set(isAsked ? ids : []);
}

/** portmap's own. */
const PORT_CHAIN = 'CNI-HOSTPORT-DNAT';

/** 32 bits of a text, evenly spread: where an agent begins to look for a free network. */
export function seedOf(text: string): number {
  let hash = 0x811c_9dc5;
  for (let index = 0; index < text.length; index += 1) hash = Math.imul(hash ^ text.charCodeAt(index), 0x0100_0193) >>> 0;
  return hash;
}
