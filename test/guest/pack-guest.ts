/**
 * Makes the disk of a virtual machine that does nothing but run suites of this repository: each suite as one file, and what it needs
 * (`guest-files.ts`).
 *
 * Everything comes from this machine, so the guest runs the very programs that the suites run here; only the kernel is another.
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { build } from 'esbuild';
import { INSIDE, wordsInOwnNetwork } from '../../libs/isolation/test/own-network.js';
import { quote } from '../../libs/isolation/src/plan-launch.js';
import { putGuestFiles, toolOf } from './guest-files.js';
import { SUITE_BEGINS, SUITES_ENDED } from './read-report.js';
import type { GuestKernel } from './run-guest.js';

/** Where containers are that write, and logs that are cut: a real ext4, of which most is never touched. */
const DISK_SIZE = '4G';
/**
 * For one thing that a suite waits for. On a busy machine the start of an agent, which is a Node of its own, has taken 55 seconds in there.
 * Less than the runner allows for a case (`test-words.ts`).
 */
const PATIENCE_MS = 200_000;
/** The suites start an agent of theirs with `--import tsx`: in the guest it is JavaScript already. */
const TSX = `import { register } from 'node:module';
register('data:text/javascript,' + encodeURIComponent(\`import { readFile } from 'node:fs/promises';
export async function load(url, context, next) {
  return url.endsWith('.ts') ? { format: 'commonjs', shortCircuit: true, source: await readFile(new URL(url)) } : next(url, context);
}\`));
`;

export interface Guest {
  /** Empty; the disk and what is on it come here. */
  readonly dir: string;
  readonly kernel: GuestKernel;
  readonly suites: readonly Suite[];
  /** Lines of a shell before the suites are run. */
  readonly prepare: readonly string[];
}

export interface Suite {
  /** From the root of the repository. */
  readonly file: string;
  /** It changes the machine's network: natively it runs in one of its own (`own-network.ts`), and so it does here. */
  readonly ownNetwork?: boolean;
}

/** Answers the path of the disk. Throws naming the program that is missing. */
export async function packGuest({ dir, kernel, suites, prepare }: Guest): Promise<string> {
  const root = join(dir, 'root');
  putGuestFiles(root, kernel);
  for (const directory of ['suites/src', 'suites/test', 'node_modules/tsx']) mkdirSync(join(root, directory), { recursive: true });
  writeFileSync(join(root, 'node_modules/tsx/package.json'), '{"name":"tsx","type":"module","exports":"./index.js"}');
  writeFileSync(join(root, 'node_modules/tsx/index.js'), TSX);
  await bundleSuites(root, suites);
  writeFileSync(join(root, 'init'), scriptOf(suites, prepare), { mode: 0o755 });
  const disk = join(dir, 'disk.img');
  execFileSync(toolOf('e2fsprogs', 'mke2fs'), ['-q', '-t', 'ext4', '-E', 'root_owner=0:0', '-d', root, disk, DISK_SIZE]);
  return disk;
}

async function bundleSuites(root: string, suites: readonly Suite[]): Promise<void> {
  const options = { bundle: true, platform: 'node', target: 'node20', format: 'cjs', logLevel: 'silent' } as const;
  await build({
    ...options,
    entryPoints: suites.map(({ file }) => file),
    outdir: join(root, 'suites/src'),
    outExtension: { '.js': '.cjs' },
    entryNames: '[name]',
    inject: ['test/guest/test-words.ts'],
  });
  await build({ ...options, entryPoints: ['libs/isolation/test/agent-process.ts'], outfile: join(root, 'suites/test/agent-process.ts') });
}

const scriptOf = (suites: readonly Suite[], prepare: readonly string[]): string => `#!/bin/busybox sh
/bin/busybox --install -s /bin
export PATH=/usr/bin:/bin HOME=/root TERM=dumb EKIDEN_TEST_PATIENCE_MS=${PATIENCE_MS}
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
mkdir -p /dev/pts /dev/shm
mount -t devpts devpts /dev/pts
mount -t tmpfs -o mode=1777 shm /dev/shm
ln -s /proc/self/fd /dev/fd
for each in 0:stdin 1:stdout 2:stderr; do ln -s /proc/self/fd/\${each%:*} /dev/\${each#*:}; done
ip link set lo up
${prepare.join('\n')}
cd /
${suites.map(runOf).join('\n')}
echo "${SUITES_ENDED}"
poweroff -f
`;

function runOf({ file, ownNetwork = false }: Suite): string {
  const words = ['node', '--test-reporter=spec', '--test', `/suites/src/${basename(file, '.ts')}.cjs`];
  const run = ownNetwork ? [`${INSIDE}=yes`, ...wordsInOwnNetwork(words).map(quote)] : words;
  return `echo "${SUITE_BEGINS} ${file}"\n${run.join(' ')}`;
}
