/** What an app asks of a machine beyond resources and ports, against what its agent says that it lacks. Pure. */
import type { Ability, AppSpec } from '@ekiden/model';
import type { OfferView } from './view.js';

/** What an agent of ours says of itself. One of another Mesos says nothing, and is tried. */
export type AgentLacks = Pick<OfferView, 'imagesRefused' | 'lacks'>;

/** Null: the agent can run it, or does not say; else what it lacks. */
export function lackOf({ imagesRefused, lacks }: AgentLacks, spec: AppSpec): string | null {
  if (spec.container !== null && imagesRefused !== null) return `needs an agent that runs images: ${imagesRefused}`;
  if (lacks.length === 0) return null;
  const lacking = neededAbilities(spec).filter((ability) => lacks.includes(ability));
  return lacking.length === 0 ? null : `needs ${lacking.join(' and ')}, which the agent does not give`;
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
