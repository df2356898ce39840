/** Service ports: a zero becomes a number of the cluster's range, and an app keeps the numbers that it had (8.3). */
import { EkidenError } from '@ekiden/model';
import type { CanonicalPort } from './canonical-app.js';
import type { AppDefinition } from './definition.js';
import { canonicalOf, definitionOf } from './stored-app.js';

export interface ServicePortRequest {
  readonly definition: AppDefinition;
  /** What the app is now; null for a new one. */
  readonly former: AppDefinition | null;
  /** Service ports of all *other* apps. */
  readonly taken: ReadonlySet<number>;
  /** The cluster's range, both ends included. */
  readonly min: number;
  readonly max: number;
}

/** In the order of the port definitions; 0 where none is assigned yet. */
export const servicePortsOf = (definition: AppDefinition): readonly number[] => canonicalOf(definition).portDefinitions.map((port) => port.port);

/**
 * The definition without zeros. A zero takes the app's former number at the same position, then its other former ones, then the
 * lowest free one of the range. Explicit numbers are never refused, as in Marathon: so two apps may have the same one, and neither loses
 * it by that, else the same change asked for again would be another one. Throws `limit-exceeded` when the range is used up.
 */
export function assignServicePorts(request: ServicePortRequest): AppDefinition {
  const { definition, former, taken, min, max } = request;
  const app = canonicalOf(definition);
  const ports = app.portDefinitions;
  if (ports.every((port) => port.port !== 0)) return definition;
  const used = new Set<number>(ports.map((port) => port.port));
  const isOurs = (port: number | undefined): port is number => port !== undefined && port >= min && port <= max && !used.has(port);
  const formerPorts = former === null ? [] : servicePortsOf(former);

  const assigned = ports.map((port, index) => {
    const same = formerPorts[index];
    if (port.port !== 0 || !isOurs(same)) return port;
    used.add(same);
    return { ...port, port: same };
  });
  const spare = formerPorts.filter(isOurs);
  let candidate = min;
  const lowest = (): number => {
    while (candidate <= max && (used.has(candidate) || taken.has(candidate))) candidate += 1;
    if (candidate > max) throw exhausted(definition.id, min, max);
    return candidate;
  };
  const complete: CanonicalPort[] = assigned.map((port) => {
    if (port.port !== 0) return port;
    const next = spare.shift() ?? lowest();
    used.add(next);
    return { ...port, port: next };
  });
  return definitionOf({ ...app, portDefinitions: complete });
}

const exhausted = (id: string, min: number, max: number): EkidenError =>
  new EkidenError(
    'limit-exceeded',
    `${id} needs a service port, and all ports in the range [${min}, ${max}] are already in use: remove apps or widen the range`,
    {
      appId: id,
      min,
      max,
    },
  );
