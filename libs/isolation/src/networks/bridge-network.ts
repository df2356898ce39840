/**
 * The network that a bridge app gets when nobody has configured another: a bridge of this agent's own. Pure.
 *
 * `bridge` makes the cable and the address (leases are files of `host-local`), masquerades what leaves the machine and gives a default
 * route. `portmap` leads ports of the machine to the container, from other machines, from this one, and from the container itself.
 * Beside Docker a machine forwards nothing by itself: three rules for the whole bridge let through what goes out, what belongs to it, and
 * what was sent to a mapped port. A fourth keeps containers from what listens on the machine's loopback.
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
        ipMasq: true,
        hairpinMode: true,
        ...(mtu === null ? {} : { mtu }),
        ...(nameservers.length === 0 ? {} : { dns: { nameservers } }),
        ipam: { type: 'host-local', dataDir: leaseDir, ranges: [[{ subnet: subnetText(subnet), gateway: gatewayOf(subnet).split('/')[0] }]] },
      },
      { type: 'portmap', snat: true, capabilities: { portMappings: true } },
    ],
  };
}

/** Of the table filter, as iptables takes them after `-I`. */
export const bridgeRules = (bridge: string): readonly (readonly string[])[] => [
  ['FORWARD', '-i', bridge, '-j', 'ACCEPT'],
  ['FORWARD', '-o', bridge, '-m', 'conntrack', '--ctstate', 'RELATED,ESTABLISHED', '-j', 'ACCEPT'],
  ['FORWARD', '-o', bridge, '-m', 'conntrack', '--ctstate', 'DNAT', '-j', 'ACCEPT'],
  // portmap opens the bridge to 127.0.0.0/8, so that mapped ports are reached there: no container may begin to speak to it.
  ['INPUT', '-i', bridge, '-d', '127.0.0.0/8', '-m', 'conntrack', '!', '--ctstate', 'RELATED,ESTABLISHED', '-j', 'DROP'],
];

/** 32 bits of a text, evenly spread: where an agent begins to look for a free network. */
export function seedOf(text: string): number {
  let hash = 0x811c_9dc5;
  for (let index = 0; index < text.length; index += 1) hash = Math.imul(hash ^ text.charCodeAt(index), 0x0100_0193) >>> 0;
  return hash;
}
