/**
 * Which private network the bridge of an agent gets: one that the machine does not know yet. Pure.
 *
 * A network that is known nowhere on this machine may still be somewhere behind its default route; then the operator says which to take.
 */
export interface Subnet {
  /** The lowest address, as a number. */
  readonly base: number;
  readonly prefix: number;
}

/** 1,021 tasks on a bridge. */
const PREFIX = 22;
const SIZE = 2 ** (32 - PREFIX);
/** Where networks of bridges are taken from: of the private addresses those that networks of machines have least often. */
const FIRST = 0xac18_0000; // 172.24.0.0
const COUNT = (7 * 65_536) / SIZE; // up to 172.30.255.255

/** `10.1.0.0/16`, or an address alone. Null when it is neither. */
export function parseSubnet(text: string): Subnet | null {
  const match = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})(?:\/(\d{1,2}))?$/.exec(text);
  if (match === null) return null;
  const parts = match.slice(1, 5).map(Number);
  const prefix = match[5] === undefined ? 32 : Number(match[5]);
  if (parts.some((part) => part > 255) || prefix > 32) return null;
  const address = parts.reduce((sum, part) => sum * 256 + part, 0);
  return { base: address - (address % 2 ** (32 - prefix)), prefix };
}

export const subnetText = ({ base, prefix }: Subnet): string => `${addressText(base)}/${prefix}`;

/** The machine's own address in there, with the prefix length. */
export const gatewayOf = ({ base, prefix }: Subnet): string => `${addressText(base + 1)}/${prefix}`;

const addressText = (address: number): string => [24, 16, 8, 0].map((bits) => Math.floor(address / 2 ** bits) % 256).join('.');

export function overlaps(a: Subnet, b: Subnet): boolean {
  return a.base < b.base + 2 ** (32 - b.prefix) && b.base < a.base + 2 ** (32 - a.prefix);
}

/** The first free one from `seed` on; null when all are taken. */
export function chooseSubnet(seed: number, taken: readonly Subnet[]): Subnet | null {
  for (let step = 0; step < COUNT; step += 1) {
    const subnet = { base: FIRST + ((seed + step) % COUNT) * SIZE, prefix: PREFIX };
    if (!taken.some((other) => overlaps(subnet, other))) return subnet;
  }
  return null;
}

/** What `ip -json route show table all` and `ip -json address` know, without the default route and what belongs to `except`. */
export function knownSubnets(routes: unknown, addresses: unknown, except: string): readonly Subnet[] {
  const routed = objects(routes).flatMap(({ dst, dev }) => (typeof dst === 'string' && dst !== 'default' && dev !== except ? [dst] : []));
  const owned = objects(addresses).flatMap(({ ifname, addr_info: infos }) =>
    ifname === except ? [] : objects(infos).flatMap(({ local, prefixlen }) => (typeof local === 'string' ? [`${local}/${String(prefixlen)}`] : [])),
  );
  return [...routed, ...owned].map(parseSubnet).filter((subnet): subnet is Subnet => subnet !== null && subnet.prefix > 0);
}

const objects = (value: unknown): readonly Readonly<Record<string, unknown>>[] =>
  Array.isArray(value) ? value.filter((each): each is Readonly<Record<string, unknown>> => typeof each === 'object' && each !== null) : [];
