/** The pure parts of the engine runtime: versions, frames, journals, verdicts, events, requests, logins. */
import { NO_DOCKER_OPTIONS, taskId } from '@ekiden/model';
import type { LaunchSpec } from '../runtime.js';
import { fileInTar } from './container-calls.js';
import { parseGroups } from './container-group.js';
import { containerRequest } from './container-request.js';
import { chooseVersion } from './engine-client.js';
import { readEvent } from './engine-events.js';
import { loginFor, readEngineImage } from './engine-images.js';
import { TASK_LABEL, containerName, parseEngineJournal } from './engine-journal.js';
import { readEngineStatistics } from './engine-statistics.js';
import { NOTHING_SEEN, exitOfContainer, judgeContainer, readFound } from './judge-container.js';
import { createSieve, readFrames, sinceSecs, splitTime } from './log-frames.js';
import { abilitiesOfEngine, socketOf } from './probe-engine.js';
import { createPullProgress } from './pull-progress.js';

const frame = (stream: 1 | 2, text: string): Buffer => {
  const head = Buffer.alloc(8);
  head[0] = stream;
  head.writeUInt32BE(text.length, 4);
  return Buffer.concat([head, Buffer.from(text)]);
};

describe('versions of the API', () => {
  it('the newest that both speak is taken', () => {
    expect(chooseVersion({ ApiVersion: '1.41', MinAPIVersion: '1.12' })).toBe('1.41');
    expect(chooseVersion({ ApiVersion: '1.52', MinAPIVersion: '1.44' })).toBe('1.44');
  });
  it('an engine with which nothing can be spoken is refused with both', () => {
    expect(() => chooseVersion({ ApiVersion: '1.38', MinAPIVersion: '1.12' })).toThrow('speaks the API 1.12 to 1.38');
    expect(() => chooseVersion({ ApiVersion: '2.0', MinAPIVersion: '1.60' })).toThrow('1.40 to 1.44');
    expect(() => chooseVersion({ hello: 'world' })).toThrow('no container engine');
  });
});

describe('frames', () => {
  it('are read as they come in pieces', () => {
    const bytes = Buffer.concat([frame(1, 'a'), frame(2, 'bc')]);
    const first = readFrames(bytes.subarray(0, 12));
    expect(first.frames.map(({ payload }) => payload.toString())).toEqual(['a']);
    expect(readFrames(Buffer.concat([first.rest, bytes.subarray(12)])).frames).toEqual([{ stream: 'stderr', payload: Buffer.from('bc') }]);
  });
  it('are refused when they are none', () => expect(() => readFrames(Buffer.from('plain text here'))).toThrow('form'));
  it('have their time to the nanosecond, in whatever zone', () => {
    const zulu = splitTime(Buffer.from('2026-01-02T03:04:05.000000001Z hi there'));
    const zoned = splitTime(Buffer.from('2026-01-02T05:04:05.000000001+02:00 hi there'));
    expect([zulu.nanos, zulu.text.toString()]).toEqual([1_767_323_045_000_000_001n, 'hi there']);
    expect(zoned.nanos).toBe(zulu.nanos);
    expect(() => splitTime(Buffer.from('hello world'))).toThrow('without its time');
  });
  it('are new behind the last that was taken, of the same time too, and all after the first new one', () => {
    const sieve = createSieve({ nanos: 20n, count: 2 });
    expect([10n, 20n, 20n, 20n, 5n].map((nanos) => sieve.isNew(nanos))).toEqual([false, false, false, true, true]);
    expect(sieve.place).toEqual({ nanos: 5n, count: 1 });
    expect(
      sinceSecs([
        { nanos: 100_000_000_000n, count: 1 },
        { nanos: 0n, count: 0 },
      ]),
    ).toBe('90');
  });
});

describe('the journal and its verdict', () => {
  const line = (value: object): string => `${JSON.stringify({ v: 1, ...value })}\n`;
  const asked = line({ kind: 'asked', container: 'c', socket: '/s', sandbox: '/b', stopSignal: 3 });
  const starting = asked + line({ kind: 'starting' });
  const found = (Status: string, more: object = {}): ReturnType<typeof readFound> => readFound({ State: { Status, Pid: 7, ExitCode: 0, ...more } });

  it.each([
    ['nothing', '', found('running'), { kind: 'never-started' }],
    ['a torn start', `${asked}{"v":1,"kind":"star`, found('running'), { kind: 'never-started' }],
    ['running', starting, found('running'), { kind: 'running', pid: 7 }],
    ['paused', starting, found('paused'), { kind: 'running', pid: 7 }],
    ['made, not started', starting, found('created'), { kind: 'withdraw' }],
    ['withdrawn', starting + line({ kind: 'withdrawn' }), found('running'), { kind: 'never-started' }],
    ['ended', starting, found('exited', { ExitCode: 9 }), { kind: 'exited', exit: { code: 9 } }],
    ['gone', starting, { kind: 'absent' }, { kind: 'exited', exit: { lost: expect.stringContaining('removed') } }],
    [
      'recorded',
      starting + line({ kind: 'exit', exit: { code: 4, signal: null, oomKilled: false, lost: null } }),
      { kind: 'absent' },
      { kind: 'exited', exit: { code: 4 } },
    ],
  ] as const)('%s', (_, text, state, verdict) => expect(judgeContainer(parseEngineJournal(text), state)).toMatchObject(verdict));

  it('a newer version is not guessed at', () => expect(() => parseEngineJournal('{"v":2,"kind":"asked"}\n')).toThrow('start a newer agent'));
  it('a name is readable, and of one task alone', () => {
    expect(containerName('a', taskId('shop.web.1'))).toMatch(/^ekiden-shop\.web\.1-[0-9a-f]{16}$/);
    expect(containerName('a', taskId('x'))).not.toBe(containerName('b', taskId('x')));
  });
});

describe('an end', () => {
  const ended = (status: number, oomKilled = false, error = ''): Parameters<typeof exitOfContainer>[0] => ({ kind: 'ended', status, oomKilled, error });
  it('for memory is known by the engine’s flag or its event', () => {
    expect(exitOfContainer(ended(137, true), NOTHING_SEEN)).toMatchObject({ signal: 'SIGKILL', oomKilled: true });
    expect(exitOfContainer(ended(137), { ...NOTHING_SEEN, oomEvents: 1 })).toMatchObject({ oomKilled: true });
    expect(exitOfContainer(ended(1), { ...NOTHING_SEEN, oomEvents: 2 })).toMatchObject({ code: 1, oomKilled: false, oomKills: 2 });
  });
  it('with the engine is not its own', () => {
    const away = { ...NOTHING_SEEN, engineWasAway: true };
    expect(exitOfContainer(ended(143), away).lost).toContain('engine was restarted');
    expect(exitOfContainer(ended(42), away)).toMatchObject({ code: 42, lost: null });
    expect(exitOfContainer(ended(137), { ...away, wasSignalled: true })).toMatchObject({ signal: 'SIGKILL', lost: null });
  });
  it('of one that could not begin says why', () => expect(exitOfContainer(ended(128, false, 'no such file'), NOTHING_SEEN).lost).toContain('no such file'));
});

it('reads events of Docker and of podman, and nothing else', () => {
  const of = (Action: string, more: object): string => JSON.stringify({ Action, Actor: { Attributes: { [TASK_LABEL]: 't', ...more } } });
  expect(readEvent(of('die', { exitCode: '3' }))).toEqual({ kind: 'died', taskId: 't', status: 3 });
  expect(readEvent(of('died', { containerExitCode: '4' }))).toEqual({ kind: 'died', taskId: 't', status: 4 });
  expect(readEvent(of('oom', {}))).toEqual({ kind: 'oom', taskId: 't', at: 0 });
  expect(readEvent('{"torn')).toBeNull();
  expect(readEvent('{"Action":"die"}')).toBeNull();
});

describe('a request', () => {
  const config = { user: '', env: {}, entrypoint: ['x'], cmd: ['y'], workingDirectory: '', stopSignal: '' };
  const image = { digest: 'sha256:1', imageId: 'sha256:2', config };
  const base = { taskId: taskId('t'), sandbox: '/sandbox', runDir: '/run', env: { A: 'b=c' }, user: null, limits: { cpusMilli: 500, memMib: 64 } };
  const request = (changes: Partial<LaunchSpec> = {}): Readonly<Record<string, unknown>> => {
    const container = { image, workingDirectory: null, volumes: [{ hostPath: '/data:1', containerPath: '/data', isReadOnly: true }] };
    const spec = { ...base, ...changes, command: { kind: 'argv' as const, argv: ['run', 'it'] } };
    return containerRequest({ spec, container, image, instance: 'i', hardCpu: true, maxPids: 900, user: null });
  };
  it('has the limits in the engine’s units, without swap', () => {
    expect(request()['HostConfig']).toMatchObject({
      CpuShares: 512,
      CpuPeriod: 100_000,
      CpuQuota: 50_000,
      Memory: 2 ** 26,
      MemorySwap: 2 ** 26,
      PidsLimit: 900,
    });
    expect(request({ limits: { ...base.limits, cpuLimitMilli: 'unlimited', memLimitMib: 'unlimited' } })['HostConfig']).not.toHaveProperty('CpuQuota');
  });
  it('runs exactly our words, with sandbox and volumes', () => {
    expect(request()).toMatchObject({ Image: 'sha256:2', Entrypoint: ['run', 'it'], Cmd: [], Env: ['A=b=c'], Healthcheck: { Test: ['NONE'] } });
    expect(request()['HostConfig']).toMatchObject({
      Mounts: [
        { Source: '/sandbox', Target: '/mnt/mesos/sandbox', ReadOnly: false },
        { Source: '/data:1', Target: '/data', ReadOnly: true },
      ],
    });
  });
  it('has the options of docker run', () => {
    const options = {
      ...NO_DOCKER_OPTIONS,
      capAdd: ['NET_ADMIN'],
      capDrop: ['CHOWN'],
      user: 'app',
      groups: [7],
      shmBytes: 64,
      isReadOnly: true,
      sysctls: { a: 'b' },
    };
    const limits = [{ name: 'core', soft: 0, hard: Number.MAX_SAFE_INTEGER }];
    const tmpfs = [{ path: '/t', sizeBytes: 9, mode: null, isReadOnly: false, isExecutable: true }];
    const container = { image, workingDirectory: null, volumes: [], options: { ...options, limits, tmpfs } };
    const spec = { ...base, command: { kind: 'argv' as const, argv: ['x'] } };
    const made = containerRequest({ spec, container, image, instance: 'i', hardCpu: true, maxPids: 900, user: null });
    expect(made).toMatchObject({ User: 'app' });
    expect(made['HostConfig']).toMatchObject({
      ...{ CapAdd: ['NET_ADMIN'], CapDrop: ['MKNOD', 'CHOWN'], GroupAdd: ['7'], ShmSize: 64, ReadonlyRootfs: true, Sysctls: { a: 'b' } },
      Ulimits: [{ Name: 'core', Soft: 0, Hard: -1 }],
      Tmpfs: { '/t': 'nosuid,nodev,rw,exec,mode=1777,size=9' },
    });
  });
  it('has the rights that were asked for', () => {
    expect(request()['HostConfig']).toMatchObject({ CapDrop: ['MKNOD'], SecurityOpt: [] });
    const security = { capabilities: ['CHOWN'], noNewPrivs: true, seccomp: 'unconfined' as const };
    expect(request({ security })['HostConfig']).toMatchObject({
      CapDrop: ['ALL'],
      CapAdd: ['CHOWN'],
      SecurityOpt: ['no-new-privileges', 'seccomp=unconfined'],
    });
    expect(request({ security: { isPrivileged: true } })['HostConfig']).toMatchObject({ Privileged: true });
  });
});

describe('images', () => {
  it('have the digest of the repository that was asked for', () => {
    const description = { Id: 'sha256:id', RepoDigests: ['other/x@sha256:1', 'nginx@sha256:2'], Config: { Cmd: ['go'], User: 'app' } };
    expect(readEngineImage(description, { registry: 'docker.io', repository: 'library/nginx' })).toMatchObject({
      digest: 'sha256:2',
      imageId: 'sha256:id',
      config: { cmd: ['go'], user: 'app' },
    });
    expect(readEngineImage({ Id: 'sha256:id' }, { registry: 'r:1', repository: 'a' }).digest).toBe('sha256:id');
  });
  it('are pulled with the login of their registry and no other', () => {
    const auths = { 'https://r.example:5000/v1': { auth: Buffer.from('me:a:b').toString('base64') }, other: { auth: 'eDp5' } };
    const login = loginFor({ registry: 'r.example:5000' }, auths);
    expect(JSON.parse(Buffer.from(login ?? '', 'base64url').toString())).toEqual({ username: 'me', password: 'a:b', serveraddress: 'r.example:5000' });
    expect(loginFor({ registry: 'third' }, auths)).toBeNull();
  });
  it.each(['a', 'ab', 'abc', '\u{ff}?>'])('are pulled with a login that the engine can read: password "%s"', (password) => {
    const auths = { r: { auth: Buffer.from(`me:${password}`).toString('base64') } };
    expect(loginFor({ registry: 'r' }, auths)).toMatch(/^(?:[\w-]{4})*(?:[\w-]{2}==|[\w-]{3}=)?$/);
  });
  it('tell how far they are, and are refused when they are too large', () => {
    const told: string[] = [];
    const progress = createPullProgress('x', 10 * 2 ** 20, (text) => told.push(text));
    const line = (id: string, current: number, total: number): string => JSON.stringify({ status: 'Downloading', id, progressDetail: { current, total } });
    progress.take(line('a', 2 ** 20, 4 * 2 ** 20));
    progress.take(line('a', 2 ** 20 + 1, 4 * 2 ** 20));
    expect(told).toEqual(['pulling x: 1 of 4 MiB']);
    expect(() => progress.take(line('b', 0, 7 * 2 ** 20))).toThrow('--image-max-mib');
    expect(() => progress.take('{"errorDetail":{"message":"manifest unknown"},"error":"manifest unknown"}')).toThrow('manifest unknown');
    expect(() => progress.take('{"torn')).not.toThrow();
  });
});

it('reads a file out of an archive, and no link', () => {
  const archive = Buffer.alloc(1024);
  archive.write('00000000005\0', 124);
  archive.write('0', 156);
  archive.write('hello', 512);
  expect(fileInTar(archive, '/etc/passwd')).toBe('hello');
  archive.write('2', 156);
  expect(() => fileInTar(archive, '/etc/passwd')).toThrow('no plain file');
});

it('reads the groups of a process, of both versions', () => {
  expect(parseGroups('4:cpu,cpuacct:/a\n0::/b\n')).toEqual([
    { controllers: ['cpu', 'cpuacct'], path: '/a' },
    { controllers: [], path: '/b' },
  ]);
});

it('reads statistics as the engine tells them; nothing of one that is over', () => {
  const answer = {
    cpu_stats: { cpu_usage: { total_usage: 2e9 } },
    memory_stats: { usage: 100, limit: 200, stats: { anon: 60, inactive_file: 30 } },
    pids_stats: { current: 3 },
  };
  expect(readEngineStatistics(answer)).toMatchObject({
    cpu: { totalSecs: 2 },
    memory: { rssBytes: 60, workingSetBytes: 70, limitBytes: 200 },
    processes: 3,
    throttling: null,
  });
  expect(readEngineStatistics({})).toBeNull();
});

it('knows sockets, and what an engine cannot give', () => {
  expect([socketOf('unix:///run/x.sock'), socketOf('/run/x.sock'), socketOf('tcp://1.2.3.4:2375')]).toEqual(['/run/x.sock', '/run/x.sock', null]);
  expect(abilitiesOfEngine({ PidsLimit: false, SecurityOptions: ['name=apparmor'] })).toMatchObject({
    'pids-limit': expect.stringContaining('processes'),
    'cpu-limit': null,
    seccomp: expect.stringContaining('seccomp'),
  });
});
