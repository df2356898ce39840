/**
 * A registry's credentials in a file that a task has fetched into its sandbox (Mesos: `docker.tar.gz` with `.docker/config.json`).
 *
 * The file belongs to the task's user, and is read as root: only a plain file of a usual size counts, and only what logs in is taken
 * from it. A `credHelpers` entry would name a program that runs as root. What was used is closed to everybody but its owner.
 */
import { closeSync, constants, fchmodSync, fstatSync, lstatSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { hasCode } from '../cgroup-driver.js';

/** In this order; the first that is there is taken. */
export const SANDBOX_AUTH_FILES = ['.docker/config.json', 'config.json', '.dockercfg'] as const;

const MAX_AUTH_BYTES = 256 * 1024;

/** Writes the credentials found in a sandbox to `target`; false when there are none. Throws when the file there cannot be used. */
export function takeSandboxAuth(sandbox: string, target: string): boolean {
  for (const name of SANDBOX_AUTH_FILES) {
    const auths = readPlain(sandbox, name, (text) => readAuths(text, name === '.dockercfg'));
    if (auths === undefined) continue;
    if (auths === null) {
      // An app may well have a config.json of its own.
      if (name === 'config.json') continue;
      throw new Error(`${name} in the sandbox is no Docker configuration with "auths"`);
    }
    writeAuth(target, auths);
    return true;
  }
  return false;
}

/** Somebody without credentials is somebody without credentials: what root is logged in to must not be used. */
export const writeAuth = (target: string, auths: unknown): void => writeFileSync(target, JSON.stringify({ auths }), { mode: 0o600 });

/** Pure. The `auths` of a Docker configuration; the older file is that map itself. Null when there are none. */
export function readAuths(text: string, isOldForm: boolean): Readonly<Record<string, unknown>> | null {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    return null; // Its text stays out of every message: it may hold a password.
  }
  const auths = isOldForm || !isFields(parsed) ? parsed : parsed['auths'];
  if (!isFields(auths)) return null;
  return Object.fromEntries(
    Object.entries(auths).flatMap(([registry, entry]) => (isFields(entry) && typeof entry['auth'] === 'string' ? [[registry, { auth: entry['auth'] }]] : [])),
  );
}

const isFields = (value: unknown): value is Readonly<Record<string, unknown>> => typeof value === 'object' && value !== null && !Array.isArray(value);

/** Undefined: there is no such file. One that was of use is nobody's but its owner's from now on. */
function readPlain<T>(sandbox: string, name: string, read: (text: string) => T | null): T | null | undefined {
  const path = join(sandbox, name);
  try {
    if (name.includes('/') && !lstatSync(join(path, '..')).isDirectory()) return undefined;
    const file = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    try {
      const found = fstatSync(file);
      if (!found.isFile() || found.nlink > 1 || found.size > MAX_AUTH_BYTES) throw new Error(`${name} in the sandbox is no plain file of a usual size`);
      const used = read(readFileSync(file, 'utf8'));
      if (used !== null) fchmodSync(file, 0o600);
      return used;
    } finally {
      closeSync(file);
    }
  } catch (error) {
    if (hasCode(error, 'ENOENT') || hasCode(error, 'ENOTDIR')) return undefined;
    if (hasCode(error, 'ELOOP')) throw new Error(`${name} in the sandbox is a link, which is not followed`, { cause: error });
    throw error;
  }
}
