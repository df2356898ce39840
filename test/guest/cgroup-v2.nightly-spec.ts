/**
 * The suites of libs/isolation under a kernel that has control groups of version 2 and no others, whatever this machine has: the same
 * files that run here natively, packed into the first file system of a virtual machine.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { packGuest, VERDICT } from './pack-guest.js';
import { findKernel, runGuest } from './run-guest.js';

const TIMEOUT_MS = 1_000_000;
const SUITES = ['cgroup-limits', 'exec', 'task-security'].map((name) => `libs/isolation/src/${name}.spec.ts`);
const PREPARE = [
  'mount -t cgroup2 none /sys/fs/cgroup',
  'echo "CONTROLLERS $(cat /sys/fs/cgroup/cgroup.controllers)"',
  // Not in the root group, which may not have processes beside groups with controllers: as systemd leaves every service.
  'mkdir /sys/fs/cgroup/init',
  'echo $$ > /sys/fs/cgroup/init/cgroup.procs',
];

let dir = '';
beforeAll(() => void (dir = mkdtempSync(join(tmpdir(), 'ekiden-guest-'))));
afterAll(() => rmSync(dir, { recursive: true, force: true }));

it(
  'everything that control groups do for tasks is done by version 2 as well',
  async () => {
    if (process.arch !== 'x64') return console.log(`skipped: the guest is an x86-64 machine, this is ${process.arch}`);
    const kernel = findKernel();
    if (kernel === null) throw new Error('no kernel for the guest: EKIDEN_CI_NIGHTLY=1 .ci/run fetches one, EKIDEN_GUEST_KERNEL names its directory');
    const archive = await packGuest({ dir, suites: SUITES, prepare: PREPARE });
    const said = await runGuest(kernel, archive);
    if (!said.includes(`${VERDICT} failed=0`)) console.log(said.slice(-60_000));
    expect(said).toMatch(/CONTROLLERS .*\bcpu\b.*\bmemory\b/);
    expect(said).toContain(`${VERDICT} failed=0`);
  },
  TIMEOUT_MS,
);
