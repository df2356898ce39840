/**
 * Tries what a launch may go through, with `true` as its task, so that each thing that is missing or forbidden is a named reason
 * rather than a task that dies. Once a process: neither programs nor our own rights change while an agent runs.
 */
import { mkdtempSync, openSync, closeSync, rmSync, writeFileSync } from 'node:fs';
import { execFileSync } from 'node:child_process';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ROOT_TASK_CAPABILITIES } from './capabilities.js';
import { rightsWords, chainWords, SECCOMP_FD } from './launch-chain.js';
import type { LaunchTools } from './launch-tools.js';
import { reasonOf } from './reason-of.js';
import type { Abilities } from './runtime.js';
import { seccompArch, seccompProgram } from './seccomp-filter.js';
import type { TaskSecurity } from './task-security.js';

export type SecurityAbilities = Pick<Abilities, 'user' | 'capabilities' | 'no-new-privs' | 'seccomp' | 'namespaces' | 'pid-namespace' | 'private-tmp'>;

const TRY_TIMEOUT_MS = 5_000;
const NOTHING: TaskSecurity = { capabilities: 'all', noNewPrivs: false, hasSeccomp: false, namespaces: [], privateTmp: false };

let known: { readonly key: string; readonly abilities: SecurityAbilities } | null = null;

export function trySecurity(tools: LaunchTools, isRoot: boolean): SecurityAbilities {
  const key = JSON.stringify([tools, isRoot]);
  if (known?.key !== key) known = { key, abilities: tryAll(tools, isRoot) };
  return known.abilities;
}

function tryAll(tools: LaunchTools, isRoot: boolean): SecurityAbilities {
  const missing = (program: keyof LaunchTools, what: string, from: string): string | null =>
    tools[program] === null ? `${what} needs the program \`${program}\`: install the package ${from}` : null;
  const root = (what: string): string | null => (isRoot ? null : `${what} needs an agent that runs as root`);
  const runs = (what: string, security: Partial<TaskSecurity>): string | null => tryChain(tools, { ...NOTHING, ...security }, what);
  return {
    user: root('running as another user') ?? missing('setpriv', 'running as another user', 'util-linux'),
    capabilities:
      root('a set of capabilities') ??
      missing('setpriv', 'a set of capabilities', 'util-linux') ??
      runs('a set of capabilities', { capabilities: ROOT_TASK_CAPABILITIES }),
    'no-new-privs': missing('setpriv', 'no_new_privs', 'util-linux') ?? runs('no_new_privs', { noNewPrivs: true }),
    seccomp:
      missing('bwrap', 'a filter of system calls (seccomp)', 'bubblewrap') ??
      (tools.envResetsSignals ? null : 'a filter of system calls (seccomp) needs an env(1) that knows --ignore-signal: install the package coreutils') ??
      (seccompArch(process.arch) === null ? `there is no filter of system calls (seccomp) for ${process.arch} yet: leave it out` : null) ??
      runs('a filter of system calls (seccomp)', { hasSeccomp: true }),
    namespaces: root('a namespace') ?? missing('unshare', 'a namespace', 'util-linux') ?? runs('a namespace', { namespaces: ['mount', 'ipc', 'uts'] }),
    'pid-namespace': missing('tini', 'a pid namespace', 'tini') ?? (isRoot && tools.unshare !== null ? runs('a pid namespace', { namespaces: ['pid'] }) : null),
    'private-tmp':
      root('a private /tmp') ??
      missing('unshare', 'a private /tmp', 'util-linux') ??
      missing('mount', 'a private /tmp', 'mount') ??
      runs('a private /tmp', { namespaces: ['mount'] }),
  };
}

/** Null when `true` came through. */
function tryChain(tools: LaunchTools, security: TaskSecurity, what: string): string | null {
  const dir = mkdtempSync(join(tmpdir(), 'ekiden-try-'));
  let filter: number | null = null;
  try {
    const arch = seccompArch(process.arch);
    if (security.hasSeccomp && arch !== null) {
      writeFileSync(join(dir, 'seccomp'), seccompProgram(arch));
      filter = openSync(join(dir, 'seccomp'), 'r');
    }
    const chain = { tools, security, user: null, sandbox: dir, network: null };
    const words = security.hasSeccomp || security.namespaces.length > 0 ? chainWords(chain) : rightsWords(chain);
    // env(1) looks for `true` where there are no words before it.
    const args = ['--', ...words, 'true'];
    // Descriptors 3 to 8 are of nobody.
    const unused = Array.from({ length: SECCOMP_FD - 3 }, () => 'ignore' as const);
    execFileSync(tools.env, args, { stdio: ['ignore', 'ignore', 'pipe', ...(filter === null ? [] : [...unused, filter])], timeout: TRY_TIMEOUT_MS });
    return null;
  } catch (error) {
    return `${what} is not permitted on this machine: ${reasonOf(error)}`;
  } finally {
    if (filter !== null) closeSync(filter);
    rmSync(dir, { recursive: true, force: true });
  }
}
