/** What a task may ask of its container, and what it is told when it may not. */
import type { CommandInfo } from '@ekiden/mesos';
import { isBelow, readContainer, type ContainerPolicy } from './read-container.js';

const OPEN: ContainerPolicy = { imagesRefused: null, volumeDirs: ['/srv/data'], allowsPrivileged: true };
const docker = (more: object = {}, beside: object = {}) => ({ type: 'DOCKER', docker: { image: 'nginx', ...more }, ...beside });
const mesos = (more: object = {}, networks: object[] = []) => ({
  type: 'MESOS',
  mesos: { image: { type: 'DOCKER', docker: { name: 'nginx' }, ...more } },
  network_infos: networks,
});
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

it('reads networks of its own, as Marathon writes them for each kind', () => {
  const mapped = [
    { host_port: 31_000, container_port: 80 },
    { host_port: 31_000, container_port: 80, protocol: 'udp' },
  ];
  const ports = [
    { hostPort: 31_000, containerPort: 80, protocol: 'tcp' },
    { hostPort: 31_000, containerPort: 80, protocol: 'udp' },
  ];
  expect(planOf(docker())).toMatchObject({ networks: [] });
  expect(planOf(docker({ network: 'BRIDGE', port_mappings: mapped }))).toMatchObject({ networks: [{ name: 'mesos-bridge', ports }] });
  expect(planOf(docker({ network: 'USER' }, { network_infos: [{ name: 'blue' }] }))).toMatchObject({ networks: [{ name: 'blue', ports: [] }] });
  expect(planOf(mesos({}, [{ name: 'mesos-bridge', port_mappings: mapped }, { name: 'blue' }, {}]))).toMatchObject({
    networks: [
      { name: 'mesos-bridge', ports },
      { name: 'blue', ports: [] },
    ],
  });
});

it('reads the options of docker run', () => {
  expect(planOf(docker({ parameters: [{ key: 'hostname', value: 'web' }] }))).toMatchObject({ options: { hostname: 'web', capAdd: [] } });
  expect(planOf(mesos())).toMatchObject({ options: { hostname: null } });
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
  ['no network', docker({ network: 'NONE' }), 'BRIDGE'],
  ['a network of a user without its name', docker({ network: 'USER' }), 'network_infos'],
  ['a port that is none', docker({ network: 'BRIDGE', port_mappings: [{ host_port: 0, container_port: 80 }] }), 'host_port'],
  ['another protocol', docker({ network: 'BRIDGE', port_mappings: [{ host_port: 1, container_port: 80, protocol: 'sctp' }] }), 'protocol'],
  ['an address of its choice', mesos({}, [{ name: 'blue', ip_addresses: [{ ip_address: '10.0.0.9' }] }]), 'ip_addresses'],
  ['a network twice', mesos({}, [{ name: 'blue' }, { name: 'blue' }]), 'twice'],
  ['a network for a command', { type: 'MESOS', network_infos: [{ name: 'blue' }] }, 'image'],
  ['port mappings', docker({ port_mappings: [{ host_port: 1 }] }), 'port_mappings'],
  [
    'parameters that are not given',
    docker({
      parameters: [
        { key: 'volume', value: '/:/host' },
        { key: 'net', value: 'host' },
      ],
    }),
    'container.volumes',
  ],
  ['a setting of the machine’s network', docker({ parameters: [{ key: 'sysctl', value: 'net.core.somaxconn=9' }] }), 'BRIDGE'],
  ['networks of the host', docker({}, { network_infos: [{ name: 'blue' }] }), 'USER'],
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
  expect(readContainer(docker({ network: 'BRIDGE' }), undefined, { ...OPEN, networksRefused: 'no plugins' })).toEqual({ kind: 'refused', why: 'no plugins' });
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
