/** The smallest image that can run `sleep`: that program of this machine with its libraries, as a tar. No registry is asked. */
import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdirSync, realpathSync } from 'node:fs';
import { dirname, join } from 'node:path';

export const PROGRAM = '/bin/sleep';

/** Answers the path of the tar. */
export function makeBundle(dir: string): string {
  const root = join(dir, 'rootfs');
  const libraries = execFileSync('ldd', [PROGRAM], { encoding: 'utf8' }).match(/\/\S+/g) ?? [];
  for (const path of [PROGRAM, ...libraries]) {
    mkdirSync(join(root, dirname(path)), { recursive: true });
    copyFileSync(realpathSync(path), join(root, path));
  }
  const tar = join(dir, 'image.tar');
  execFileSync('tar', ['-C', root, '-cf', tar, '.']);
  return tar;
}
