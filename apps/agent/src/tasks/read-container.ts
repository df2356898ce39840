/**
 * Reads `TaskInfo.container`, field by field, since it comes from outside; or says why a container cannot be run so.
 *
 * Pure. What the operator allows is settled here, but for links in the paths of volumes, which only the machine can follow. What is not
 * built is refused, never ignored.
 */
import type { ContainerCommand, ContainerKind, HostVolume } from '@ekiden/isolation';
import type { CommandInfo } from '@ekiden/mesos';
import { NO_DOCKER_OPTIONS, readDockerParameters, type DockerOptions, type DockerParameter } from '@ekiden/model';
import { readNetworks, type WantedNetwork } from './read-networks.js';
import { fieldsOf, isFields, isSet, listOf, Refusal, textOf, type Fields } from './read-fields.js';

export interface ContainerPolicy {
  /** Why no image is run here; null: they are. */
  readonly imagesRefused: string | null;
  /** Directories of the machine below which a task may mount. */
  readonly volumeDirs: readonly string[];
  readonly allowsPrivileged: boolean;
  /** Why no task has a network of its own here; null or absent: they can. */
  readonly networksRefused?: string | null;
}

export interface ContainerPlan {
  readonly kind: ContainerKind;
  readonly image: string;
  readonly forcePull: boolean;
  readonly command: ContainerCommand;
  readonly volumes: readonly HostVolume[];
  readonly isPrivileged: boolean;
  /** Of its own, in the order of its interfaces; none: the machine's. */
  readonly networks: readonly WantedNetwork[];
  readonly options: DockerOptions;
}

export type ReadContainer =
  { readonly kind: 'container'; readonly plan: ContainerPlan } | { readonly kind: 'none' } | { readonly kind: 'refused'; readonly why: string };

export const NO_IMAGES: ContainerPolicy = { imagesRefused: 'this agent runs no images', volumeDirs: [], allowsPrivileged: false };

/** Of a task that was accepted before, whatever is allowed by now. */
export const ANY_CONTAINER: ContainerPolicy = { imagesRefused: null, volumeDirs: ['/'], allowsPrivileged: true };

export function readContainer(container: unknown, command: CommandInfo | undefined, policy: ContainerPolicy): ReadContainer {
  if (container === undefined || container === null) return { kind: 'none' };
  try {
    const plan = planContainer(fieldsOf(container, 'container'), command, policy);
    return plan === null ? { kind: 'none' } : { kind: 'container', plan };
  } catch (error) {
    if (error instanceof Refusal) return { kind: 'refused', why: error.message };
    throw error;
  }
}

/** Null: a container that asks for nothing but to be one. */
function planContainer(container: Fields, command: CommandInfo | undefined, policy: ContainerPolicy): ContainerPlan | null {
  const kind = container['type'];
  if (kind !== 'DOCKER' && kind !== 'MESOS') throw new Refusal('`container.type` has to be DOCKER or MESOS');
  for (const name of ['linux_info', 'rlimit_info', 'tty_info', 'hostname']) {
    if (isSet(container[name])) throw new Refusal(`\`container.${name}\` is not supported yet: leave it out`);
  }
  const image = kind === 'DOCKER' ? dockerImage(container['docker'], policy) : mesosImage(container['mesos']);
  const volumes = listOf(container['volumes']).map((volume) => readVolume(fieldsOf(volume, 'container.volumes'), policy));
  if (image === null) {
    if (readNetworks(kind, container).length > 0) throw new Refusal('a network of its own needs an image: a command has the network of the machine');
    if (volumes.length > 0) throw new Refusal('`container.volumes` need an image: a command without one sees the whole machine anyway');
    return null;
  }
  if (policy.imagesRefused !== null) throw new Refusal(policy.imagesRefused);
  const networks = readNetworks(kind, container);
  if (networks.length > 0 && policy.networksRefused != null) throw new Refusal(policy.networksRefused);
  if (networks.length === 0 && Object.keys(image.options.sysctls).some((name) => name.startsWith('net.')))
    throw new Refusal('the parameter sysctl net.* needs a network of its own: use `container.docker.network` BRIDGE');
  return { kind, ...image, volumes, networks, command: containerCommand(command) };
}

type Image = Pick<ContainerPlan, 'image' | 'forcePull' | 'isPrivileged' | 'options'>;

function dockerImage(raw: unknown, policy: ContainerPolicy): Image {
  const docker = fieldsOf(raw, 'container.docker');
  const { options, refusals } = readDockerParameters(listOf(docker['parameters']).map(readParameter));
  if (refusals[0] !== undefined) throw new Refusal(refusals.map(({ why }) => why).join('; '));
  const isPrivileged = docker['privileged'] === true;
  if (isPrivileged && !policy.allowsPrivileged) throw new Refusal('privileged containers are not allowed on this agent: start it with --allow-privileged');
  return { image: textOf(docker['image'], 'container.docker.image'), forcePull: docker['force_pull_image'] === true, isPrivileged, options };
}

function mesosImage(raw: unknown): Image | null {
  if (!isFields(raw) || !isSet(raw['image'])) return null;
  const image = fieldsOf(raw['image'], 'container.mesos.image');
  if (image['type'] !== 'DOCKER') throw new Refusal('of the kinds of images only DOCKER is supported');
  const docker = fieldsOf(image['docker'], 'container.mesos.image.docker');
  if (isSet(docker['config']) || isSet(docker['credential'])) {
    throw new Refusal('credentials in the task are not supported yet: fetch a Docker config.json, or let the operator give --image-auth-file');
  }
  return {
    image: textOf(docker['name'], 'container.mesos.image.docker.name'),
    forcePull: image['cached'] === false,
    isPrivileged: false,
    options: NO_DOCKER_OPTIONS,
  };
}

function readParameter(parameter: unknown): DockerParameter {
  const { key, value } = fieldsOf(parameter, 'container.docker.parameters');
  return { key: textOf(key, 'container.docker.parameters.key'), value: typeof value === 'string' ? value : '' };
}

function readVolume(volume: Fields, policy: ContainerPolicy): HostVolume {
  const containerPath = textOf(volume['container_path'], 'container.volumes.container_path');
  if (isSet(volume['image']) || isSet(volume['source'])) throw new Refusal('of the volumes only those with a host_path are supported yet');
  const hostPath = textOf(volume['host_path'], 'container.volumes.host_path');
  for (const path of [containerPath, hostPath]) {
    if (!path.startsWith('/') || path.includes('\0') || path.split('/').includes('..'))
      throw new Refusal(`the volume path "${path}" has to be absolute and without ".."`);
  }
  if (!isBelow(hostPath, policy.volumeDirs)) {
    throw new Refusal(`"${hostPath}" may not be mounted on this agent: the operator names the directories that may, with --allow-volumes`);
  }
  return { hostPath, containerPath, isReadOnly: volume['mode'] !== 'RW' };
}

/** One of them, or below one. */
export const isBelow = (path: string, directories: readonly string[]): boolean =>
  directories.some((directory) => {
    const root = directory.replace(/\/+$/, '');
    return path === root || path.startsWith(`${root}/`);
  });

/** The image fills in what the task leaves open. */
function containerCommand(info: CommandInfo | undefined): ContainerCommand {
  const isShell = info?.shell ?? (info?.value !== undefined && info.value !== '');
  if (isShell && info?.value !== undefined && info.value !== '') return { kind: 'shell', line: info.value };
  return { kind: 'arguments', program: info?.value || null, args: info?.arguments ?? [] };
}
