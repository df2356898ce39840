/** The options of `docker run`: what each becomes, and what is said of those that do not work. */
import { DOCKER_PARAMETERS, readDockerParameters, type DockerOptions } from './docker-parameters.js';

const read = (key: string, ...values: readonly string[]) => readDockerParameters(values.map((value) => ({ key, value })));

it.each<[string, readonly string[], Partial<DockerOptions>]>([
  ['cap-add', ['NET_ADMIN', 'cap_sys_time'], { capAdd: ['NET_ADMIN', 'SYS_TIME'] }],
  ['cap-drop', ['all', 'KILL'], { capDrop: ['ALL', 'KILL'] }],
  ['hostname', ['web-1.lan'], { hostname: 'web-1.lan' }],
  ['h', ['web'], { hostname: 'web' }],
  [
    'add-host',
    ['db:10.0.0.7', 'six:fd00::7'],
    {
      hosts: [
        { name: 'db', address: '10.0.0.7' },
        { name: 'six', address: 'fd00::7' },
      ],
    },
  ],
  ['dns', ['10.0.0.2', '10.0.0.3'], { nameservers: ['10.0.0.2', '10.0.0.3'] }],
  ['dns-search', ['lan'], { searchDomains: ['lan'] }],
  ['dns-opt', ['ndots:2'], { resolverOptions: ['ndots:2'] }],
  ['env', ['A=b=c', 'D='], { env: { A: 'b=c', D: '' } }],
  [
    'ulimit',
    ['nofile=1024:4096', 'core=0', 'memlock=-1'],
    {
      limits: [
        { name: 'nofile', soft: 1024, hard: 4096 },
        { name: 'core', soft: 0, hard: 0 },
        { name: 'memlock', soft: Number.MAX_SAFE_INTEGER, hard: Number.MAX_SAFE_INTEGER },
      ],
    },
  ],
  ['ulimit', ['nofile=1', 'nofile=2'], { limits: [{ name: 'nofile', soft: 2, hard: 2 }] }],
  ['workdir', ['/srv/app'], { workingDirectory: '/srv/app' }],
  ['user', ['app:team'], { user: 'app:team' }],
  ['group-add', ['5', '6'], { groups: [5, 6] }],
  ['entrypoint', ['/bin/run'], { entrypoint: '/bin/run' }],
  ['stop-signal', ['SIGRTMIN+3'], { stopSignal: 'SIGRTMIN+3' }],
  ['shm-size', ['256m'], { shmBytes: 256 * 1024 * 1024 }],
  ['shm-size', ['1GB'], { shmBytes: 1024 ** 3 }],
  ['read-only', ['true'], { isReadOnly: true }],
  [
    'tmpfs',
    ['/run:size=64m,mode=755,exec,ro', '/tmp'],
    {
      tmpfs: [
        { path: '/run', sizeBytes: 64 * 1024 * 1024, mode: '755', isReadOnly: true, isExecutable: true },
        { path: '/tmp', sizeBytes: null, mode: null, isReadOnly: false, isExecutable: false },
      ],
    },
  ],
  ['sysctl', ['net.core.somaxconn=1024'], { sysctls: { 'net.core.somaxconn': '1024' } }],
  ['security-opt', ['no-new-privileges:true'], { noNewPrivs: true }],
  ['init', ['true'], {}],
])('%s %j', (key, values, options) => {
  const found = read(key, ...values);
  expect(found.refusals).toEqual([]);
  expect(found.options).toMatchObject(options);
});

it.each([
  ['cap-add', 'ALL', 'privileged'],
  ['cap-add', 'x y', 'NET_ADMIN'],
  ['hostname', 'a b', 'host name'],
  ['add-host', 'db', 'NAME:ADDRESS'],
  ['add-host', 'db:host\n10.0.0.1 x', 'NAME:ADDRESS'],
  ['dns', 'resolver.lan', 'address'],
  ['env', 'NAME', 'NAME=VALUE'],
  ['ulimit', 'nofile', 'nofile=1024:4096'],
  ['ulimit', 'files=1', 'nofile=1024:4096'],
  ['ulimit', 'nofile=5:4', 'soft limit'],
  ['workdir', 'here', 'absolute'],
  ['tmpfs', '/a/../b', 'absolute'],
  ['tmpfs', '/run:suid', 'PATH'],
  ['shm-size', '0', '256m'],
  ['shm-size', 'much', '256m'],
  ['read-only', 'maybe', 'true or false'],
  ['sysctl', 'vm.swappiness=1', 'net.*'],
  ['sysctl', 'kernel.core_pattern=|/x', 'net.*'],
  ['security-opt', 'seccomp=unconfined', 'no-new-privileges'],
  ['init', 'false', 'always'],
  ['volume', '/:/host', 'container.volumes'],
  ['privileged', 'true', 'docker.privileged'],
  ['net', 'host', 'networks'],
  ['log-driver', 'fluentd', 'sandbox'],
  ['constructor', 'x', 'supported are'],
  ['pid', 'host', 'supported are add-host'],
])('refuses %s %s', (key, value, why) => {
  const { refusals, options } = read(key, value);
  expect(refusals).toEqual([{ index: 0, why: expect.stringContaining(why) }]);
  expect(refusals[0]?.why).toContain(`"${key}"`);
  expect(options).toEqual(read('init', 'true').options);
});

it('names each that is wrong at its place, and those that change nothing', () => {
  const { refusals, ignored } = readDockerParameters([
    { key: 'rm', value: 'true' },
    { key: 'dns', value: 'x!' },
    { key: 'label', value: 'a=b' },
    { key: 'device', value: '/dev/fuse' },
  ]);
  expect(refusals.map(({ index }) => index)).toEqual([1, 3]);
  expect(ignored).toEqual(['rm', 'label']);
  expect(DOCKER_PARAMETERS).toContain('ulimit');
});
