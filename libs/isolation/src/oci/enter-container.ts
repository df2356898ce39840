/**
 * How another process (a health check, an operator's command) gets into a running container: by the container runtime, with the container's user, environment,
 * capabilities and system call filter. 20 ms or so; nsenter would be faster, and would come in with all of root's powers.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { quote } from '../plan-launch.js';
import type { TerminalOptions } from '../runtime.js';
import { keepOffGroups, makerOf, runtimeWords } from './oci-runtime.js';
import { BUNDLE_DIR, CONTAINER_NAME, ENTER_FILE, STATE_DIR, type ContainerTools } from './plan-container.js';

/** What stands before the command. Null: the run directory is that of a host command. A terminal of the container's own is laid behind ours. */
export function enterContainer(runDir: string, tools: ContainerTools, shell: string, terminal: TerminalOptions | null): readonly string[] | null {
  if (!existsSync(join(runDir, ENTER_FILE))) return null;
  const stateDir = join(runDir, STATE_DIR);
  const kind = makerOf(stateDir, CONTAINER_NAME);
  const path = tools.runtimes[kind];
  if (path === null) throw new Error(`its container was made by ${kind}, which is gone from this machine: install the package ${kind}`);
  const asked = terminal === null ? [] : ['--tty', '--env', `TERM=${terminal.type}`];
  const exec = [...runtimeWords({ kind, path }, stateDir), 'exec', ...asTheTask(runDir), ...asked, CONTAINER_NAME];
  // As at the launch, and again in a mount namespace of the process' own.
  const before = keepOffGroups(kind, tools.groupTrees, tools).map((words) => words.map(quote).join(' '));
  if (before.length === 0) return exec;
  return [tools.unshare, '--mount', '--propagation', 'private', '--', shell, '-c', [...before, 'exec "$@"'].join(' && '), 'enter', ...exec];
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
