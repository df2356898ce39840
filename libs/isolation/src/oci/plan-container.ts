/**
 * The two shell files of a container's launch. Pure.
 *
 * `launch` opens as for every task (plan-launch.ts) and then goes into a mount namespace of its own; `enter` mounts the image there and
 * becomes the container runtime. So the mounts belong to the task's processes alone: they are gone with the last of them, whoever was
 * killed meanwhile, and nobody has to undo them. And the container is in the task's control group like any process of it, since the
 * runtime is told to leave groups alone: limits, statistics, kills and sweeps are those of the `cgroup` runtime.
 */
import { type LaunchSurroundings, openingLines, quote } from '../plan-launch.js';
import type { LaunchSpec } from '../runtime.js';
import { type FoundRuntime, type GroupTrees, keepOffGroups, type OciRuntime, runtimeWords } from './oci-runtime.js';

/** Below the run directory. */
export const ENTER_FILE = 'enter';
export const BUNDLE_DIR = 'bundle';
/** What the container has written outside of its sandbox and volumes. */
export const UPPER_DIR = 'upper';
export const WORK_DIR = 'work';
export const STATE_DIR = 'state';
export const RUNTIME_LOG = 'runtime.log';
/** Alone in its state directory, so every container may be called so. */
export const CONTAINER_NAME = 'task';

/** The programs between the shell and the container, absolute, as found on this machine. */
export interface ContainerTools {
  /** Which launches. */
  readonly runtime: FoundRuntime;
  /** Where each is, so that a container is entered by the one that made it. */
  readonly runtimes: Readonly<Record<OciRuntime, string | null>>;
  readonly unshare: string;
  readonly mount: string;
  readonly umount: string;
  /** A statically linked tini. */
  readonly init: string;
  readonly groupTrees: GroupTrees;
}

/** Overlay's options cannot hold these in a path. */
const UNMOUNTABLE = /[,:\\\n"]/;

/** What the container of a run directory has written outside of its sandbox and volumes. */
export const containerLayer = (runDir: string): string => `${runDir}/${UPPER_DIR}`;

/** Null, or which directory overlay cannot be told. */
export function refusePaths(paths: readonly string[]): string | null {
  const wrong = paths.find((path) => UNMOUNTABLE.test(path));
  return wrong === undefined ? null : `images cannot be mounted at ${wrong}: use a work directory without commas, colons, quotes and backslashes`;
}

export function planContainerLaunch(spec: LaunchSpec, around: LaunchSurroundings, tools: ContainerTools): string {
  const words = [tools.unshare, '--mount', '--propagation', 'private', '--', around.tools.shell, `${spec.runDir}/${ENTER_FILE}`];
  return [...openingLines(spec, around), `trap - EXIT`, `exec ${words.map(quote).join(' ')}`, ''].join('\n');
}

/** Run as a file by the shell of the launch, inside the task's groups and its own mount namespace. */
export function planEnter(spec: LaunchSpec, rootfs: string, around: Pick<LaunchSurroundings, 'tools'>, tools: ContainerTools): string {
  const { runDir } = spec;
  const root = `${runDir}/${BUNDLE_DIR}/rootfs`;
  const layers = `nodev,lowerdir=${rootfs},upperdir=${runDir}/${UPPER_DIR},workdir=${runDir}/${WORK_DIR}`;
  const runtime = [
    ...[around.tools.env, '-i', ...(around.tools.envResetsSignals ? ['--default-signal=INT,QUIT'] : []), 'PATH=/usr/sbin:/usr/bin:/sbin:/bin'],
    ...[around.tools.setsid, ...runtimeWords(tools.runtime, `${runDir}/${STATE_DIR}`)],
    ...['--log', `${runDir}/${RUNTIME_LOG}`, '--log-format', 'json', 'run', '--bundle', `${runDir}/${BUNDLE_DIR}`, CONTAINER_NAME],
  ];
  return [
    `d=${quote(runDir)}`,
    `nl='`,
    `'`,
    `why='its mounts cannot be prepared'`,
    `trap 'printf "fail %s\\n" "\${why%%"$nl"*}" >>"$d/run"' EXIT`,
    ...keepOffGroups(tools.runtime.kind, tools.groupTrees, tools).map((words) => `${words.map(quote).join(' ')} || exit 126`),
    `out=$(${quote(tools.mount)} -t overlay overlay -o ${quote(layers)} ${quote(root)} 2>&1) || { why="its image cannot be mounted: $out"; exit 126; }`,
    `why='its run directory cannot be written'`,
    `IFS= read -r stat </proc/self/stat`,
    `printf 'pid %s\\n' "$stat" >>"$d/run" || exit 126`,
    `trap - EXIT`,
    `exec ${runtime.map(quote).join(' ')}`,
    '',
  ].join('\n');
}
