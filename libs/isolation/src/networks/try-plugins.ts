/**
 * Whether CNI plugins answer at all: one that hangs is found when the agent begins, and not by the first task that waits for it.
 *
 * Each is asked for its version, which changes nothing. What it says does not matter: one too old to know the question has answered, too.
 */
import { execFile } from 'node:child_process';
import { reasonOf } from '../reason-of.js';
import type { NetworkList } from './cni-config.js';
import { findPlugin } from './run-plugin.js';

/** Far above what one takes on a machine that is busy. */
const ANSWER_TIMEOUT_MS = 10_000;
const QUESTION = JSON.stringify({ cniVersion: '0.4.0' });

/** The programs that a network needs: its plugins and those that give out its addresses. */
export function pluginTypes({ plugins }: NetworkList): readonly string[] {
  const types = plugins.flatMap(({ type, ipam }) => [type, typeof ipam === 'object' && ipam !== null && 'type' in ipam ? ipam.type : null]);
  return [...new Set(types.filter((type) => typeof type === 'string'))];
}

/** Why each that cannot be used cannot; those that can are not in there. All are asked at once. Never rejects. */
export async function findMutePlugins(
  types: readonly string[],
  pluginDirs: readonly string[],
  setpriv: string,
  timeoutMs = ANSWER_TIMEOUT_MS,
): Promise<ReadonlyMap<string, string>> {
  const asked = [...new Set(types)].map(async (type) => [type, await whyMute(type, pluginDirs, setpriv, timeoutMs)] as const);
  return new Map((await Promise.all(asked)).flatMap(([type, why]) => (why === null ? [] : [[type, why]])));
}

function whyMute(type: string, pluginDirs: readonly string[], setpriv: string, timeoutMs: number): Promise<string | null> {
  const path = findPlugin(type, pluginDirs);
  if (path === null) return Promise.resolve(`there is no CNI plugin "${type}" in ${pluginDirs.join(', ') || 'any directory'}`);
  const env = { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', CNI_COMMAND: 'VERSION', CNI_PATH: pluginDirs.join(':') };
  return new Promise((resolve) => {
    // It dies with this agent.
    const words = ['--pdeathsig', 'KILL', '--', path];
    const child = execFile(setpriv, words, { env, timeout: timeoutMs, killSignal: 'SIGKILL' }, (error) => {
      if (error === null || typeof error.code === 'number') resolve(null);
      else resolve(`the CNI plugin "${type}" ${error.killed === true ? `gave no answer within ${timeoutMs / 1000} s` : `cannot be run: ${reasonOf(error)}`}`);
    });
    // It may end without reading.
    child.stdin?.on('error', () => undefined);
    child.stdin?.end(QUESTION);
  });
}
