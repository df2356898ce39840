/** Service ports: a zero becomes a number of the cluster's range, and an app keeps the numbers that it had (8.3). */
import { EkidenError } from '@ekiden/model';
import type { CanonicalApp } from './canonical-app.js';
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

/** In the order of the port definitions or mappings; 0 where none is assigned yet. */
export const servicePortsOf = (definition: AppDefinition): readonly number[] => portsOf(canonicalOf(definition));

const portsOf = ({ portDefinitions, container }: CanonicalApp): readonly number[] =>
  portDefinitions?.map(({ port }) => port) ?? container?.portMappings?.map(({ servicePort }) => servicePort) ?? [];

function withPorts(app: CanonicalApp, ports: readonly number[]): CanonicalApp {
  const { portDefinitions, container } = app;
  if (portDefinitions !== undefined) return { ...app, portDefinitions: portDefinitions.map((one, index) => ({ ...one, port: ports[index] ?? one.port })) };
  if (container?.portMappings === undefined) return app;
  const portMappings = container.portMappings.map((one, index) => ({ ...one, servicePort: ports[index] ?? one.servicePort }));
  return { ...app, container: { ...container, portMappings } };
}

/**
 * The definition without zeros. A zero takes the app's former number at the same position, then its other former ones, then the
 * lowest free one of the range. Explicit numbers are never refused, as in Marathon: so two apps may have the same one, and neither loses
 * it by that, else the same change asked for again would be another one. Throws `limit-exceeded` when the range is used up.
 */
export function assignServicePorts(request: ServicePortRequest): AppDefinition {
  const { definition, former, taken, min, max } = request;
  const app = canonicalOf(definition);
  const ports = portsOf(app);
  if (ports.every((port) => port !== 0)) return definition;
  const used = new Set<number>(ports);
  const isOurs = (port: number | undefined): port is number => port !== undefined && port >= min && port <= max && !used.has(port);
  const formerPorts = former === null ? [] : servicePortsOf(former);

  const assigned = ports.map((port, index) => {
    const same = formerPorts[index];
    if (port !== 0 || !isOurs(same)) return port;
    used.add(same);
    return same;
  });
  const spare = formerPorts.filter(isOurs);
  let candidate = min;
  const lowest = (): number => {
    while (candidate <= max && (used.has(candidate) || taken.has(candidate))) candidate += 1;
    if (candidate > max) throw exhausted(definition.id, min, max);
    return candidate;
  };
  const complete = assigned.map((port) => {
    if (port !== 0) return port;
    const next = spare.shift() ?? lowest();
    used.add(next);
    return next;
  });
  return definitionOf(withPorts(app, complete));
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
