/** What `ekiden nodes -v` shows of an agent, and what its attributes say. */
import type { Abilities } from '@ekiden/isolation';
import { ABILITIES } from '@ekiden/model';
import type { ImageRunner } from './container-images.js';
import { reportRuntimes, runtimeAttributes } from './report-runtimes.js';

const NO_NETWORKS = { kind: 'none', why: 'no ip' } as const;

const WITHOUT_CRUN = { runner: null, reasons: { oci: ['install the package crun'], docker: ['there is no container engine'] } } as const;
const images = { ensure: () => Promise.reject(new Error('not asked')), collect: () => Promise.resolve(0) };
const port = { ensure: () => Promise.reject(new Error('not asked')), openVolumes: () => Promise.resolve([]) };

const withReason = (...missing: readonly (keyof Abilities)[]): Abilities =>
  Object.fromEntries(ABILITIES.map((ability) => [ability, missing.includes(ability) ? `${ability} needs a package` : null])) as unknown as Abilities;

it('is what the used runtime cannot give, and why the others are not used', () => {
  const found = {
    used: 'cgroup',
    abilities: withReason('seccomp'),
    withoutGroups: [],
    images: WITHOUT_CRUN,
    networks: NO_NETWORKS,
  } as const;
  expect(reportRuntimes(found)).toEqual([
    { name: 'process', isUsed: false, reasons: ['not needed: cgroup does all that it does'] },
    { name: 'cgroup', isUsed: true, reasons: ['seccomp needs a package'] },
    { name: 'oci', isUsed: false, reasons: ['install the package crun'] },
    { name: 'docker', isUsed: false, reasons: ['there is no container engine'] },
  ]);
});

/** With a container engine that gives no limit of processes. */
const byDocker = {
  runner: {
    by: 'docker',
    engine: {
      kind: 'ready',
      socket: '/run/docker.sock',
      title: 'Docker 27',
      architecture: 'x86_64',
      storage: '/var/lib/docker',
      abilities: withReason('pids-limit'),
      networks: NO_NETWORKS,
    },
    images,
    port,
  },
  reasons: { oci: ['install the package crun'], docker: [] },
} as const;

it('shows which network is not there', () => {
  const networks = { kind: 'ready', names: ['mesos-bridge'], leftOut: ['no network "blue"'] } as const;
  const found = { used: 'cgroup', abilities: withReason(), withoutGroups: [], images: byDocker, networks } as const;
  expect(reportRuntimes(found)[3]?.reasons).toEqual(['pids-limit needs a package', 'no network "blue"']);
});

it('shows what images lack of networks', () => {
  const found = { used: 'cgroup', abilities: withReason(), withoutGroups: [], images: byDocker, networks: NO_NETWORKS } as const;
  expect(reportRuntimes(found).slice(2)).toEqual([
    { name: 'oci', isUsed: false, reasons: ['install the package crun'] },
    { name: 'docker', isUsed: true, reasons: ['pids-limit needs a package', 'no ip'] },
  ]);
});

it.each([
  ['crun', 'its containers are made by crun'],
  ['runc', expect.stringMatching(/made by runc, .* install the package crun/)],
] as const)('shows that %s makes the containers', (kind, said) => {
  const runtime = { kind, path: `/usr/bin/${kind}` };
  const tools = { runtime, runtimes: { crun: null, runc: null }, groupTrees: { v1: [], v2: [] }, unshare: '', mount: '', umount: '', init: '' };
  const store = { ensure: port.ensure, collect: () => Promise.resolve(0) };
  const runner = { by: 'oci', machine: { tools, seccomp: null }, store, port } as unknown as ImageRunner;
  const images = { runner, reasons: { oci: [], docker: ['not needed'] } };
  const found = { used: 'cgroup', abilities: withReason(), withoutGroups: [], images, networks: NO_NETWORKS } as const;
  expect(reportRuntimes(found)[2]).toEqual({ name: 'oci', isUsed: true, reasons: [said, 'no ip'] });
});

it('names what keeps control groups from being used', () => {
  const found = { used: 'process', abilities: withReason(), withoutGroups: ['cpu is read-only'], images: WITHOUT_CRUN, networks: NO_NETWORKS } as const;
  expect(reportRuntimes(found).slice(0, 2)).toEqual([
    { name: 'process', isUsed: true, reasons: [] },
    { name: 'cgroup', isUsed: false, reasons: ['cpu is read-only'] },
  ]);
  expect(reportRuntimes({ ...found, withoutGroups: [] })[1]?.reasons).toEqual(['not chosen: --runtime process']);
});

it('says in attributes what an app may ask for in vain', () => {
  expect(runtimeAttributes({ images: WITHOUT_CRUN, networks: NO_NETWORKS })).toEqual({
    'ekiden-images': 'no: install the package crun; there is no container engine',
    'ekiden-networks': 'no: no ip',
  });
  expect(runtimeAttributes({ images: byDocker, networks: { kind: 'ready', names: ['mesos-bridge', 'blue'], leftOut: [] } })).toEqual({
    'ekiden-images': 'docker',
    'ekiden-networks': 'mesos-bridge,blue',
  });
});
