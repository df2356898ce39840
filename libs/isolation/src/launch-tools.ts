/** Finds the programs that a launch goes through, once: the launch path itself searches nothing. */
import { execFileSync } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { join } from 'node:path';

/** The programs between the shell and the task, absolute, as found on this machine. */
export interface LaunchTools {
  readonly shell: string;
  readonly setsid: string;
  readonly env: string;
  /** False where env(1) does not know `--default-signal` (busybox): the task then ignores SIGINT and SIGQUIT. */
  readonly envResetsSignals: boolean;
  readonly setpriv: string | null;
  readonly chown: string | null;
  readonly unshare: string | null;
  readonly mount: string | null;
  readonly nsenter: string | null;
  readonly tini: string | null;
  readonly bwrap: string | null;
  /** What a terminal needs, and `cat` for all that enters. */
  readonly script: string | null;
  readonly stty: string | null;
  readonly cat: string | null;
}

const DIRECTORIES = ['/usr/bin', '/bin', '/usr/sbin', '/sbin', '/usr/local/bin'];
const TRY_TIMEOUT_MS = 5_000;

/** Throws naming the program when one that every launch needs is not there. `shell`: another POSIX shell than /bin/sh. */
export function findLaunchTools(shell = '/bin/sh'): LaunchTools {
  const env = required('env');
  return {
    shell,
    setsid: required('setsid'),
    env,
    envResetsSignals: runs(env, ['--default-signal=INT,QUIT', '--', 'true']),
    setpriv: findTool('setpriv'),
    chown: findTool('chown'),
    unshare: findTool('unshare'),
    mount: findTool('mount'),
    nsenter: findTool('nsenter'),
    tini: findTool('tini'),
    bwrap: findTool('bwrap'),
    script: findTool('script'),
    stty: findTool('stty'),
    cat: findTool('cat'),
  };
}

function required(name: string): string {
  const path = findTool(name);
  if (path === null) throw new Error(`launching tasks needs the program "${name}" (util-linux or coreutils): install it`);
  return path;
}

/** Its path, or null when this machine has no such program. */
export function findTool(name: string): string | null {
  return DIRECTORIES.map((directory) => join(directory, name)).find(isExecutable) ?? null;
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false; // That it is not there is the answer.
  }
}

export function runs(program: string, args: readonly string[]): boolean {
  try {
    execFileSync(program, args, { stdio: 'ignore', timeout: TRY_TIMEOUT_MS });
    return true;
  } catch {
    return false; // It does not know the option.
  }
}
