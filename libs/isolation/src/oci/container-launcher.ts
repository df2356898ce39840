/**
 * What a launch with an image needs beside a launch without: a bundle and two directories in the run directory, and afterwards what
 * the container runtime said, should it have refused. All of it goes with the run directory; the mounts go with the processes.
 */
import { chmodSync, chownSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type DockerOptions, NO_DOCKER_OPTIONS } from '@ekiden/model';
import { hasCode } from '../cgroup-driver.js';
import type { LaunchSurroundings } from '../plan-launch.js';
import type { LaunchSpec } from '../runtime.js';
import { type ResolvedUser, resolveUser } from '../users.js';
import { bundleConfig } from './bundle.js';
import type { ContainerSpec, UnpackedImage } from './container-spec.js';
import { type ContainerUser, userOfImage } from './image-user.js';
import {
  BUNDLE_DIR,
  ENTER_FILE,
  RUNTIME_LOG,
  UPPER_DIR,
  WORK_DIR,
  type ContainerTools,
  planContainerLaunch,
  planEnter,
  refusePaths,
} from './plan-container.js';
import { hasOwnFiles, machineFiles, ownFiles, writeOwnFiles } from './network-files.js';
import { keepStopSignal, parseStopSignal } from './stop-signal.js';
import type { DockerProfile } from './seccomp-profile.js';

/** What `probeContainers` found. */
export interface ContainerMachine {
  readonly tools: ContainerTools;
  /** Null: this machine has no profile; a container that must have one is refused. */
  readonly seccomp: DockerProfile | null;
}

export interface PreparedContainer {
  /** To whom sandbox and logs are given. */
  readonly owner: ResolvedUser;
  /** The text of the launch file. */
  launchText(around: LaunchSurroundings): string;
}

const MAX_LOG_BYTES = 64 * 1024;

/** Writes the bundle. Throws with the reason when the image cannot be run as asked. */
export async function prepareContainer(spec: LaunchSpec, container: ContainerSpec, { tools, seccomp }: ContainerMachine): Promise<PreparedContainer> {
  const { image } = container;
  if (!('rootfs' in image)) throw new Error('this image is kept by a container engine, and is not unpacked on the machine');
  const refusal = refusePaths([spec.runDir, image.rootfs]) ?? refuseContainer(container);
  if (refusal !== null) throw new Error(refusal);
  if (spec.command.kind !== 'argv') throw new Error('a container runs words: its command has to be resolved with its image');
  const { options = NO_DOCKER_OPTIONS } = container;
  const stopSignal = parseStopSignal(options.stopSignal ?? image.config.stopSignal);
  const user = await userOf(spec.user, image, options);
  const config = bundleConfig({
    words: spec.command.argv,
    env: spec.env,
    user,
    workingDirectory: container.workingDirectory ?? (image.config.workingDirectory || '/'),
    sandbox: spec.sandbox,
    volumes: container.volumes,
    networkFiles: hasOwnFiles(container) ? ownFiles(spec.runDir) : machineFiles(),
    networkNamespace: container.network?.namespace ?? null,
    hostname: container.network?.hostname ?? options.hostname,
    options,
    security: spec.security ?? {},
    init: tools.init,
    seccomp,
    arch: process.arch,
  });
  writeBundle(spec, image, container, config);
  keepStopSignal(spec.runDir, stopSignal);
  return {
    owner: { name: String(user.uid), uid: user.uid, gid: user.gid },
    launchText(around) {
      writeFileSync(join(spec.runDir, ENTER_FILE), planEnter(spec, image.rootfs, around, tools), { mode: 0o600 });
      return planContainerLaunch(spec, around, tools);
    },
  };
}

function refuseContainer({ workingDirectory, volumes, image }: ContainerSpec): string | null {
  const relative = [workingDirectory, image.config.workingDirectory, ...volumes.flatMap((each) => [each.hostPath, each.containerPath])].find(
    (path) => path !== null && path !== '' && !path.startsWith('/'),
  );
  return relative === undefined ? null : `"${relative}" has to be an absolute path`;
}

/** A user that the task names is one of the machine, by its number: its sandbox belongs to them. Otherwise the image says. */
async function userOf(wanted: string | null, image: UnpackedImage, options: DockerOptions): Promise<ContainerUser> {
  if (wanted === null) return withGroups(userOfImage(image.rootfs, options.user ?? image.config.user), options.groups);
  const found = await resolveUser(wanted);
  if (found === null) throw new Error(`there is no user "${wanted}" on this machine: create it, or leave the user out and the image's is taken`);
  return withGroups({ uid: found.uid, gid: found.gid, additionalGids: [], home: '/' }, options.groups);
}

const withGroups = (user: ContainerUser, groups: readonly number[]): ContainerUser => ({
  ...user,
  additionalGids: [...new Set([...user.additionalGids, ...groups])],
});

function writeBundle({ runDir }: LaunchSpec, image: UnpackedImage, container: ContainerSpec, config: Readonly<Record<string, unknown>>): void {
  const root = statSync(image.rootfs);
  if (!root.isDirectory()) throw new Error(`the image at ${image.rootfs} is no directory`);
  for (const name of [BUNDLE_DIR, `${BUNDLE_DIR}/rootfs`, UPPER_DIR, WORK_DIR]) mkdirSync(join(runDir, name), { mode: 0o700 });
  // It becomes the container's root directory, which every user in there has to get through.
  chmodSync(join(runDir, UPPER_DIR), root.mode & 0o7777);
  chownSync(join(runDir, UPPER_DIR), root.uid, root.gid);
  if (hasOwnFiles(container)) writeOwnFiles(runDir, container);
  // The environment may hold secrets.
  writeFileSync(join(runDir, BUNDLE_DIR, 'config.json'), JSON.stringify(config), { mode: 0o600 });
}

/** What the container runtime said when it could not start the container; null when it started it, or nothing is known. */
export function refusalOfRuntime(runDir: string): string | null {
  let text: string;
  try {
    text = readFileSync(join(runDir, RUNTIME_LOG), 'utf8').slice(-MAX_LOG_BYTES);
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return null;
    throw error;
  }
  return lastError(text);
}

/** Pure: the last line of level error in a log of JSON lines. */
export function lastError(log: string): string | null {
  const messages = log.split('\n').flatMap((line) => {
    const found = /"msg":\s*"((?:[^"\\]|\\.)*)"/.exec(line)?.[1];
    return found !== undefined && /"level":\s*"error"/.test(line) ? [found.replaceAll(/\\(["\\/])/g, '$1')] : [];
  });
  return messages.at(-1) ?? null;
}
