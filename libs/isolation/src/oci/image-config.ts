/**
 * Reads an image's configuration, and applies Docker's and Mesos' rules for what is run in it. Pure.
 *
 * Sources: OCI image specification (config.md); Mesos: docker/runtime isolator's table for type MESOS, `docker run` for type DOCKER.
 */
import { CONTAINER_SANDBOX, type ImageConfig } from './container-spec.js';

/** What a task says of its command; the image fills in the rest. */
export type ContainerCommand =
  /** Through `/bin/sh -c` of the image; its entrypoint is left out. */
  | { readonly kind: 'shell'; readonly line: string }
  /** Instead of the image's own arguments; none: the image's own. `program`: instead of its entrypoint. */
  | { readonly kind: 'arguments'; readonly program: string | null; readonly args: readonly string[] };

/** DOCKER: as `docker run`. MESOS: as Mesos' own containerizer. */
export type ContainerKind = 'DOCKER' | 'MESOS';

const DEFAULT_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/** Throws with the reason when it is no image configuration. */
export function readImageConfig(json: string): ImageConfig {
  const image: unknown = JSON.parse(json);
  const config = isFields(image) && isFields(image['config']) ? image['config'] : {};
  return {
    user: typeof config['User'] === 'string' ? config['User'] : '',
    env: Object.fromEntries(texts(config['Env']).map(splitVariable)),
    entrypoint: texts(config['Entrypoint']),
    cmd: texts(config['Cmd']),
    workingDirectory: typeof config['WorkingDir'] === 'string' ? config['WorkingDir'] : '',
    stopSignal: typeof config['StopSignal'] === 'string' ? config['StopSignal'] : '',
  };
}

/** The words that are run in the container. Throws with the reason when there are none. */
export function containerWords(kind: ContainerKind, command: ContainerCommand, image: ImageConfig): readonly string[] {
  if (command.kind === 'shell') return ['/bin/sh', '-c', command.line];
  const words = argumentWords(kind, command, image);
  if (words[0] === undefined || words[0] === '')
    throw new Error('there is nothing to run: the image has neither entrypoint nor command, so the app needs `cmd` or `args`');
  return words;
}

function argumentWords(kind: ContainerKind, { program, args }: Extract<ContainerCommand, { kind: 'arguments' }>, image: ImageConfig): readonly string[] {
  if (kind === 'DOCKER') {
    // `docker run IMAGE [value] [arguments]`: what is given replaces the image's command, the entrypoint stays.
    const given = [...(program === null ? [] : [program]), ...args];
    return [...image.entrypoint, ...(given.length > 0 ? given : image.cmd)];
  }
  if (program !== null) return [program, ...args];
  if (image.entrypoint.length > 0) return [...image.entrypoint, ...(args.length > 0 ? args : image.cmd)];
  return args.length > 0 ? [...image.cmd.slice(0, 1), ...args] : image.cmd;
}

/** Rising priority: Docker's default PATH, the image, what is given. The sandbox is where the container sees it. */
export function containerEnv(image: ImageConfig, given: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  return { PATH: DEFAULT_PATH, ...image.env, MESOS_SANDBOX: CONTAINER_SANDBOX, ...given };
}

const isFields = (value: unknown): value is Readonly<Record<string, unknown>> => typeof value === 'object' && value !== null && !Array.isArray(value);

const texts = (value: unknown): readonly string[] => (Array.isArray(value) ? value.filter((each) => typeof each === 'string') : []);

function splitVariable(entry: string): readonly [string, string] {
  const at = entry.indexOf('=');
  return at < 0 ? [entry, ''] : [entry.slice(0, at), entry.slice(at + 1)];
}
