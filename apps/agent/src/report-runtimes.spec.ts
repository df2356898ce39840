/** What `ekiden nodes -v` shows of an agent, and what its attributes say. */
import type { Abilities } from '@ekiden/isolation';
import { ABILITIES } from '@ekiden/model';
import { reportRuntimes, runtimeAttributes } from './report-runtimes.js';

const withReason = (...missing: readonly (keyof Abilities)[]): Abilities =>
  Object.fromEntries(ABILITIES.map((ability) => [ability, missing.includes(ability) ? `${ability} needs a package` : null])) as unknown as Abilities;

it('is what the used runtime cannot give, and why the others are not used', () => {
  const found = { used: 'cgroup', abilities: withReason('seccomp'), withoutGroups: [], withoutImages: 'install the package crun' } as const;
  expect(reportRuntimes(found)).toEqual([
    { name: 'process', isUsed: false, reasons: ['not needed: cgroup does all that it does'] },
    { name: 'cgroup', isUsed: true, reasons: ['seccomp needs a package'] },
    { name: 'oci', isUsed: false, reasons: ['install the package crun'] },
  ]);
});

it('names what keeps control groups from being used', () => {
  const found = { used: 'process', abilities: withReason(), withoutGroups: ['cpu is read-only'], withoutImages: 'no groups' } as const;
  expect(reportRuntimes(found).slice(0, 2)).toEqual([
    { name: 'process', isUsed: true, reasons: [] },
    { name: 'cgroup', isUsed: false, reasons: ['cpu is read-only'] },
  ]);
  expect(reportRuntimes({ ...found, withoutGroups: [] })[1]?.reasons).toEqual(['not chosen: --runtime process']);
});

it('says in attributes what an app may ask for in vain', () => {
  expect(runtimeAttributes({ abilities: withReason('pids-limit', 'seccomp'), withoutImages: 'no crun' })).toEqual({
    'ekiden-images': 'no: no crun',
    'ekiden-lacks': 'pids-limit,seccomp',
  });
  expect(runtimeAttributes({ abilities: withReason(), withoutImages: null })).toEqual({ 'ekiden-images': 'oci' });
});
