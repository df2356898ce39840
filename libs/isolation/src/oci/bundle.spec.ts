/** From an image and a task to a bundle: the rules, as values. The kernel tries them in containers.nightly-spec.ts. */
import { NO_DOCKER_OPTIONS, readDockerParameters } from '@ekiden/model';
import { bundleConfig, type BundleInput } from './bundle.js';
import { lastError } from './container-launcher.js';
import type { ImageConfig } from './container-spec.js';
import { containerEnv, containerWords, readImageConfig } from './image-config.js';
import { findContainerUser } from './image-user.js';
import { refusePaths } from './plan-container.js';
import { parseStopSignal } from './stop-signal.js';
import { ociSeccomp } from './seccomp-profile.js';

const image = (config: Partial<ImageConfig>): ImageConfig => ({ user: '', env: {}, entrypoint: [], cmd: [], workingDirectory: '', stopSignal: '', ...config });
const args = (...words: string[]) => ({ kind: 'arguments' as const, program: null, args: words });

describe('what is run in a container', () => {
  it.each([
    ['nothing said', 'DOCKER', args(), { entrypoint: ['e', '1'], cmd: ['c'] }, ['e', '1', 'c']],
    ['arguments replace the command of the image, not its entrypoint', 'DOCKER', args('a'), { entrypoint: ['e', '1'], cmd: ['c'] }, ['e', '1', 'a']],
    ['arguments are all there is without an entrypoint', 'DOCKER', args('a', 'b'), { cmd: ['c'] }, ['a', 'b']],
    ['a command line goes to a shell', 'DOCKER', { kind: 'shell', line: 'x | y' }, { entrypoint: ['e'] }, ['/bin/sh', '-c', 'x | y']],
    ['Mesos appends to the entrypoint', 'MESOS', args('a'), { entrypoint: ['e'], cmd: ['c'] }, ['e', 'a']],
    ['Mesos without an entrypoint keeps the first word of the command', 'MESOS', args('a'), { cmd: ['c', 'd'] }, ['c', 'a']],
    ['Mesos with a program leaves the entrypoint out', 'MESOS', { kind: 'arguments', program: 'p', args: ['a'] }, { entrypoint: ['e'] }, ['p', 'a']],
  ] as const)('%s (%s)', (_, kind, command, config, words) => {
    expect(containerWords(kind, command, image(config))).toEqual(words);
  });

  it('is refused when neither says anything', () => {
    expect(() => containerWords('DOCKER', args(), image({}))).toThrow('the app needs `cmd` or `args`');
  });

  it('has the environment of the image below its own, and the sandbox where the container sees it', () => {
    const env = containerEnv(image({ env: { A: 'image', B: 'image' } }), { B: 'task' });
    expect(env).toMatchObject({ A: 'image', B: 'task', MESOS_SANDBOX: '/mnt/mesos/sandbox', PATH: expect.stringContaining('/usr/bin') });
  });

  it('is read from the configuration of the image, whatever is missing in there', () => {
    const config = { User: 'app', Env: ['A=b=c', 'D'], Entrypoint: ['/e'], Cmd: null };
    expect(readImageConfig(JSON.stringify({ config }))).toEqual(image({ user: 'app', env: { A: 'b=c', D: '' }, entrypoint: ['/e'] }));
    expect(readImageConfig('{}')).toEqual(image({}));
  });
});

describe('who runs it', () => {
  const files = { passwd: 'root:x:0:0::/root:\napp:x:7:8::/home/app:\n', group: 'more:x:9:app\nteam:x:10:\n' };

  it.each([
    ['', { uid: 0, gid: 0, home: '/root' }],
    ['app', { uid: 7, gid: 8, additionalGids: [8, 9], home: '/home/app' }],
    ['7', { uid: 7, gid: 8, home: '/home/app' }],
    ['4000', { uid: 4000, gid: 0, additionalGids: [], home: '/' }],
    ['app:team', { uid: 7, gid: 10, additionalGids: [] }],
    ['5:6', { uid: 5, gid: 6 }],
  ])('"%s"', (wanted, user) => {
    expect(findContainerUser(wanted, files)).toMatchObject(user);
  });

  it.each(['nobody', 'app:nobody', '99999999999', '-1'])('not "%s"', (wanted) => {
    expect(() => findContainerUser(wanted, files)).toThrow(/image/);
  });
});

describe('the bundle', () => {
  const input: BundleInput = {
    words: ['/bin/true'],
    env: { A: 'b' },
    user: { uid: 7, gid: 8, additionalGids: [], home: '/home/app' },
    workingDirectory: '/',
    sandbox: '/w/sandbox',
    volumes: [{ hostPath: '/srv/x', containerPath: '/x', isReadOnly: true }],
    networkFiles: [],
    networkNamespace: null,
    hostname: null,
    options: NO_DOCKER_OPTIONS,
    security: {},
    init: '/usr/bin/tini-static',
    seccomp: { defaultAction: 'SCMP_ACT_ERRNO', syscalls: [] },
    arch: 'x64',
  };

  it('starts the words below an init, as its user without capabilities', () => {
    expect(bundleConfig(input)).toMatchObject({
      process: {
        args: ['/dev/init', '-g', '--', '/bin/true'],
        env: ['HOME=/home/app', 'A=b'],
        user: { uid: 7, gid: 8 },
        capabilities: { effective: [], ambient: [] },
      },
    });
  });

  it('mounts sandbox and volumes', () => {
    const { mounts } = bundleConfig(input);
    expect(mounts).toContainEqual(expect.objectContaining({ destination: '/mnt/mesos/sandbox', source: '/w/sandbox' }));
    expect(mounts).toContainEqual(expect.objectContaining({ destination: '/x', source: '/srv/x', options: expect.arrayContaining(['ro', 'nosuid', 'nodev']) }));
  });

  it('has the machine’s network, or one of its own with files that it may write to', () => {
    const types = (config: Readonly<Record<string, unknown>>) => (config['linux'] as { namespaces: { type: string; path?: string }[] }).namespaces;
    expect(types(bundleConfig(input)).map(({ type }) => type)).not.toContain('network');
    const own = bundleConfig({
      ...input,
      networkNamespace: '/run/netns/x',
      hostname: 'abc',
      networkFiles: [{ source: '/r/hosts', destination: '/etc/hosts', isReadOnly: false }],
    });
    expect(types(own)).toContainEqual({ type: 'network', path: '/run/netns/x' });
    expect(own['hostname']).toBe('abc');
    expect(own['mounts']).toContainEqual(expect.objectContaining({ destination: '/etc/hosts', source: '/r/hosts', options: expect.arrayContaining(['rw']) }));
  });

  it('does what the options of docker run ask for', () => {
    const { options, refusals } = readDockerParameters(
      Object.entries({
        'cap-drop': 'all',
        'cap-add': 'cap_kill',
        ulimit: 'nofile=10:20',
        'shm-size': '1m',
        'read-only': 'true',
        tmpfs: '/run:size=2m,exec',
        sysctl: 'net.core.somaxconn=9',
      }).map(([key, value]) => ({ key, value })),
    );
    expect(refusals).toEqual([]);
    const config = bundleConfig({ ...input, user: { ...input.user, uid: 0 }, options });
    expect(config).toMatchObject({
      process: { capabilities: { bounding: ['CAP_KILL'], effective: ['CAP_KILL'] }, rlimits: [{ type: 'RLIMIT_NOFILE', soft: 10, hard: 20 }] },
      root: { readonly: true },
      linux: { sysctl: { 'net.core.somaxconn': '9' } },
    });
    expect(config['mounts']).toContainEqual(expect.objectContaining({ destination: '/run', options: expect.arrayContaining(['exec', 'size=2097152']) }));
    expect(config['mounts']).toContainEqual(expect.objectContaining({ destination: '/dev/shm', options: expect.arrayContaining(['size=1048576']) }));
  });

  it('has a filter unless it is privileged or that was asked for, and is refused where the machine has no profile', () => {
    expect(bundleConfig(input)['linux']).toHaveProperty('seccomp');
    expect(bundleConfig({ ...input, seccomp: null, security: { seccomp: 'unconfined' } })['linux']).not.toHaveProperty('seccomp');
    expect(bundleConfig({ ...input, seccomp: null, security: { isPrivileged: true } })['linux']).not.toHaveProperty('maskedPaths');
    expect(() => bundleConfig({ ...input, seccomp: null })).toThrow('golang-github-containers-common');
  });

  it('takes the conditions out of Docker’s profile', () => {
    const rule = (name: string, conditions: object) => ({ names: [name], action: 'SCMP_ACT_ALLOW', ...conditions });
    const syscalls = [
      rule('always', {}),
      rule('arm', { includes: { arches: ['arm64'] } }),
      rule('admin', { includes: { caps: ['CAP_SYS_ADMIN'] } }),
      rule('lesser', { excludes: { caps: ['CAP_SYS_ADMIN'] } }),
    ];
    const profile = { defaultAction: 'SCMP_ACT_ERRNO', syscalls };
    expect(ociSeccomp(profile, [], 'x64')).toMatchObject({ syscalls: [{ names: ['always'] }, { names: ['lesser'] }] });
    expect(ociSeccomp(profile, ['CAP_SYS_ADMIN'], 'arm64')).toMatchObject({ syscalls: [{ names: ['always'] }, { names: ['arm'] }, { names: ['admin'] }] });
    expect(() => ociSeccomp(profile, [], 'mips')).toThrow('mips');
  });
});

it.each([
  ['', 15],
  ['SIGQUIT', 3],
  ['int', 2],
  ['9', 9],
  ['SIGRTMIN+3', 37],
])('is stopped by "%s"', (text, signal) => {
  expect(parseStopSignal(text)).toBe(signal);
});

it.each(['SIGNOTHING', '0', '99', '-1'])('is not stopped by "%s"', (text) => {
  expect(() => parseStopSignal(text)).toThrow('no signal');
});

it('finds what the container runtime complained about', () => {
  expect(lastError('{ "msg":"a \\"b\\"", "level": "error", "time": "x" }\n{"msg":"c","level":"debug"}\n')).toBe('a "b"');
  expect(lastError('')).toBeNull();
});

it('refuses directories that overlay cannot be told', () => {
  expect(refusePaths(['/fine', '/a,b'])).toContain('/a,b');
  expect(refusePaths(['/fine'])).toBeNull();
});
