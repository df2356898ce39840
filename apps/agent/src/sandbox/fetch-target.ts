/**
 * The place of an artifact in its sandbox: `destPath`, or the last part of the URI's path.
 *
 * An earlier archive may have left links. Each step of the way is looked at before it is taken, so that neither a file nor a
 * directory is ever made outside; what stands at the place itself may be replaced, but not if it is a link.
 */
import { lstat, mkdir, realpath } from 'node:fs/promises';
import { basename, isAbsolute, join, sep } from 'node:path';
import type { Artifact } from '@ekiden/model';
import { errorCode } from '../error-code.js';

/** Makes the directories above it. Rejects with the reason. */
export async function fetchTarget(sandbox: string, { uri, destPath }: Pick<Artifact, 'uri' | 'destPath'>): Promise<string> {
  const name = destPath ?? basename(/^[a-z][a-z0-9+.-]*:/i.test(uri) ? decodeURIComponent(new URL(uri).pathname) : uri);
  const steps = name.split('/').filter((step) => step !== '' && step !== '.');
  const last = steps.pop();
  if (last === undefined || isAbsolute(name) || name.includes('\0') || name.split('/').includes('..')) {
    throw new Error(destPath === null ? 'its path ends without a file name: set destPath' : `destPath "${destPath}" leads out of the sandbox`);
  }
  const root = await realpath(sandbox);
  let place = root;
  for (const step of steps) {
    await mkdir(join(place, step)).catch((error: unknown) => {
      if (errorCode(error) !== 'EEXIST') throw error;
    });
    place = await realpath(join(place, step));
    if (place !== root && !place.startsWith(root + sep)) throw new Error(`"${name}" goes through a link that leads out of the sandbox`);
  }
  const target = join(place, last);
  const before = await lstat(target).catch(() => null); // nothing there
  if (before?.isSymbolicLink()) throw new Error(`"${name}" is a link that an earlier artifact has brought: set another destPath`);
  if (before?.isDirectory()) throw new Error(`"${name}" is a directory that an earlier artifact has brought: set another destPath`);
  return target;
}
