/**
 * Apps that are images: in the network of the machine, on the bridge with ports of the machine that are any or these, or in a network by
 * name, with or without such ports. Pure but for the chance that is handed in.
 */
import type { AppSpec } from '@ekiden/model';
import type { Traits } from '../traits.js';
import type { Chance } from '../world/chance.js';

type Body = Readonly<Record<string, unknown>>;

/** Their tags move (`push-image.ts`). */
export const IMAGES: readonly string[] = ['shop/web:1', 'shop/web:2', 'registry.example:5000/media/api:stable'];
/** The only port of each app that has a network of its own. */
const CONTAINER_PORT = 80;
const ANY_DEFINITION = { portDefinitions: [{ port: 0, name: 'http' }] };
const HOST: Body = { networks: [{ mode: 'host' }] };
const BRIDGE: Body = { networks: [{ mode: 'container/bridge' }] };
const NAMED: Body = { networks: [{ mode: 'container', name: 'blue' }] };

/** Where an app runs, and its one port, which is called `http`. */
export function aPlace(chance: Chance, { imageShare }: Traits): Body {
  if (!chance.hit(imageShare)) return ANY_DEFINITION;
  const image = { type: chance.pick(['DOCKER', 'MESOS']), docker: { image: chance.pick(IMAGES), forcePullImage: chance.hit(0.2) } };
  return chance.pick<() => Body>([
    () => ({ ...ANY_DEFINITION, ...HOST, container: image }),
    () => ({ ...BRIDGE, container: { ...image, portMappings: [mapping(0)] } }),
    () => ({ ...NAMED, container: { ...image, portMappings: [mapping(chance.pick([0, null]))] } }),
  ])();
}

/** The same app with any port of the machine. */
export const anyPort = (spec: AppSpec | null): Body => ownPort(spec, 0) ?? ANY_DEFINITION;

/** The same app with this very port of the machine. */
export const thisPort = (spec: AppSpec | null, port: number): Body => ownPort(spec, port) ?? { requirePorts: true, portDefinitions: [{ port, name: 'http' }] };

/** Its port may be taken for ever. */
export const needsLuckyPorts = ({ ownNetwork }: AppSpec): boolean => ownNetwork?.portMappings.some(({ hostPort }) => (hostPort ?? 0) > 0) === true;

/** Null: it has the network of the machine. */
function ownPort(spec: AppSpec | null, hostPort: number): Body | null {
  if (spec?.ownNetwork === undefined || spec.container === null) return null;
  const { kind, image } = spec.container;
  return { container: { type: kind, docker: { image }, portMappings: [mapping(hostPort)] } };
}

const mapping = (hostPort: number | null): Body => ({ containerPort: CONTAINER_PORT, ...(hostPort === null ? {} : { hostPort }), name: 'http' });
