/**
 * What an agent needs to give containers networks of their own: made by CNI plugins for images that it runs itself, by the engine for those
 * of a container engine. The machine is tried once, the operator's configurations are read, leases and records are below the work directory.
 */
import { existsSync } from 'node:fs';
import { isIP } from 'node:net';
import { join } from 'node:path';
import {
  createEngineNetworks,
  createTaskNetworks,
  findMutePlugins,
  machineNetwork,
  parseSubnet,
  pluginRunner,
  pluginTypes,
  probeNetworks,
  readNetworkConfigs,
  type NetworkList,
  type ProbedNetworks,
  type ReadyEngine,
  type Subnet,
} from '@ekiden/isolation';
import { BRIDGE_NETWORK, type Log } from '@ekiden/model';
import { OptionError } from '@ekiden/service';
import type { NetworkPort } from './agent-ports.js';
import { joinNetworks } from './join-networks.js';
import type { AgentOptions } from './options.js';

export interface FoundNetworks {
  /** Of whoever has made them; takes away also what nobody makes here any more. */
  readonly port: NetworkPort;
  /** What is made for new tasks, as of now. */
  readonly offered: () => OfferedNetworks;
}

export type OfferedNetworks =
  | {
      readonly kind: 'ready';
      readonly names: readonly string[];
      /** Networks of the operator that cannot be had, with the reason. */
      readonly leftOut: readonly string[];
    }
  | { readonly kind: 'none'; readonly why: string };

type NetworkOptions = Pick<AgentOptions, 'cniConfigDir' | 'cniPluginDirs' | 'bridgeSubnet' | 'bridgeDns'>;

export interface NetworkPlace {
  readonly workDir: string;
  /** Names this agent among others on the host. */
  readonly instance: string;
  readonly bootId: string;
  /** Images are run by this agent itself: plugins make their networks. */
  readonly hasOwnImages: boolean;
  /** Which makes networks; null: none, perhaps not yet. */
  readonly engine: () => ReadyEngine | null;
  /** Why no image is run, where nobody needs a network. */
  readonly withoutImages: () => string;
}

/** Throws `OptionError` for options that nothing can be done with. */
export async function findNetworks(options: NetworkOptions, place: NetworkPlace, log: Log): Promise<FoundNetworks> {
  const { workDir, instance, hasOwnImages, engine } = place;
  const subnet = readSubnet(options.bridgeSubnet);
  const wrongDns = options.bridgeDns.find((address) => isIP(address) === 0);
  if (wrongDns !== undefined) throw new OptionError(`--bridge-dns has "${wrongDns}", but has to be addresses such as 10.0.0.2`);
  const configs = configuredNetworks(options.cniConfigDir, log);
  const ofEngine = createEngineNetworks({
    dir: join(workDir, 'engine-networks'),
    instance,
    engine,
    nameservers: options.bridgeDns,
    log,
  });
  const dir = join(workDir, 'networks');
  // Also where others are made now: what an earlier agent has made is found again.
  const probed = hasOwnImages || existsSync(dir) ? await probeNetworks(options.cniPluginDirs) : null;
  const ofPlugins =
    probed?.kind !== 'ready'
      ? null
      : createTaskNetworks({
          dir,
          instance,
          bootId: place.bootId,
          pluginDirs: probed.pluginDirs,
          machine: machineNetwork(probed.tools),
          runPlugin: pluginRunner(probed.tools.setpriv),
          subnet,
          nameservers: options.bridgeDns,
          // Read again each time: an operator adds a network without a restart.
          configured: (name) => (options.cniConfigDir === null ? null : (readNetworkConfigs(options.cniConfigDir).networks.get(name) ?? null)),
          log,
        });
  const port = joinNetworks(ofEngine, ofPlugins, () => (engine() === null ? ofPlugins : ofEngine));
  const byPlugins = hasOwnImages && probed !== null ? await offeredByPlugins(configs, probed, log) : null;
  return { port, offered: () => offeredByEngine(engine()) ?? byPlugins ?? { kind: 'none', why: place.withoutImages() } };
}

function offeredByEngine(engine: ReadyEngine | null): OfferedNetworks | null {
  if (engine === null) return null;
  return engine.networks.kind === 'none' ? engine.networks : { ...engine.networks, leftOut: [] };
}

async function offeredByPlugins(configs: readonly NetworkList[], probed: ProbedNetworks, log: Log): Promise<OfferedNetworks> {
  if (probed.kind === 'missing') return { kind: 'none', why: probed.reasons.join('; ') };
  const { pluginDirs, tools } = probed;
  const mute = await findMutePlugins(configs.flatMap(pluginTypes), pluginDirs, tools.setpriv);
  const why = (list: NetworkList): string | undefined => pluginTypes(list).flatMap((type) => mute.get(type) ?? [])[0];
  const unusable = configs.filter((list) => why(list) !== undefined);
  const leftOut = unusable.map((list) => `no network "${list.name}": ${why(list)}`);
  for (const each of leftOut) log.warn('network-left-out', { why: each });
  const names = [BRIDGE_NETWORK, ...configs.map(({ name }) => name)].filter((name) => !unusable.some((list) => list.name === name));
  return { kind: 'ready', names: [...new Set(names)], leftOut };
}

function readSubnet(text: string | null): Subnet | null {
  if (text === null) return null;
  const subnet = parseSubnet(text);
  if (subnet === null || subnet.prefix < 8 || subnet.prefix > 29)
    throw new OptionError(`--bridge-subnet has "${text}", but has to be a network such as 10.44.0.0/22`);
  return subnet;
}

function configuredNetworks(dir: string | null, log: Log): readonly NetworkList[] {
  if (dir === null) return [];
  try {
    const { networks, wrong } = readNetworkConfigs(dir);
    for (const why of wrong) log.warn('network-configuration-wrong', { dir, why });
    return [...networks.values()];
  } catch (error) {
    throw new OptionError(`--cni-config-dir ${dir} cannot be read: ${error instanceof Error ? error.message : String(error)}`);
  }
}
