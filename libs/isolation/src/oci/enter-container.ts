/**
 * How another process (a health check, an operator's command) gets into a running container: by the container runtime, with the container's user, environment,
 * capabilities and system call filter. 20 ms or so; nsenter would be faster, and would come in with all of root's powers.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TerminalOptions } from '../runtime.js';
import { BUNDLE_DIR, CONTAINER_NAME, ENTER_FILE, STATE_DIR, type ContainerTools } from './plan-container.js';

/** As at the launch: crun refuses to see this tree, so it is taken away in a mount namespace of the process' own. */
const WITHOUT_TREE = '"$1" "$2" && shift 2 && exec "$@"';

/** What stands before the command. Null: the run directory is that of a host command. A terminal of the container's own is laid behind ours. */
export function enterContainer(runDir: string, tools: ContainerTools, shell: string, terminal: TerminalOptions | null): readonly string[] | null {
  if (!existsSync(join(runDir, ENTER_FILE))) return null;
  const asked = terminal === null ? [] : ['--tty', '--env', `TERM=${terminal.type}`];
  const exec = [tools.crun, '--cgroup-manager=disabled', '--root', join(runDir, STATE_DIR), 'exec', ...asTheTask(runDir), ...asked, CONTAINER_NAME];
  if (tools.hybridTree === null) return exec;
  const unshare = [tools.unshare, '--mount', '--propagation', 'private', '--'];
  return [...unshare, shell, '-c', WITHOUT_TREE, 'enter', tools.umount, tools.hybridTree, ...exec];
}

/** Said again, since the runtime would come in as root. */
function asTheTask(runDir: string): readonly string[] {
  const bundle: unknown = JSON.parse(readFileSync(join(runDir, BUNDLE_DIR, 'config.json'), 'utf8'));
  const { process } = fields(bundle);
  const { user, noNewPrivileges } = fields(process);
  const { uid, gid } = fields(user);
  if (typeof uid !== 'number' || typeof gid !== 'number') throw new Error('the bundle of its container names no user');
  return ['--user', `${uid}:${gid}`, ...(noNewPrivileges === true ? ['--no-new-privs'] : [])];
}

const fields = (value: unknown): Readonly<Record<string, unknown>> => (typeof value === 'object' && value !== null ? { ...value } : {});
