/** Containers of a real Docker daemon, and of podman's service: what they get, how they end, what an agent's or the engine's death does to them, and that nothing is left. */
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TaskId, taskId } from '@ekiden/model';
import { type EngineProgram, type OwnEngine, TEST_IMAGE, openOwnEngine, testImageOf } from '../../test/own-engine.js';
import { silentLog, until } from '../../test/real-tasks.js';
import {
  type EngineImage,
  type EngineRuntime,
  type ImageConfig,
  type LaunchSpec,
  type TaskExit,
  type TaskProcess,
  createEngineRuntime,
  engineClient,
  openEngineImages,
  probeEngine,
} from '../index.js';
import { rotateLogs } from '../log-rotation.js';
import { readLog } from '../log-reading.js';

describe.each<EngineProgram>(['docker', 'podman'])('of %s', (program) => {
  /** What podman's service does otherwise is said where it shows. */
  const isDocker = program === 'docker';
  let engine: OwnEngine;
  let image: EngineImage;
  let dir: string;
  let runtime: EngineRuntime;
  let specs: LaunchSpec[];
  let worlds = 0;

  const instanceName = (): string => `test-${program}-${process.pid}-${worlds}`;

  async function open(): Promise<EngineRuntime> {
    const probed = await probeEngine([engine.socket]);
    return createEngineRuntime({ engine: () => (probed.kind === 'ready' ? probed : null), instance: instanceName(), log: silentLog });
  }

  beforeAll(async () => {
    engine = await openOwnEngine({ program });
    image = await testImageOf(engine);
  });
  afterAll(async () => expect(await engine.end()).toEqual([]));

  beforeEach(async () => {
    worlds += 1;
    dir = mkdtempSync(join(tmpdir(), 'ekiden-engine-tasks-'));
    specs = [];
    runtime = await open();
  });
  afterEach(async () => {
    await runtime.sweep(new Set());
    for (const { taskId: id } of specs) runtime.kill(id);
    for (const { taskId: id, runDir } of specs) {
      if (runtime.has(id)) await ended(id);
      await runtime.forget(id, runDir);
    }
    expect(await runtime.sweep(new Set())).toBe(0);
    expect(await engine.docker('ps', '-aq')).toBe('');
    runtime.close();
    rmSync(dir, { recursive: true, force: true });
  });

  type Changes = Partial<LaunchSpec> & { readonly config?: Partial<ImageConfig>; readonly isReadOnly?: boolean };

  function aSpec(line: string, { config = {}, ...changes }: Changes = {}): LaunchSpec {
    const id = taskId(`${instanceName()}.${specs.length}`);
    const [sandbox, runDir] = [join(dir, `sandbox-${specs.length}`), join(dir, `run-${specs.length}`)];
    mkdirSync(sandbox);
    mkdirSync(runDir, { mode: 0o700 });
    const spec: LaunchSpec = {
      taskId: id,
      sandbox,
      runDir,
      command: { kind: 'argv', argv: ['/bin/sh', '-c', line] },
      env: { PATH: '/bin', GREETING: 'it is "me"\nhere' },
      user: null,
      limits: { cpusMilli: 500, memMib: 64 },
      container: { image: { ...image, config: { ...image.config, ...config } }, workingDirectory: null, volumes: [] },
      ...changes,
    };
    specs.push(spec);
    return spec;
  }

  const ended = (id: TaskId): Promise<TaskExit> => new Promise((resolve) => runtime.onExit(id, resolve));
  const stdout = (spec: LaunchSpec): string => readFileSync(join(spec.sandbox, 'stdout'), 'utf8');

  async function start(spec: LaunchSpec): Promise<number> {
    const result = await runtime.launch(spec);
    if (result.kind === 'failed') throw new Error(`the launch failed: ${result.reason}`);
    return result.pid;
  }

  async function run(line: string, changes?: Changes): Promise<TaskExit & { readonly stdout: string; readonly stderr: string }> {
    const spec = aSpec(line, changes);
    await start(spec);
    const exit = await ended(spec.taskId);
    return { ...exit, stdout: stdout(spec), stderr: readFileSync(join(spec.sandbox, 'stderr'), 'utf8') };
  }

  it('runs the words in the image, with their output and status as of any task', async () => {
    const exit = await run('echo "$GREETING"; pwd; ls -d /bin /mnt/mesos/sandbox; echo oops >&2; exit 7');
    expect(exit).toMatchObject({ code: 7, signal: null, oomKilled: false, lost: null, stderr: 'oops\n' });
    expect(exit.stdout).toBe('it is "me"\nhere\n/\n/bin\n/mnt/mesos/sandbox\n');
  });

  it('has the limits, rights and filter that were asked for', async () => {
    const line =
      'cat /sys/fs/cgroup/memory/memory.limit_in_bytes /sys/fs/cgroup/cpu/cpu.cfs_quota_us /sys/fs/cgroup/pids/pids.max; grep -E "^(CapEff|NoNewPrivs|Seccomp):" /proc/self/status';
    const exit = await run(line, { limits: { cpusMilli: 500, memMib: 64, pids: 50 }, security: { capabilities: ['NET_BIND_SERVICE'], noNewPrivs: true } });
    expect(exit.stdout).toMatch(/^67108864\n50000\n50\nCapEff:\s+0000000000000400\nNoNewPrivs:\s+1\nSeccomp:\s+2\n$/);
  });

  it('is killed for memory with the reason', async () => {
    const exit = await run('x=$(cat /dev/zero | head -c 200000000)', {
      limits: { cpusMilli: 500, memMib: 32 },
      command: { kind: 'argv', argv: ['/bin/dd', 'if=/dev/zero', 'of=/dev/null', 'bs=200M', 'count=1'] },
    });
    // podman does not say so on control groups of version 1.
    expect(exit).toMatchObject({ oomKilled: isDocker, signal: 'SIGKILL' });
  });

  it('says why it cannot be started, and leaves nothing', async () => {
    const spec = aSpec('true');
    const broken = {
      ...spec,
      container: { image, workingDirectory: null, volumes: [{ hostPath: join(dir, 'not-there'), containerPath: '/x', isReadOnly: true }] },
    };
    // podman makes a directory that is not there; the agent has looked before (openVolumes).
    if (!isDocker) return expect(await runtime.launch(broken)).toMatchObject({ kind: 'started' });
    expect(await runtime.launch(broken)).toEqual({ kind: 'failed', reason: expect.stringContaining('not-there') });
    expect(await engine.docker('ps', '-aq')).toBe('');
  });

  it('gets its stop signal, may end in its own way, and dies of SIGKILL whatever it does', async () => {
    const polite = aSpec('trap "echo quit; exit 4" QUIT; touch /mnt/mesos/sandbox/up; while :; do sleep 0.05; done', { config: { stopSignal: 'SIGQUIT' } });
    const stubborn = aSpec('trap "" TERM; touch /mnt/mesos/sandbox/up; while :; do sleep 0.05; done');
    await Promise.all([start(polite), start(stubborn)]);
    await until('both to run', () => [polite, stubborn].every(({ sandbox }) => existsSync(join(sandbox, 'up'))));
    for (const { taskId: id } of [polite, stubborn]) runtime.terminate(id);
    expect(await ended(polite.taskId)).toMatchObject({ code: 4 });
    expect(stdout(polite)).toBe('quit\n');
    runtime.kill(stubborn.taskId);
    expect(await ended(stubborn.taskId)).toMatchObject({ signal: 'SIGKILL', lost: null });
  });

  it('is the image’s user, who owns the sandbox', async () => {
    await engine.docker('build', '-t', 'as-app', '-f', dockerfile('USER app'), dir);
    const images = openEngineImages({ client: engineClient(engine.socket), authFile: null, stallMs: 10_000, maxImageBytes: 2 ** 30 });
    const asApp = await images.ensure({ reference: 'as-app', forcePull: false, sandbox: dir, stop: new AbortController().signal, progress: () => undefined });
    const spec = aSpec('id -u; echo x >/mnt/mesos/sandbox/mine', { container: { image: asApp, workingDirectory: null, volumes: [] } });
    await start(spec);
    expect(await ended(spec.taskId)).toMatchObject({ code: 0 });
    expect(stdout(spec)).toBe('1234\n');
    expect(statSync(spec.sandbox)).toMatchObject({ uid: 1234, gid: 1235 });
  });

  function dockerfile(line: string): string {
    writeFileSync(join(dir, 'Dockerfile'), `FROM ${TEST_IMAGE}\n${line}\n`);
    return join(dir, 'Dockerfile');
  }

  it('is found again by the next agent, running or ended meanwhile, with every line of its output once', async () => {
    const running = aSpec('n=0; while [ ! -e /mnt/mesos/sandbox/go ]; do n=$((n+1)); echo line $n; echo err $n >&2; sleep 0.01; done; exit 9');
    const brief = aSpec('while [ ! -e /mnt/mesos/sandbox/go ]; do sleep 0.01; done; echo bye; exit 42');
    const pids = [await start(running), await start(brief)];
    await until('output to come', () => stdout(running).includes('line 30\n'));
    const before = runtime;
    before.close();
    writeFileSync(join(brief.sandbox, 'go'), '');
    await until('the second to end', () => !existsSync(`/proc/${pids[1]}`));
    await rotateLogs(running.sandbox, { maxBytes: 100, keep: 4 });
    runtime = await open();
    expect(await runtime.recover(running.taskId, running.runDir)).toEqual({ kind: 'running', pid: pids[0] });
    expect(await runtime.recover(brief.taskId, brief.runDir)).toMatchObject({ kind: 'exited', exit: { code: 42 } });
    expect(stdout(brief)).toBe('bye\n');
    writeFileSync(join(running.sandbox, 'go'), '');
    expect(await ended(running.taskId)).toMatchObject({ code: 9 });
    for (const name of ['stdout', 'stderr'] as const) {
      const whole = (await readLog(running.sandbox, name, 0, 10_000_000)).data.toString();
      const numbers = whole
        .trim()
        .split('\n')
        .map((line) => Number(line.split(' ')[1]));
      expect(numbers).toEqual(numbers.map((_, index) => index + 1));
    }
  });

  // Containers of podman have no daemon that they could end with.
  (isDocker ? it : it.skip)('has ended with its engine when that is killed, and says so; one that had ended by itself keeps its status', async () => {
    const endless = aSpec('echo up; sleep 1000');
    const pid = await start(endless);
    await until('output to come', () => stdout(endless) === 'up\n');
    await engine.kill();
    expect(await Promise.race([ended(endless.taskId), Promise.resolve('nothing is told')])).toBe('nothing is told');
    await engine.start();
    expect(await ended(endless.taskId)).toMatchObject({ signal: null, code: null, lost: expect.stringContaining('engine was restarted') });
    expect(existsSync(`/proc/${pid}`)).toBe(false);
  });

  it('lives on where the engine lets it (live-restore, podman always), and is killed as soon as the engine is back when that was asked for meanwhile', async () => {
    const livesOn = isDocker ? ['--live-restore'] : [];
    await engine.kill();
    await engine.start(...livesOn);
    try {
      const spec = aSpec('trap "" TERM; n=0; while :; do n=$((n+1)); echo $n; sleep 0.02; done');
      const pid = await start(spec);
      await until('output to come', () => stdout(spec).includes('10\n'));
      await engine.kill();
      runtime.kill(spec.taskId);
      expect(existsSync(`/proc/${pid}`)).toBe(true);
      await engine.start(...livesOn);
      expect(await ended(spec.taskId)).toMatchObject({ signal: 'SIGKILL', lost: null });
    } finally {
      await engine.kill();
      await engine.start();
    }
  });

  it('is removed by a sweep when nobody knows it', async () => {
    const spec = aSpec('sleep 1000');
    await start(spec);
    runtime.close();
    runtime = await open();
    expect(await runtime.sweep(new Set([spec.taskId]))).toBe(0);
    expect(await runtime.sweep(new Set())).toBe(1);
    expect(await runtime.recover(spec.taskId, spec.runDir)).toMatchObject({ kind: 'exited', exit: { lost: expect.stringContaining('removed') } });
  });

  async function said(guest: TaskProcess): Promise<string> {
    let text = '';
    guest.output?.on('data', (chunk: Buffer) => (text += chunk.toString()));
    await Promise.all([guest.ended, new Promise((resolve) => guest.output?.on('close', resolve))]);
    return text;
  }

  it('lets commands in: pipes, a terminal with its size, and ends whatever they have started', async () => {
    const spec = aSpec('sleep 1000');
    await start(spec);
    const piped = await runtime.exec({ ...spec, argv: ['/bin/sh', '-c', 'read x; echo "got $x"; exit 3'], io: 'pipes' });
    piped.input?.end('word\n');
    expect(await said(piped)).toBe('got word\n');
    expect(await piped.ended).toEqual({ code: 3, signal: null });
    const screen = await runtime.exec({
      ...spec,
      argv: ['/bin/sh', '-c', 'read x; stty size 2>/dev/null || echo; echo $TERM; sleep 1001 & exit 5'],
      io: { type: 'xterm', columns: 100, rows: 30 },
    });
    screen.resize({ columns: 90, rows: 20 });
    screen.input?.write('\n');
    expect(await said(screen)).toContain('xterm');
    expect(await screen.ended).toEqual({ code: 5, signal: null });
    const endless = await runtime.exec({ ...spec, argv: ['/bin/sh', '-c', 'sleep 1002 & sleep 1003'], io: 'none' });
    endless.kill();
    await endless.ended;
    const left = await said(await runtime.exec({ ...spec, argv: ['/bin/ps'], io: 'pipes' }));
    expect(left).toContain('sleep 1000');
    expect(left).not.toMatch(/sleep 100[123]/);
  });

  it('gets other limits while it runs, and not less memory than it holds', async () => {
    const spec = aSpec('dd if=/dev/zero of=/dev/shm/held bs=1M count=20 2>/dev/null; touch /mnt/mesos/sandbox/up; sleep 1000', {
      limits: { cpusMilli: 500, memMib: 64 },
    });
    const pid = await start(spec);
    await until('it to hold memory', () => existsSync(join(spec.sandbox, 'up')));
    const limits = async (): Promise<string> =>
      await said(
        await runtime.exec({
          ...spec,
          argv: [
            '/bin/sh',
            '-c',
            'cat /sys/fs/cgroup/memory/memory.limit_in_bytes /sys/fs/cgroup/memory/memory.memsw.limit_in_bytes /sys/fs/cgroup/cpu/cpu.cfs_quota_us /sys/fs/cgroup/cpu/cpu.shares',
          ],
          io: 'pipes',
        }),
      );
    const bytes = (mib: number): number => mib * 1024 * 1024;
    for (const [cpusMilli, memMib] of [
      [1_500, 128],
      [250, 32],
    ] as const) {
      expect(await runtime.resize?.(spec.taskId, { cpusMilli, memMib })).toEqual({ kind: 'resized' });
      expect(await limits()).toBe(`${bytes(memMib)}\n${bytes(memMib)}\n${cpusMilli * 100}\n${(cpusMilli * 1024) / 1000}\n`);
    }
    expect(await runtime.resize?.(spec.taskId, { cpusMilli: 250, memMib: 16 })).toEqual({
      kind: 'refused',
      reason: expect.stringMatching(/^it holds 2\d MiB of memory/),
    });
    expect(await limits()).toContain(`${bytes(32)}\n`);
    expect(existsSync(`/proc/${pid}`)).toBe(true);
  });

  it('tells what it uses', async () => {
    const spec = aSpec('while :; do :; done');
    await start(spec);
    await until('cpu time to be counted', () => (runtime.stats([spec.taskId]).get(spec.taskId)?.cpu.totalSecs ?? 0) > 0.05);
    expect(runtime.stats([spec.taskId]).get(spec.taskId)).toMatchObject({ memory: { limitBytes: 64 * 1024 * 1024 }, processes: 2 });
  });
});
