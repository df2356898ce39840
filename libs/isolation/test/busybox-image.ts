/** An image made on the spot of the machine's own busybox: no network, no registry. */
import { copyFileSync, existsSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ImageConfig, UnpackedImage } from '../src/index.js';

const BUSYBOX = '/bin/busybox';
const APPLETS = [
  'sh',
  'echo',
  'cat',
  'id',
  'env',
  'sleep',
  'pwd',
  'ls',
  'ps',
  'mount',
  'touch',
  'kill',
  'stat',
  'mknod',
  'dd',
  'grep',
  'nc',
  'httpd',
  'true',
  'head',
  'hostname',
  'wget',
  'mkdir',
];

/** Fills a root directory. Throws naming the package when busybox is not there. */
export function fillRootfs(rootfs: string): void {
  if (!existsSync(BUSYBOX)) throw new Error('this test needs /bin/busybox, statically linked: install the package busybox-static');
  for (const name of ['bin', 'etc', 'tmp']) mkdirSync(join(rootfs, name), { recursive: true });
  copyFileSync(BUSYBOX, join(rootfs, 'bin/busybox'));
  for (const applet of APPLETS) symlinkSync('busybox', join(rootfs, 'bin', applet));
  writeFileSync(join(rootfs, 'etc/passwd'), 'root:x:0:0::/root:/bin/sh\napp:x:1234:1235::/home/app:/bin/sh\n');
  writeFileSync(join(rootfs, 'etc/group'), 'root:x:0:\napp:x:1235:\nextra:x:1300:app\n');
}

export function busyboxImage(dir: string, config: Partial<ImageConfig> = {}): UnpackedImage {
  const rootfs = join(dir, 'rootfs');
  if (!existsSync(rootfs)) fillRootfs(rootfs);
  return { digest: 'sha256:0', rootfs, config: { user: '', env: {}, entrypoint: [], cmd: [], workingDirectory: '', stopSignal: '', ...config } };
}
