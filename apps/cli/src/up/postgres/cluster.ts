/**
 * The data directory of the embedded server: made once, whole or not at all, and checked before each start.
 *
 * `initdb` writes to a neighbour that is renamed at the end, so an interrupted first start leaves nothing that looks like
 * a database.
 */
import { execFileSync } from 'node:child_process';
import { chownSync, existsSync, readFileSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { CliError, messageOf } from '../../cli-error.js';
import { POSTGRES_MAJOR } from './binaries.js';
import { makeOwnDirectory, type RunAs } from './run-as.js';
import { initdbArguments } from './server-settings.js';

/** Makes the cluster if there is none. Throws a `CliError` when what is there cannot be used. */
export function ensureCluster(runAs: RunAs, password: string): void {
  const { directory } = runAs;
  if (!existsSync(directory)) return create(runAs, password);
  const versionFile = join(directory, 'PG_VERSION');
  if (!existsSync(versionFile))
    throw new CliError(
      `the data directory is damaged: ${directory} has ${readdirSync(directory).length === 0 ? 'no files' : 'no PG_VERSION'}`,
      'put the directory back from a copy, or move it away to begin anew (running apps are forgotten)',
    );
  const version = readFileSync(versionFile, 'utf8').trim();
  if (version !== POSTGRES_MAJOR)
    throw new CliError(
      `${directory} was written by PostgreSQL ${version}, this Ekiden brings ${POSTGRES_MAJOR}`,
      'use the Ekiden that wrote it, run that server yourself and set DATABASE_URL, or start with another --data-dir',
    );
}

function create(runAs: RunAs, password: string): void {
  const next = `${runAs.directory}.new`;
  const passwordFile = `${runAs.directory}.password`;
  rmSync(next, { recursive: true, force: true });
  makeOwnDirectory(next, runAs.account);
  writeFileSync(passwordFile, `${password}\n`, { mode: 0o600 });
  if (runAs.account !== null) chownSync(passwordFile, runAs.account.uid, runAs.account.gid);
  const [program = '', ...args] = [...runAs.prefix, runAs.binaries.initdb, ...initdbArguments(next, passwordFile)];
  try {
    execFileSync(program, args, { cwd: '/', stdio: ['ignore', 'pipe', 'pipe'], env: { PATH: process.env.PATH ?? '', LC_ALL: 'C' } });
  } catch (error) {
    rmSync(next, { recursive: true, force: true });
    const said = error instanceof Error && 'stderr' in error ? String(error.stderr).trim().split('\n').slice(0, 3).join(' ') : messageOf(error);
    throw new CliError(`cannot make the database in ${runAs.directory}: ${said}`, 'check space and permissions there, or set DATABASE_URL', 1, {
      cause: error,
    });
  } finally {
    rmSync(passwordFile, { force: true });
  }
  renameSync(next, runAs.directory);
}
