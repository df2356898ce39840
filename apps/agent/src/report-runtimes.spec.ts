/** What `ekiden nodes -v` shows of an agent, and what its attributes say. */
import type { Abilities } from '@ekiden/isolation';
import { ABILITIES } from '@ekiden/model';
import { reportRuntimes, runtimeAttributes } from './report-runtimes.js';

const NO_NETWORKS = { kind: 'none', why: 'no ip' } as const;

const withReason = (...missing: readonly (keyof Abilities)[]): Abilities =>
  Object.fromEntries(ABILITIES.map((ability) => [ability, missing.includes(ability) ? `${ability} needs a package` : null])) as unknown as Abilities;

it('is what the used runtime cannot give, and why the others are not used', () => {
  const found = {
    used: 'cgroup',
    abilities: withReason('seccomp'),
    withoutGroups: [],
    withoutImages: 'install the package crun',
    networks: NO_NETWORKS,
  } as const;
  expect(reportRuntimes(found)).toEqual([
    { name: 'process', isUsed: false, reasons: ['not needed: cgroup does all that it does'] },
    { name: 'cgroup', isUsed: true, reasons: ['seccomp needs a package'] },
    { name: 'oci', isUsed: false, reasons: ['install the package crun'] },
  ]);
});

it('shows what images lack of networks', () => {
  const found = { used: 'cgroup', abilities: withReason(), withoutGroups: [], withoutImages: null, networks: NO_NETWORKS } as const;
  expect(reportRuntimes(found)[2]).toEqual({ name: 'oci', isUsed: true, reasons: ['no ip'] });
});

it('names what keeps control groups from being used', () => {
  const found = { used: 'process', abilities: withReason(), withoutGroups: ['cpu is read-only'], withoutImages: 'no groups', networks: NO_NETWORKS } as const;
  expect(reportRuntimes(found).slice(0, 2)).toEqual([
    { name: 'process', isUsed: true, reasons: [] },
    { name: 'cgroup', isUsed: false, reasons: ['cpu is read-only'] },
  ]);
  expect(reportRuntimes({ ...found, withoutGroups: [] })[1]?.reasons).toEqual(['not chosen: --runtime process']);
});

it('says in attributes what an app may ask for in vain', () => {
  expect(runtimeAttributes({ abilities: withReason('pids-limit', 'seccomp'), withoutImages: 'no crun', networks: NO_NETWORKS })).toEqual({
    'ekiden-images': 'no: no crun',
    'ekiden-networks': 'no: no ip',
    'ekiden-lacks': 'pids-limit,seccomp',
  });
  expect(runtimeAttributes({ abilities: withReason(), withoutImages: null, networks: { kind: 'ready', names: ['mesos-bridge', 'blue'] } })).toEqual({
    'ekiden-images': 'oci',
    'ekiden-networks': 'mesos-bridge,blue',
  });
});
