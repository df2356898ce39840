/**
 * Runs one CNI plugin: its call as environment and standard input, its answer as JSON. Rejects with what the plugin says.
 *
 * It dies with this agent: one that went on would make things while the next agent takes them away.
 */
import { type ExecFileException, execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { reasonOf } from '../reason-of.js';

export interface PluginCall {
  readonly command: 'ADD' | 'DEL';
  readonly containerId: string;
  /** Empty: it is gone already (DEL only). */
  readonly namespace: string;
  readonly interfaceName: string;
  /** Directories in which plugins look for one another. */
  readonly pluginDirs: readonly string[];
  readonly type: string;
  readonly input: Readonly<Record<string, unknown>>;
}

export type RunPlugin = (call: PluginCall) => Promise<unknown>;

/** iptables may wait for others that hold its lock. */
const PLUGIN_TIMEOUT_MS = 30_000;
const MAX_ANSWER_BYTES = 1024 * 1024;

export const findPlugin = (type: string, pluginDirs: readonly string[]): string | null =>
  pluginDirs.map((dir) => join(dir, type)).find((path) => existsSync(path)) ?? null;

/** `setpriv`: by which a plugin asks to die with its parent. */
export const pluginRunner =
  (setpriv: string): RunPlugin =>
  (call) =>
    new Promise((resolve, reject) => run(setpriv, call, resolve, reject));

function run(setpriv: string, call: PluginCall, resolve: (answer: unknown) => void, reject: (error: Error) => void): void {
  const { type, pluginDirs } = call;
  const path = findPlugin(type, pluginDirs);
  if (path === null) return reject(new Error(`there is no CNI plugin "${type}" in ${pluginDirs.join(', ') || 'any directory'}`));
  const env = {
    PATH: '/usr/sbin:/usr/bin:/sbin:/bin',
    CNI_COMMAND: call.command,
    CNI_CONTAINERID: call.containerId,
    CNI_NETNS: call.namespace,
    CNI_IFNAME: call.interfaceName,
    CNI_PATH: pluginDirs.join(':'),
  };
  const child = execFile(
    setpriv,
    ['--pdeathsig', 'KILL', '--', path],
    { env, timeout: PLUGIN_TIMEOUT_MS, killSignal: 'SIGKILL', maxBuffer: MAX_ANSWER_BYTES },
    (error, stdout) => {
      if (error !== null) return reject(new Error(`the CNI plugin "${type}" ${call.command}: ${complaintOf(error, stdout)}`));
      try {
        resolve(stdout.trim() === '' ? null : JSON.parse(stdout));
      } catch {
        reject(new Error(`the CNI plugin "${type}" answered no JSON`));
      }
    },
  );
  // It may have ended without reading: its exit status says more.
  child.stdin?.on('error', () => undefined);
  child.stdin?.end(JSON.stringify(call.input));
}

function complaintOf(error: ExecFileException, stdout: string): string {
  return error.killed === true ? `it gave no answer within ${PLUGIN_TIMEOUT_MS / 1000} s` : (complaintIn(stdout) ?? reasonOf(error));
}

/** Plugins say what is wrong on their standard output. */
function complaintIn(stdout: string): string | null {
  try {
    const said: unknown = JSON.parse(stdout);
    if (typeof said !== 'object' || said === null || !('msg' in said) || typeof said.msg !== 'string') return null;
    return 'details' in said && typeof said.details === 'string' && said.details !== '' ? `${said.msg}: ${said.details}` : said.msg;
  } catch {
    return null;
  }
}
