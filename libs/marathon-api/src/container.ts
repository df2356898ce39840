/**
 * Containers: what is refused of them because it is not built (decision 16), and the form that is stored of the rest (7.2).
 *
 * Built are images of both types, with volumes of the machine; their networks are networks.ts. A container of type MESOS without an image
 * changes nothing for a command, and is left out with a warning.
 */
import { readDockerParameters, type Violation } from '@ekiden/model';
import type { AppInput } from './app.schema.js';
import type { CanonicalContainer, CanonicalNetwork, CanonicalVolume } from './canonical-app.js';
import { canonicalMappings, isOwn } from './networks.js';

type ContainerInput = NonNullable<AppInput['container']>;
type VolumeInput = NonNullable<ContainerInput['volumes']>[number];

/** What a user would rely on, each with what to do instead. */
export function refuseContainer(app: AppInput, warnings: string[]): Violation[] {
  const { container } = app;
  if (container === undefined) return [];
  const refused: Violation[] = [];
  const check = (isSet: boolean, path: string, text: string): void => {
    if (isSet) refused.push({ path, errors: [text] });
  };
  const { docker = {} } = container;
  const isDocker = typeOf(container) === 'DOCKER';
  check(container.linuxInfo !== undefined, '/container/linuxInfo', 'linuxInfo is not supported yet: leave it out');
  refused.push(...refuseParameters(app, warnings));
  check(docker.credential !== undefined, '/container/docker/credential', 'must be empty');
  const login = 'fetch a Docker config.json into the sandbox, or let the operator give the agents one (--image-auth-file)';
  check(docker.pullConfig !== undefined, '/container/docker/pullConfig', `pullConfig needs secrets, which are not supported yet: ${login}`);
  const hasImage = docker.image !== undefined;
  refused.push(...(container.volumes ?? []).flatMap((volume, index) => refuseVolume(volume, `/container/volumes(${index})`, hasImage)));
  if (refused.length === 0 && !hasImage && !isDocker)
    warnings.push('container of type MESOS without image, volumes or port mappings changes nothing and was left out');
  return refused;
}

/** Options of `docker run`: each is one that works here, in this app. */
function refuseParameters(app: AppInput, warnings: string[]): Violation[] {
  const parameters = app.container?.docker?.parameters ?? [];
  if (app.container === undefined || parameters.length === 0) return [];
  if (typeOf(app.container) === 'MESOS') return [{ path: '/container/docker/parameters', errors: ['must be empty with type MESOS'] }];
  const { options, refusals, ignored } = readDockerParameters(parameters);
  for (const key of new Set(ignored)) warnings.push(`the parameter "${key}" of container.docker.parameters changes nothing here`);
  const found: Violation[] = refusals.map(({ index, why }) => ({ path: `/container/docker/parameters(${index})`, errors: [why] }));
  const refuse = (text: string): void => void found.push({ path: '/container/docker/parameters', errors: [text] });
  if (options.entrypoint !== null && app.cmd !== undefined) refuse('entrypoint and cmd contradict each other: a cmd is run by /bin/sh of the image; use args');
  if (options.user !== null && app.user !== undefined) refuse('the parameter user and the user of the app contradict each other: give one of them');
  if (!isOwn(app.networks ?? []) && Object.keys(options.sysctls).some((name) => name.startsWith('net.')))
    refuse('sysctl net.* needs a network of the container: add networks [{"mode":"container/bridge"}]');
  return found;
}

/** Undefined: nothing is stored of it. */
export function canonicalContainer(container: AppInput['container'], networks: readonly CanonicalNetwork[]): CanonicalContainer | undefined {
  const image = container?.docker?.image;
  if (container === undefined || (image === undefined && typeOf(container) === 'MESOS')) return undefined;
  const docker = { image: image ?? '', forcePullImage: container.docker?.forcePullImage ?? false };
  const volumes = (container.volumes ?? []).map(canonicalVolume);
  const mapped = isOwn(networks) ? { portMappings: canonicalMappings(container.portMappings, networks) } : {};
  if (typeOf(container) === 'MESOS') return { type: 'MESOS', docker, volumes, ...mapped };
  return {
    type: 'DOCKER',
    docker: { ...docker, parameters: container.docker?.parameters ?? [], privileged: container.docker?.privileged ?? false },
    volumes,
    ...mapped,
  };
}

/** Of a container that is built. */
export function checkContainer(container: CanonicalContainer | undefined): Violation[] {
  if (container === undefined) return [];
  const found: Violation[] = [];
  const { image } = container.docker;
  if (image === '') found.push({ path: '/container/docker/image', errors: ['an image is needed with type DOCKER'] });
  else if (!/^[\u0021-\u007e]{1,1024}$/.test(image))
    found.push({ path: '/container/docker/image', errors: ['has to be the name of an image, without blanks'] });
  for (const [index, volume] of container.volumes.entries()) {
    for (const field of ['containerPath', 'hostPath'] as const) {
      const path = volume[field];
      if (path.startsWith('/') && !path.includes('\0') && !path.split('/').includes('..')) continue;
      found.push({ path: `/container/volumes(${index})/${field}`, errors: ['has to be an absolute path without ".."'] });
    }
  }
  return found;
}

export const typeOf = (container: Pick<ContainerInput, 'type'>): 'DOCKER' | 'MESOS' => container.type ?? 'DOCKER';

function refuseVolume(volume: VolumeInput, path: string, hasImage: boolean): Violation[] {
  const other = ['persistent', 'external', 'secret'].find((kind) => volume[kind] !== undefined);
  if (other !== undefined) return [{ path, errors: [`${other} volumes are not supported yet: use hostPath, below a directory that the operator allows`] }];
  if (!hasImage) return [{ path, errors: ['volumes without an image are not supported yet: a command sees the machine as it is'] }];
  if (typeof volume['hostPath'] !== 'string' || volume['hostPath'] === '') return [{ path: `${path}/hostPath`, errors: ['error.path.missing'] }];
  if (typeof volume['containerPath'] !== 'string' || volume['containerPath'] === '') return [{ path: `${path}/containerPath`, errors: ['error.path.missing'] }];
  if (modeOf(volume) === null) return [{ path: `${path}/mode`, errors: ['has to be RO or RW'] }];
  return [];
}

const modeOf = (volume: VolumeInput): 'RO' | 'RW' | null => {
  const mode = typeof volume['mode'] === 'string' ? volume['mode'].toUpperCase() : '';
  return mode === 'RO' || mode === 'RW' ? mode : null;
};

const canonicalVolume = (volume: VolumeInput): CanonicalVolume => ({
  containerPath: String(volume['containerPath']),
  hostPath: String(volume['hostPath']),
  mode: modeOf(volume) ?? 'RO',
});
