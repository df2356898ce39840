/**
 * As whom PostgreSQL runs: it refuses root, so root gives it to another user.
 *
 * The data directory and the checkout may lie below a directory that only root may enter (/root is 0700 on Debian), and
 * the modes of the user's directories are not ours to change. So the server gets one ambient capability, to walk and
 * read through them (decision 23). Where the system withholds it (some containers), the binaries and the data go to
 * /var/lib/ekiden instead.
 */
import { execFileSync } from 'node:child_process';
import { chownSync, cpSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync, statSync } from 'node:fs';
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { CliError } from '../../cli-error.js';
import { binariesIn, type PostgresBinaries } from './binaries.js';

const FALLBACK_ROOT = '/var/lib/ekiden';
const CANDIDATES = ['postgres', 'nobody'];

export interface Account {
  readonly uid: number;
  readonly gid: number;
}

/** How to start the server's programs. */
export interface RunAs {
  /** Null: as the present user. */
  readonly account: Account | null;
  /** What goes in front of the command. */
  readonly prefix: readonly string[];
  readonly binaries: PostgresBinaries;
  readonly directory: string;
}

/** Pure: the first account of /etc/passwd, by preference, that is not root. */
export function pickAccount(passwd: string): Account | null {
  const rows = passwd.split('\n').map((line) => line.split(':'));
  for (const name of CANDIDATES) {
    const row = rows.find((fields) => fields[0] === name);
    const uid = Number(row?.[2]);
    const gid = Number(row?.[3]);
    if (Number.isInteger(uid) && Number.isInteger(gid) && uid > 0) return { uid, gid };
  }
  return null;
}

/**
 * Pure: the words in front of a command that run it as `account`, able to read what root may enter.
 *
 * The server's programs ask access(2) about themselves, which drops capabilities of everybody but root before it looks,
 * unless the secure bit no_setuid_fixup is set.
 */
export function setprivPrefix(account: Account, throughDirectories: boolean): readonly string[] {
  const user = ['setpriv', `--reuid=${account.uid}`, `--regid=${account.gid}`, '--clear-groups'];
  return throughDirectories ? [...user, '--securebits=+no_setuid_fixup', '--inh-caps=+dac_read_search', '--ambient-caps=+dac_read_search'] : user;
}

/** Decides once a start. `directory` is where the data should be. */
export function decideRunAs(binaries: PostgresBinaries, directory: string): RunAs {
  if (process.getuid?.() !== 0) return { account: null, prefix: [], binaries, directory };
  const account = ownerOf(directory) ?? pickAccount(readFileSync('/etc/passwd', 'utf8'));
  if (account === null)
    throw new CliError(
      'PostgreSQL does not run as root, and there is no user "postgres" or "nobody"',
      'add one: `useradd --system postgres`, or set DATABASE_URL',
    );
  const through = setprivPrefix(account, true);
  if (runs([...through, binaries.postgres, '--version'])) return { account, prefix: through, binaries, directory };
  const plain = setprivPrefix(account, false);
  if (!runs([...plain, 'true']))
    throw new CliError('cannot run PostgreSQL as another user than root: setpriv failed', 'install util-linux, start as another user, or set DATABASE_URL');
  return { account, prefix: plain, ...moveAside(binaries, directory) };
}

/** Data that exists keeps its owner, whoever would be picked today. */
function ownerOf(directory: string): Account | null {
  const stat = statSync(directory, { throwIfNoEntry: false });
  return stat === undefined || stat.uid === 0 ? null : { uid: stat.uid, gid: stat.gid };
}

/** Copies of the binaries, and a place for the data, which every user can reach. */
function moveAside(binaries: PostgresBinaries, directory: string): { binaries: PostgresBinaries; directory: string } {
  const place = join(FALLBACK_ROOT, createHash('sha256').update(directory).digest('hex').slice(0, 16));
  const native = join(place, 'native');
  mkdirSync(place, { recursive: true, mode: 0o755 });
  if (!existsSync(native)) {
    const next = `${native}.${process.pid}`;
    cpSync(binaries.native, next, { recursive: true, verbatimSymlinks: true });
    rmSync(native, { recursive: true, force: true });
    renameSync(next, native);
  }
  return { binaries: binariesIn(native), directory: join(place, 'postgres') };
}

/** The directory belongs to the server's user, and to nobody else. */
export function makeOwnDirectory(directory: string, account: Account | null): void {
  mkdirSync(directory, { mode: 0o700 });
  if (account !== null) chownSync(directory, account.uid, account.gid);
}

function runs(argv: readonly string[]): boolean {
  const [program = '', ...args] = argv;
  try {
    execFileSync(program, args, { cwd: '/', stdio: 'ignore' });
    return true;
  } catch {
    return false; // not there, not allowed, or not able to enter a directory: the caller has another way
  }
}
