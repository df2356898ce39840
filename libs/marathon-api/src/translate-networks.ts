/**
 * Networks as older Marathons wrote them (`docker.network`, `docker.portMappings`, `ipAddress`) into today's, and the refusal of old beside
 * new (8.1, 9.3, 9.4). Works on what was sent, before a merge.
 *
 * What Marathon answers with 500 (8.6) is refused here with 422 at the field.
 */
import { BRIDGE_NETWORK, type Violation } from '@ekiden/model';
import type { AppInput } from './app.schema.js';
import { typeOf } from './container.js';
import { isOwn } from './networks.js';

type Mapping = NonNullable<NonNullable<AppInput['container']>['portMappings']>[number];
type Networks = NonNullable<AppInput['networks']>;

export interface TranslatedNetworks {
  readonly app: AppInput;
  readonly violations: readonly Violation[];
}

/** `given`: as it was sent, but for `ports`, which are `portDefinitions` by now. */
export function translateNetworks(given: AppInput): TranslatedNetworks {
  const { ipAddress, ...rest } = given;
  const violations = [...refuseDocker(given), ...refuseAddress(given), ...refuseMixed(given)];
  const networks = oldNetworks(given);
  let app: AppInput = networks === undefined ? rest : { ...rest, networks };
  const mappings = oldMappings(given);
  if (given.container !== undefined || mappings !== undefined || ipAddress !== undefined) {
    const container = given.container ?? { type: 'MESOS' as const };
    app = { ...app, container: { ...container, ...withoutOld(container.docker), ...(mappings === undefined ? {} : { portMappings: mappings }) } };
  }
  return { app: app.networks !== undefined && isOwn(app.networks) ? withoutDefinitions(app) : app, violations };
}

function withoutOld(docker: NonNullable<AppInput['container']>['docker']): Pick<NonNullable<AppInput['container']>, 'docker'> {
  if (docker === undefined) return {};
  const { network: _network, portMappings: _mappings, ...rest } = docker;
  return { docker: rest };
}

/** Undefined: nothing old says anything. */
function oldNetworks({ container, ipAddress }: AppInput): Networks | undefined {
  const labelled = ipAddress?.labels === undefined ? {} : { labels: ipAddress.labels };
  const name = ipAddress?.networkName === undefined ? {} : { name: ipAddress.networkName };
  switch (container?.docker?.network) {
    case 'HOST':
      return [{ mode: 'host' }];
    case 'BRIDGE':
      return [{ mode: 'container/bridge', ...labelled }];
    case 'USER':
      return [{ mode: 'container', ...name, ...labelled }];
    case 'NONE':
      return undefined;
    case undefined:
      if (ipAddress === undefined) return undefined;
      return ipAddress.networkName === BRIDGE_NETWORK ? [{ mode: 'container/bridge', ...labelled }] : [{ mode: 'container', ...name, ...labelled }];
  }
}

function oldMappings({ container, ipAddress }: AppInput): readonly Mapping[] | undefined {
  const docker = container?.docker?.portMappings;
  if (docker !== undefined && (container?.portMappings ?? []).length === 0) return docker;
  const discovered = ipAddress?.discovery?.ports;
  if (discovered === undefined || container?.portMappings !== undefined) return undefined;
  return discovered.map(({ number, ...port }) => ({ containerPort: number, ...port }));
}

function refuseDocker({ container, networks }: AppInput): Violation[] {
  const docker = container?.docker;
  if (container === undefined || docker === undefined) return [];
  const found: Violation[] = [];
  const refuse = (path: string, text: string): void => void found.push({ path, errors: [text] });
  const isMesos = typeOf(container) === 'MESOS';
  if (isMesos && docker.network !== undefined) refuse('/container/docker/network', 'must be empty with type MESOS: give networks');
  if (isMesos && docker.portMappings !== undefined) refuse('/container/docker/portMappings', 'must be empty with type MESOS: give container.portMappings');
  if (docker.network === 'NONE')
    refuse('/container/docker/network', 'NONE is not supported: leave it out for the network of the machine, or use BRIDGE without portMappings');
  if (docker.network !== undefined && networks !== undefined)
    refuse('/', 'container.docker.network must not be set together with networks: give only networks');
  if ((docker.portMappings ?? []).length > 0 && (container.portMappings ?? []).length > 0)
    refuse('/container/docker/portMappings', 'must not be set together with container.portMappings: give only those');
  return found;
}

function refuseAddress({ ipAddress, networks, portDefinitions = [], container }: AppInput): Violation[] {
  if (ipAddress === undefined) return [];
  const found: Violation[] = [];
  const refuse = (path: string, text: string): void => void found.push({ path, errors: [text] });
  if (networks !== undefined) refuse('/', 'ipAddress must not be set together with networks: give only networks');
  if (portDefinitions.length > 0) refuse('/', 'ipAddress must not be set together with ports or portDefinitions: give container.portMappings');
  const ports = ipAddress.discovery?.ports ?? [];
  if (ports.length > 0 && container !== undefined && typeOf(container) === 'DOCKER')
    refuse('/ipAddress', 'discovery is for containers of type MESOS: give container.portMappings');
  if (ports.length > 0 && (container?.portMappings ?? []).length > 0) refuse('/ipAddress', 'discovery must not be set together with container.portMappings');
  return found;
}

/** Ports of the one kind of network with the other, where both are in so many words. */
function refuseMixed({ networks, portDefinitions = [], container }: AppInput): Violation[] {
  const mappings = [...(container?.portMappings ?? []), ...(container?.docker?.portMappings ?? [])];
  const network = container?.docker?.network;
  const found: Violation[] = [];
  const isHost = networks === undefined ? network === 'HOST' : networks.length > 0 && !isOwn(networks);
  if (isHost && mappings.length > 0)
    found.push({ path: '/', errors: ['port mappings are not allowed with the host network: use portDefinitions, or networks [{"mode":"container/bridge"}]'] });
  if (networks !== undefined && isOwn(networks) && portDefinitions.length > 0)
    found.push({ path: '/', errors: ['portDefinitions are only allowed with host networking: use container.portMappings'] });
  return found;
}

/** As Marathon: where an older form names more ports than it maps, the missing number is mapped. */
function withoutDefinitions({ portDefinitions = [], ...app }: AppInput): AppInput {
  const mappings = app.container?.portMappings;
  const missing = portDefinitions.length - (mappings?.length ?? 0);
  if (missing <= 0 || app.container === undefined) return app;
  const added = portDefinitions.slice(-missing).map(({ port, ...one }) => ({ ...one, ...(port === undefined ? {} : { servicePort: port }) }));
  return { ...app, container: { ...app.container, portMappings: [...(mappings ?? []), ...added] } };
}
