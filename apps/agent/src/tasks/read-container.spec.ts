/** What a task may ask of its container, and what it is told when it may not. */
import type { CommandInfo } from '@ekiden/mesos';
import { isBelow, readContainer, type ContainerPolicy } from './read-container.js';

const OPEN: ContainerPolicy = { imagesRefused: null, volumeDirs: ['/srv/data'], allowsPrivileged: true };
const docker = (more: object = {}, beside: object = {}) => ({ type: 'DOCKER', docker: { image: 'nginx', ...more }, ...beside });
const mesos = (more: object = {}) => ({ type: 'MESOS', mesos: { image: { type: 'DOCKER', docker: { name: 'nginx' }, ...more } } });
const volume = (host: string, more: object = {}) => docker({}, { volumes: [{ mode: 'RW', container_path: '/data', host_path: host, ...more }] });
const planOf = (container: unknown, command?: CommandInfo) => {
  const read = readContainer(container, command, OPEN);
  return read.kind === 'container' ? read.plan : read;
};

it('reads both kinds', () => {
  expect(planOf(docker({ force_pull_image: true, privileged: true }))).toMatchObject({ kind: 'DOCKER', image: 'nginx', forcePull: true, isPrivileged: true });
  expect(planOf(mesos({ cached: false }))).toMatchObject({ kind: 'MESOS', image: 'nginx', forcePull: true });
  expect(planOf(volume('/srv/data/x', { mode: 'RO' }))).toMatchObject({ volumes: [{ hostPath: '/srv/data/x', containerPath: '/data', isReadOnly: true }] });
});

it.each([undefined, null, { type: 'MESOS' }, { type: 'MESOS', mesos: {} }])('takes %j for a plain command', (container) => {
  expect(readContainer(container, undefined, OPEN)).toEqual({ kind: 'none' });
});

it.each([
  [
    { shell: true, value: 'run | it' },
    { kind: 'shell', line: 'run | it' },
  ],
  [{ value: 'run it' }, { kind: 'shell', line: 'run it' }],
  [
    { shell: false, arguments: ['a', 'b'] },
    { kind: 'arguments', program: null, args: ['a', 'b'] },
  ],
  [
    { shell: false, value: 'p', arguments: ['a'] },
    { kind: 'arguments', program: 'p', args: ['a'] },
  ],
  [undefined, { kind: 'arguments', program: null, args: [] }],
] as const)('reads the command %j', (command, expected) => {
  expect(planOf(docker(), command as CommandInfo | undefined)).toMatchObject({ command: expected });
});

it.each([
  ['a type of its own', { type: 'ROCKET' }, 'DOCKER or MESOS'],
  ['no image', { type: 'DOCKER', docker: {} }, 'image'],
  ['a bridge', docker({ network: 'BRIDGE' }), 'HOST'],
  ['port mappings', docker({ port_mappings: [{ host_port: 1 }] }), 'port_mappings'],
  ['parameters', docker({ parameters: [{ key: 'volume', value: '/:/host' }] }), 'parameters'],
  ['networks', docker({}, { network_infos: [{}] }), 'network_infos'],
  ['credentials in the task', mesos({ docker: { name: 'x', config: {} } }), '--image-auth-file'],
  ['/etc', volume('/etc'), '--allow-volumes'],
  ['the socket of an engine', volume('/var/run/docker.sock'), '--allow-volumes'],
  ['a neighbour by name', volume('/srv/data-of-others'), '--allow-volumes'],
  ['a way up', volume('/srv/data/../../etc'), 'without ".."'],
  ['a persistent volume', volume('data', { source: { type: 'DOCKER_VOLUME' } }), 'host_path'],
])('refuses %s', (_, container, why) => {
  expect(planOf(container)).toMatchObject({ kind: 'refused', why: expect.stringContaining(why) });
});

it('refuses what the operator or the machine does not give', () => {
  expect(readContainer(docker(), undefined, { ...OPEN, imagesRefused: 'no umoci' })).toEqual({ kind: 'refused', why: 'no umoci' });
  expect(readContainer(docker({ privileged: true }), undefined, { ...OPEN, allowsPrivileged: false })).toMatchObject({
    kind: 'refused',
    why: expect.stringContaining('--allow-privileged'),
  });
});

it('knows what is below a directory', () => {
  expect(isBelow('/a/b', ['/a'])).toBe(true);
  expect(isBelow('/a', ['/a/'])).toBe(true);
  expect(isBelow('/ab', ['/a'])).toBe(false);
  expect(isBelow('/x', ['/'])).toBe(true);
});
