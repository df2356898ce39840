/**
 * The suites of libs/isolation under a kernel that has control groups of version 2 and no others, whatever this machine has: the same
 * files that run here natively (`suites.ts`), packed into the disk of a virtual machine. It says which files ran, with how many cases.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { packGuest } from './pack-guest.js';
import { readReport } from './read-report.js';
import { findKernel, runGuest, type GuestKernel } from './run-guest.js';
import { COMMANDS, CONTAINERS } from './suites.js';

const PREPARE = [
  'mount -t cgroup2 none /sys/fs/cgroup',
  'echo "CONTROLLERS $(cat /sys/fs/cgroup/cgroup.controllers)"',
  // Not in the root group, which may not have processes beside groups with controllers: as systemd leaves every service.
  'mkdir /sys/fs/cgroup/init',
  'echo $$ > /sys/fs/cgroup/init/cgroup.procs',
];
const GUEST_LIMIT_MS = 30 * 60_000;
const TIMEOUT_MS = GUEST_LIMIT_MS + 60_000;
/** Of what a guest said, where something has failed. */
const SHOWN_CHARACTERS = 60_000;

let dir = '';
beforeEach(() => void (dir = mkdtempSync(join(tmpdir(), 'ekiden-guest-'))));
afterEach(() => rmSync(dir, { recursive: true, force: true }));

it.each([
  ['host commands', COMMANDS],
  ['images, networks and pods', CONTAINERS],
])(
  'all that control groups do for %s is done by version 2 as well',
  async (_, suites) => {
    if (process.arch !== 'x64') return console.log(`skipped: the guest is an x86-64 machine, this is ${process.arch}`);
    const kernel = needKernel();
    const disk = await packGuest({ dir, kernel, suites, prepare: PREPARE });
    const said = await runGuest(kernel, disk, GUEST_LIMIT_MS);
    const report = readReport(said);
    const lines = suites.map(({ file }) => ({ file, ...report.suites.get(file) }));
    console.log(
      [
        'under version 2:',
        ...lines.map(({ file, passed = 0, failed = 0, skipped = 0 }) => `  ${file}: ${passed} passed, ${failed} failed, ${skipped} left out`),
      ].join('\n'),
    );
    const wrong = lines.filter(({ passed = 0, failed, skipped }) => passed === 0 || failed !== 0 || skipped !== 0);
    if (wrong.length > 0 || !report.isComplete) console.log(said.slice(-SHOWN_CHARACTERS));
    expect(said).toMatch(/CONTROLLERS .*\bcpu\b.*\bmemory\b/);
    expect(wrong).toEqual([]);
    expect(report.isComplete).toBe(true);
  },
  TIMEOUT_MS,
);

function needKernel(): GuestKernel {
  const kernel = findKernel();
  if (kernel === null) throw new Error('no kernel for the guest: EKIDEN_CI_NIGHTLY=1 .ci/run fetches one, EKIDEN_GUEST_KERNEL names its directory');
  return kernel;
}
