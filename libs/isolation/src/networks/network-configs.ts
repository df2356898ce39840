/** The networks that an operator has configured for containers: `.conflist` and `.conf` files of CNI in one directory, read when asked for. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { reasonOf } from '../reason-of.js';
import { type NetworkList, parseNetworkList } from './cni-config.js';

export interface ConfiguredNetworks {
  readonly networks: ReadonlyMap<string, NetworkList>;
  /** Files that cannot be used, with the reason. */
  readonly wrong: readonly string[];
}

const ENDINGS = ['.conflist', '.conf', '.json'];

/** The first file by name wins. Throws when the directory cannot be read. */
export function readNetworkConfigs(dir: string): ConfiguredNetworks {
  const networks = new Map<string, NetworkList>();
  const wrong: string[] = [];
  for (const name of readdirSync(dir).sort()) {
    if (!ENDINGS.some((ending) => name.endsWith(ending))) continue;
    try {
      const list = parseNetworkList(readFileSync(join(dir, name), 'utf8'));
      if (networks.has(list.name)) wrong.push(`${name}: the network "${list.name}" is configured by an earlier file`);
      else networks.set(list.name, list);
    } catch (error) {
      wrong.push(`${name}: ${reasonOf(error)}`);
    }
  }
  return { networks, wrong };
}
