/**
 * What `ekiden up` keeps on disk, and the checks before anything is started on it.
 *
 *   .ekiden/            0700
 *     lock              who runs here
 *     ports.json        what was given out, so that the next start finds the running tasks
 *     tokens/           0600 each: the database's passwords, what agents and frameworks join with
 *     postgres/         the database
 *     agents/1/ …       each agent's checkpoints, sandboxes and logs of tasks
 *     logs/             what the parts say, one file each
 */
import { randomBytes } from 'node:crypto';
import { accessSync, chmodSync, constants, existsSync, mkdirSync, readFileSync, readdirSync, renameSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { CliError, messageOf, systemErrorCode } from '../cli-error.js';

const PORTS_VERSION = 1;
const TOKEN_BYTES = 24;

export interface SavedPorts {
  readonly postgres: number | null;
  readonly taskBlocks: readonly number[];
}

export interface DataDirectory {
  readonly path: string;
  readonly postgres: string;
  readonly logs: string;
  agent(index: number): string;
  /** Absolute path of a secret, made on first use. */
  tokenFile(name: string): string;
  token(name: string): string;
  savedPorts(): SavedPorts;
  savePorts(ports: SavedPorts): void;
}

/** Makes or opens it; throws a `CliError` that names the path and the way out. */
export function openDataDirectory(given: string): DataDirectory {
  const path = resolve(given);
  const at = (...parts: readonly string[]): string => join(path, ...parts);
  try {
    if (existsSync(path) && !statSync(path).isDirectory()) throw new CliError(`${path} is a file, not a directory`, 'choose another place with --data-dir');
    if (isOfOthers(path))
      throw new CliError(`${path} holds other files, and Ekiden would close it to everybody else`, `give a directory of its own: --data-dir ${at('.ekiden')}`);
    for (const directory of [path, at('tokens'), at('agents'), at('logs')]) makePrivate(directory);
    accessSync(path, constants.R_OK | constants.W_OK | constants.X_OK);
  } catch (error) {
    if (error instanceof CliError) throw error;
    throw new CliError(
      `cannot use the data directory ${path} (${systemErrorCode(error) ?? messageOf(error)})`,
      'make it yours (`chown`, `chmod u+rwx`), or choose another with --data-dir',
      1,
      { cause: error },
    );
  }
  const tokenFile = (name: string): string => ensureToken(at('tokens', name), existsSync(at('postgres')));
  return {
    path,
    postgres: at('postgres'),
    logs: at('logs'),
    agent: (index) => {
      makePrivate(at('agents', String(index)));
      return at('agents', String(index));
    },
    tokenFile,
    token: (name) => readFileSync(tokenFile(name), 'utf8').trim(),
    savedPorts: () => parseSavedPorts(existsSync(at('ports.json')) ? readFileSync(at('ports.json'), 'utf8') : ''),
    savePorts: (ports) => writeWhole(at('ports.json'), `${JSON.stringify({ v: PORTS_VERSION, ...ports })}\n`),
  };
}

/** `--data-dir /tmp` or a home is a mistake: its mode is not ours to change. `tokens` is what we make first in ours. */
const isOfOthers = (path: string): boolean => existsSync(path) && !existsSync(join(path, 'tokens')) && readdirSync(path).length > 0;

function makePrivate(directory: string): void {
  makeWithParents(directory);
  chmodSync(directory, 0o700);
}

/** Level by level: Node's recursive mkdir never returns below /proc. */
function makeWithParents(directory: string): void {
  if (existsSync(directory)) return;
  makeWithParents(dirname(directory));
  mkdirSync(directory, { mode: 0o700 });
}

/** A secret is made once. The database's own are not made anew beside a database that has others. */
function ensureToken(file: string, isOldDatabase: boolean): string {
  if (existsSync(file)) return file;
  if (isOldDatabase && file.includes('postgres-'))
    throw new CliError(`the data directory is damaged: ${file} is missing`, 'put it back from a copy, or move the data directory away to begin anew');
  writeWhole(file, `${randomBytes(TOKEN_BYTES).toString('hex')}\n`);
  return file;
}

function writeWhole(file: string, text: string): void {
  const next = `${file}.${process.pid}`;
  writeFileSync(next, text, { mode: 0o600, flush: true });
  renameSync(next, file);
}

/** Hints only: a damaged file means that ports are chosen anew. */
export function parseSavedPorts(text: string): SavedPorts {
  const nothing: SavedPorts = { postgres: null, taskBlocks: [] };
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value !== 'object' || value === null || !('v' in value) || value.v !== PORTS_VERSION) return nothing;
    const blocks: readonly unknown[] = 'taskBlocks' in value && Array.isArray(value.taskBlocks) ? value.taskBlocks : [];
    return {
      postgres: 'postgres' in value && typeof value.postgres === 'number' ? value.postgres : null,
      taskBlocks: blocks.filter((block) => typeof block === 'number'),
    };
  } catch {
    return nothing;
  }
}
