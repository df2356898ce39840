/** What an app asks of a machine beyond resources and ports, against what its agent says that it lacks. Pure. */
import { BRIDGE_NETWORK, type Ability, type AppSpec, type OwnNetwork } from '@ekiden/model';
import type { AgentNetworks, OfferView } from './view.js';

/** What an agent of ours says of itself. One of another Mesos says nothing, and is tried. */
export type AgentLacks = Pick<OfferView, 'imagesRefused' | 'lacks' | 'networks'>;

/** Null: the agent can run it, or does not say; else what it lacks. */
export function lackOf({ imagesRefused, lacks, networks }: AgentLacks, spec: AppSpec): string | null {
  if (spec.container !== null && imagesRefused !== null) return `needs an agent that runs images: ${imagesRefused}`;
  if (spec.ownNetwork !== undefined && networks !== null) {
    const refusal = networkRefusal(networks, spec.ownNetwork);
    if (refusal !== null) return refusal;
  }
  // What is lacking is lacking to host commands: a container gets it from its runtime, or the launch says why not.
  if (lacks.length === 0 || spec.container !== null) return null;
  const lacking = neededAbilities(spec).filter((ability) => lacks.includes(ability));
  return lacking.length === 0 ? null : `needs ${lacking.join(' and ')}, which the agent does not give`;
}

function networkRefusal(networks: AgentNetworks, { networks: wanted }: OwnNetwork): string | null {
  if (networks.kind === 'none') return `needs an agent that gives tasks networks of their own: ${networks.why}`;
  const missing = wanted.find(({ name }) => !networks.names.includes(name ?? BRIDGE_NETWORK));
  return missing === undefined ? null : `needs the network ${missing.name ?? 'of the bridge'}, which the agent does not have`;
}

function neededAbilities({ isolation = {}, resourceLimits }: AppSpec): readonly Ability[] {
  const { capabilities, namespaces = [], privateTmp, seccomp, pids, openFiles } = isolation;
  const needs: readonly (readonly [Ability, boolean])[] = [
    ['cpu-limit', resourceLimits !== undefined && resourceLimits.cpusMilli !== null],
    ['memory-limit', resourceLimits !== undefined && resourceLimits.memMib !== null],
    ['pids-limit', pids !== undefined],
    ['open-files-limit', openFiles !== undefined],
    ['capabilities', capabilities !== undefined],
    ['seccomp', seccomp === true],
    ['namespaces', namespaces.length > 0],
    ['pid-namespace', namespaces.includes('pid')],
    ['private-tmp', privateTmp === true],
  ];
  return needs.flatMap(([ability, isNeeded]) => (isNeeded ? [ability] : []));
}
