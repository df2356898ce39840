/** Debian's docker-registry on a free port of loopback, and images made on the spot by umoci. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fillRootfs } from './busybox-image.js';

export interface LocalRegistry {
  /** `127.0.0.1:port` */
  readonly address: string;
  /** Builds an image and pushes it; answers its full name. `config`: arguments of `umoci config`; `extraMib`: so much that does not compress. */
  push(name: string, config: readonly string[], extraMib?: number): string;
  close(): Promise<void>;
}

const REGISTRY = '/usr/bin/docker-registry';
const READY_TRIES = 400;
const READY_PERIOD_MS = 25;

/** `passwords`: an htpasswd file's text; absent: open to all. Throws naming the package that is missing. */
export async function startRegistry(passwords?: string): Promise<LocalRegistry> {
  if (!existsSync(REGISTRY)) throw new Error('this test needs docker-registry: install the package docker-registry');
  const dir = mkdtempSync(join(tmpdir(), 'ekiden-registry-'));
  const port = await freePort();
  const address = `127.0.0.1:${port}`;
  const auth = passwords === undefined ? '' : `auth: {htpasswd: {realm: test, path: ${dir}/htpasswd}}\n`;
  if (passwords !== undefined) writeFileSync(join(dir, 'htpasswd'), passwords);
  writeFileSync(join(dir, 'config.yml'), `version: 0.1\nstorage: {filesystem: {rootdirectory: ${dir}/data}}\nhttp: {addr: ${address}}\n${auth}`);
  const server = spawn(REGISTRY, ['serve', join(dir, 'config.yml')], { stdio: 'ignore' });
  await ready(address, server);
  let builds = 0;
  return {
    address,
    push(name, config, extraMib = 0) {
      builds += 1;
      const work = join(dir, `build-${builds}`);
      mkdirSync(work);
      const image = `${work}/layout:i`;
      const run = (program: string, ...args: string[]): void => void execFileSync(program, args, { stdio: ['ignore', 'ignore', 'pipe'] });
      run('umoci', 'init', '--layout', `${work}/layout`);
      run('umoci', 'new', '--image', image);
      run('umoci', 'unpack', '--image', image, `${work}/bundle`);
      fillRootfs(`${work}/bundle/rootfs`);
      if (extraMib > 0) run('dd', 'if=/dev/urandom', `of=${work}/bundle/rootfs/noise`, 'bs=1M', `count=${extraMib}`);
      run('umoci', 'repack', '--image', image, `${work}/bundle`);
      if (config.length > 0) run('umoci', 'config', '--image', image, ...config);
      const login = passwords === undefined ? [] : ['--dest-creds', 'team:secret'];
      run('skopeo', 'copy', '--quiet', '--dest-tls-verify=false', ...login, `oci:${image}`, `docker://${address}/${name}`);
      rmSync(work, { recursive: true, force: true });
      return `${address}/${name}`;
    },
    async close() {
      const gone = new Promise((resolve) => server.once('exit', resolve));
      server.kill('SIGKILL');
      await gone;
      rmSync(dir, { recursive: true, force: true });
    },
  };
}

async function ready(address: string, server: ChildProcess): Promise<void> {
  for (let tries = 0; tries < READY_TRIES && server.exitCode === null; tries += 1) {
    try {
      await fetch(`http://${address}/v2/`);
      return;
    } catch {
      await new Promise((resolve) => setTimeout(resolve, READY_PERIOD_MS)); // not listening yet
    }
  }
  throw new Error('the registry does not come up');
}

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const probe = createServer();
    probe.listen(0, '127.0.0.1', () => {
      const address = probe.address();
      probe.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0));
    });
  });
}
