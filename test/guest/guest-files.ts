/**
 * What a guest has on its disk beside the suites: programs of this machine with their libraries, busybox for the rest, and those modules
 * of its kernel that containers and their networks need.
 */
import { execFileSync } from 'node:child_process';
import { chmodSync, copyFileSync, cpSync, existsSync, mkdirSync, realpathSync, symlinkSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { findTool } from '../../libs/isolation/src/launch-tools.js';
import type { GuestKernel } from './run-guest.js';

/** With the package of Debian that has them: busybox has some of these too, but with fewer options. */
const TOOLS = {
  coreutils: ['env', 'chown', 'stty', 'cat', 'sleep', 'id'],
  'util-linux': ['setsid', 'setpriv', 'prlimit', 'unshare', 'nsenter', 'taskset', 'fallocate'],
  bsdutils: ['script'],
  mount: ['mount', 'umount'],
  tini: ['tini', 'tini-static'],
  bubblewrap: ['bwrap'],
  crun: ['crun'],
  runc: ['runc'],
  skopeo: ['skopeo'],
  umoci: ['umoci'],
  iproute2: ['ip'],
  iptables: ['iptables', 'iptables-save'],
} as const;
/** Whole directories and files, where this machine has them. */
const FILES = ['/usr/lib/cni', '/usr/lib/x86_64-linux-gnu/xtables', '/usr/share/containers/seccomp.json'];
const DIRECTORIES = ['bin', 'dev', 'etc', 'lib64', 'proc', 'root', 'run', 'sys', 'tmp', 'usr/bin', 'var/tmp'];
/** Below the modules of the kernel. */
const MODULES = ['kernel/net', 'kernel/lib', 'kernel/drivers/net/veth.ko', 'kernel/fs/overlayfs', 'modules.builtin', 'modules.order'];

/** `root`: what becomes the guest's root directory. Throws naming what is missing here, with its package. */
export function putGuestFiles(root: string, kernel: GuestKernel): void {
  for (const directory of DIRECTORIES) mkdirSync(join(root, directory), { recursive: true });
  chmodSync(join(root, 'tmp'), 0o1777);
  symlinkSync('bin', join(root, 'sbin'));
  putBusybox(root);
  const shell = realpathSync('/bin/sh');
  for (const program of [process.execPath, shell, ...Object.entries(TOOLS).flatMap(pathsOf)]) putProgram(program, root);
  symlinkSync(`/usr/bin/${basename(shell)}`, join(root, 'bin/sh'));
  for (const path of FILES.filter((each) => existsSync(each))) cpSync(path, join(root, path), { recursive: true, dereference: true });
  writeFileSync(join(root, 'etc/passwd'), 'root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/nonexistent:/bin/false\n');
  writeFileSync(join(root, 'etc/group'), 'root:x:0:\nnogroup:x:65534:\n');
  for (const name of ['hosts', 'resolv.conf', 'hostname']) writeFileSync(join(root, 'etc', name), name === 'hosts' ? '127.0.0.1 localhost\n' : '');
  putModules(root, kernel);
}

const pathsOf = ([debian, names]: [string, readonly string[]]): readonly string[] => names.map((name) => toolOf(debian, name));

/** Throws naming the package when this machine does not have it. */
export function toolOf(debian: string, name: string): string {
  const path = findTool(name);
  if (path === null) throw new Error(`the guest needs the program "${name}": install the package ${debian}`);
  return path;
}

function putBusybox(root: string): void {
  const busybox = '/bin/busybox';
  if (!existsSync(busybox)) throw new Error('the guest needs /bin/busybox, linked statically (package busybox-static)');
  copyFileSync(busybox, join(root, 'bin/busybox'));
}

/** The kernel loads them itself, by modprobe, when something asks for what they do. */
function putModules(root: string, { version, modules }: GuestKernel): void {
  const to = join(root, 'lib/modules', version);
  mkdirSync(to, { recursive: true });
  for (const name of MODULES) cpSync(join(modules, name), join(to, name), { recursive: true });
  execFileSync('/bin/busybox', ['depmod', '-b', root, version], { stdio: ['ignore', 'ignore', 'pipe'] });
}

/** A program and the libraries that it is linked with, each where its loader looks for it. */
function putProgram(program: string, root: string): void {
  put(program, join(root, 'usr/bin', basename(program)));
  const libraries = execFileSync('sh', ['-c', `ldd '${program}' 2>/dev/null || true`], { encoding: 'utf8' });
  for (const [, path = ''] of libraries.matchAll(/(\/\S+) \(0x/g)) put(path, join(root, path));
}

function put(from: string, to: string): void {
  mkdirSync(dirname(to), { recursive: true });
  copyFileSync(realpathSync(from), to);
}
