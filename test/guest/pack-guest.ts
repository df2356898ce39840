/**
 * Makes the first file system of a virtual machine that does nothing but run suites of this repository: a cpio archive with Node,
 * the programs that launches need, with their libraries, busybox for the rest, and each suite as one file.
 *
 * Everything comes from this machine, so the guest runs the very programs that the suites run here; only the kernel is another.
 */
import { execFileSync } from 'node:child_process';
import { chmodSync, copyFileSync, existsSync, mkdirSync, openSync, realpathSync, symlinkSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { build } from 'esbuild';
import { findTool } from '../../libs/isolation/src/launch-tools.js';

/** Of util-linux and coreutils: busybox has these too, but with fewer options. */
const TOOLS = [
  'env',
  'setsid',
  'setpriv',
  'prlimit',
  'chown',
  'unshare',
  'mount',
  'nsenter',
  'tini',
  'bwrap',
  'script',
  'stty',
  'cat',
  'taskset',
  'sleep',
  'id',
];
const DIRECTORIES = ['bin', 'dev', 'etc', 'lib64', 'proc', 'root', 'sys', 'suites/src', 'suites/test', 'node_modules/tsx', 'tmp', 'usr/bin', 'var/tmp'];
/** The suites start an agent of theirs with `--import tsx`: in the guest it is JavaScript already. */
const TSX = `import { register } from 'node:module';
register('data:text/javascript,' + encodeURIComponent(\`import { readFile } from 'node:fs/promises';
export async function load(url, context, next) {
  return url.endsWith('.ts') ? { format: 'commonjs', shortCircuit: true, source: await readFile(new URL(url)) } : next(url, context);
}\`));
`;

export interface Guest {
  /** Empty; the archive and its content come here. */
  readonly dir: string;
  /** From the root of the repository. */
  readonly suites: readonly string[];
  /** Lines of a shell before the suites are run. */
  readonly prepare: readonly string[];
}

/** What the guest says last: whether each suite has passed. */
export const VERDICT = 'SUITES-ENDED';

/** Answers the archive. Throws naming the program that is missing. */
export async function packGuest({ dir, suites, prepare }: Guest): Promise<string> {
  const root = join(dir, 'root');
  for (const directory of DIRECTORIES) mkdirSync(join(root, directory), { recursive: true });
  chmodSync(join(root, 'tmp'), 0o1777);
  const busybox = '/bin/busybox';
  if (!existsSync(busybox)) throw new Error('the guest needs /bin/busybox, linked statically (package busybox-static)');
  copyFileSync(busybox, join(root, 'bin/busybox'));
  for (const program of [process.execPath, realpathSync('/bin/sh'), ...TOOLS.flatMap((name) => findTool(name) ?? [])]) copyProgram(program, root);
  symlinkSync(`/usr/bin/${basename(realpathSync('/bin/sh'))}`, join(root, 'bin/sh'));
  writeFileSync(join(root, 'etc/passwd'), 'root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/nonexistent:/bin/false\n');
  writeFileSync(join(root, 'etc/group'), 'root:x:0:\nnogroup:x:65534:\n');
  writeFileSync(join(root, 'node_modules/tsx/package.json'), '{"name":"tsx","type":"module","exports":"./index.js"}');
  writeFileSync(join(root, 'node_modules/tsx/index.js'), TSX);
  await bundleSuites(root, suites);
  writeFileSync(join(root, 'init'), INIT, { mode: 0o755 });
  writeFileSync(join(root, 'run-suites'), scriptOf(suites, prepare), { mode: 0o755 });
  const archive = join(dir, 'guest.cpio');
  execFileSync('sh', ['-c', 'find . | busybox cpio -o -H newc'], { cwd: root, stdio: ['ignore', openSync(archive, 'w'), 'ignore'] });
  return archive;
}

async function bundleSuites(root: string, suites: readonly string[]): Promise<void> {
  const options = { bundle: true, platform: 'node', target: 'node20', format: 'cjs', logLevel: 'silent' } as const;
  await build({
    ...options,
    entryPoints: [...suites],
    outdir: join(root, 'suites/src'),
    outExtension: { '.js': '.cjs' },
    entryNames: '[name]',
    inject: ['test/guest/test-words.ts'],
  });
  await build({ ...options, entryPoints: ['libs/isolation/test/agent-process.ts'], outfile: join(root, 'suites/test/agent-process.ts') });
}

const suiteName = (suite: string): string => basename(suite, '.ts');

/** Out of the archive first: what is unpacked by the kernel is no root that a task could be moved out of (pivot_root). */
const INIT = `#!/bin/busybox sh
/bin/busybox mkdir /new
/bin/busybox mount -t tmpfs -o size=80% root /new
for each in bin dev etc lib lib64 node_modules proc root sys suites tmp usr var run-suites; do
  [ -e /$each ] && /bin/busybox cp -a /$each /new/
done
exec /bin/busybox switch_root /new /run-suites
`;

const scriptOf = (suites: readonly string[], prepare: readonly string[]): string => `#!/bin/busybox sh
/bin/busybox --install -s /bin
export PATH=/usr/bin:/bin HOME=/root TERM=dumb EKIDEN_TEST_PATIENCE_MS=100000
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
mkdir -p /dev/pts /dev/shm
mount -t devpts devpts /dev/pts
mount -t tmpfs -o mode=1777 shm /dev/shm
ln -s /proc/self/fd /dev/fd
for each in 0:stdin 1:stdout 2:stderr; do ln -s /proc/self/fd/\${each%:*} /dev/\${each#*:}; done
mount -t tmpfs -o mode=1777 tmp /tmp
ip link set lo up
${prepare.join('\n')}
cd /
failed=0
for suite in ${suites.map(suiteName).join(' ')}; do
  echo "SUITE $suite"
  node --test-reporter=spec --test /suites/src/$suite.cjs || failed=$((failed+1))
done
echo "${VERDICT} failed=$failed"
poweroff -f
`;

/** A program and the libraries that it is linked with, each where its loader looks for it. */
function copyProgram(program: string, root: string): void {
  copy(program, join(root, 'usr/bin', basename(program)));
  const libraries = execFileSync('sh', ['-c', `ldd '${program}' 2>/dev/null || true`], { encoding: 'utf8' });
  for (const [, path = ''] of libraries.matchAll(/(\/\S+) \(0x/g)) copy(path, join(root, path));
}

function copy(from: string, to: string): void {
  mkdirSync(dirname(to), { recursive: true });
  copyFileSync(realpathSync(from), to);
}
