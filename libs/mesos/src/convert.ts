/**
 * Between Mesos' quantities and ours, once, at the border.
 *
 * Mesos writes doubles with three decimals; we count thousandths of a cpu and whole MiB. What is offered is rounded down,
 * what is asked for is an integer already. Several entries of one name (reserved and unreserved) add up.
 */
import { normalizePorts, type Attributes, type Resources } from '@ekiden/model';
import type { KillPolicy, WireAttribute, WireResource } from './messages.js';

export function resourcesToModel(wire: readonly WireResource[] | null | undefined): Resources {
  let cpusMilli = 0;
  let memMib = 0;
  let diskMib = 0;
  let gpus = 0;
  const ranges: { begin: number; end: number }[] = [];
  for (const resource of wire ?? []) {
    const scalar = resource.scalar?.value ?? 0;
    switch (resource.name) {
      case 'cpus':
        cpusMilli += Math.round(scalar * 1000);
        break;
      case 'mem':
        memMib += Math.floor(scalar);
        break;
      case 'disk':
        diskMib += Math.floor(scalar);
        break;
      case 'gpus':
        gpus += Math.floor(scalar);
        break;
      case 'ports':
        for (const range of resource.ranges?.range ?? []) ranges.push({ begin: range.begin, end: range.end });
        break;
      default:
        break; // A custom resource: nothing of ours asks for it.
    }
  }
  return { cpusMilli, memMib, diskMib, gpus, ports: normalizePorts(ranges) };
}

/** With `allocatedTo`, each entry says for which role it is allocated, as MULTI_ROLE frameworks expect. */
export function resourcesToWire(resources: Resources, allocatedTo?: string): WireResource[] {
  const allocation = allocatedTo === undefined ? {} : { allocation_info: { role: allocatedTo } };
  const scalar = (name: string, value: number): WireResource[] => (value > 0 ? [{ name, type: 'SCALAR', scalar: { value }, ...allocation }] : []);
  return [
    ...scalar('cpus', resources.cpusMilli / 1000),
    ...scalar('mem', resources.memMib),
    ...scalar('disk', resources.diskMib),
    ...scalar('gpus', resources.gpus),
    ...(resources.ports.length > 0
      ? [{ name: 'ports', type: 'RANGES' as const, ranges: { range: resources.ports.map(({ begin, end }) => ({ begin, end })) }, ...allocation }]
      : []),
  ];
}

/** As text, the way constraints compare: text raw, scalars with up to three decimals, `[a-b,c-d]`, `{a,b}` sorted. */
export function attributesToModel(wire: readonly WireAttribute[] | null | undefined): Attributes {
  const attributes: Record<string, string> = {};
  for (const attribute of wire ?? []) {
    if (Object.hasOwn(attributes, attribute.name)) continue; // Of several with one name the first counts.
    attributes[attribute.name] = attributeText(attribute);
  }
  return attributes;
}

export const attributesToWire = (attributes: Attributes): WireAttribute[] =>
  Object.entries(attributes).map(([name, value]) => ({ name, type: 'TEXT', text: { value } }));

/** ms, or null when the policy names none. */
export const killGraceMs = (policy: KillPolicy | null | undefined): number | null =>
  policy?.grace_period === undefined || policy.grace_period === null ? null : Math.max(0, Math.round(policy.grace_period.nanoseconds / 1e6));

export const killPolicyOf = (graceMs: number | null): KillPolicy | undefined =>
  graceMs === null ? undefined : { grace_period: { nanoseconds: graceMs * 1e6 } };

function attributeText(attribute: WireAttribute): string {
  switch (attribute.type) {
    case 'TEXT':
      return attribute.text?.value ?? '';
    case 'SCALAR':
      return String(Math.round((attribute.scalar?.value ?? 0) * 1000) / 1000);
    case 'RANGES': {
      const ranges = [...(attribute.ranges?.range ?? [])].sort((a, b) => a.begin - b.begin);
      return `[${ranges.map(({ begin, end }) => `${begin}-${end}`).join(',')}]`;
    }
    case 'SET':
      return `{${[...(attribute.set?.item ?? [])].sort().join(',')}}`;
  }
}
