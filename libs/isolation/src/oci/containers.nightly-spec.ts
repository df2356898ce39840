/** Containers on the real kernel: what they see, what they may do, how they end, and that nothing of them is left. */
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readDockerParameters } from '@ekiden/model';
import { busyboxImage } from '../../test/busybox-image.js';
import { type RealTasks, type SpecChanges, realTasks, until } from '../../test/real-tasks.js';
import { type ContainerMachine, type ContainerSpec, type ImageConfig, probeContainers } from '../index.js';
import { initListens } from './init-listens.js';
import { OCI_RUNTIMES } from './oci-runtime.js';
import { probeRuntimes } from '../probe-runtimes.js';
import { isAlive, readStat, signalProcess } from '../proc.js';

describe.each(OCI_RUNTIMES)('a container made by %s', (by) => {
  let world: RealTasks;
  let machine: ContainerMachine;
  let imageDir: string;

  beforeAll(async () => {
    imageDir = mkdtempSync(join(tmpdir(), 'ekiden-image-'));
    const probed = await probeContainers(imageDir, [by]);
    if (probed.kind === 'missing') throw new Error(probed.reasons.join('; '));
    ({ machine } = probed);
  });
  afterAll(() => rmSync(imageDir, { recursive: true, force: true }));

  beforeEach(async () => {
    const { cgroup, reasons } = await probeRuntimes();
    if (cgroup === null) throw new Error(`containers need control groups: ${reasons.join('; ')}`);
    world = realTasks('cgroup', cgroup, true, machine);
  });
  afterEach(async () => {
    expect(await world.clear()).toEqual([]);
    expect(readFileSync('/proc/self/mountinfo', 'utf8')).not.toContain(world.dir);
  });

  const inImage = (argv: readonly string[], config: Partial<ImageConfig> = {}, container: Partial<ContainerSpec> = {}): SpecChanges => ({
    command: { kind: 'argv', argv },
    env: { PATH: '/bin', GREETING: 'it is "me"\nhere' },
    container: { image: busyboxImage(imageDir, config), workingDirectory: null, volumes: [], ...container },
  });
  const shell = (line: string): readonly string[] => ['/bin/sh', '-c', line];

  it('runs the words in the image, with their output and status as of any task', async () => {
    const exit = await world.run('', inImage(shell('echo "$GREETING"; ls /; echo oops >&2; exit 7')));
    expect(exit).toMatchObject({ code: 7, signal: null, oomKilled: false, lost: null, stderr: 'oops\n' });
    expect(exit.stdout).toBe('it is "me"\nhere\nbin\ndev\netc\nmnt\nproc\nsys\ntmp\n');
  });

  it('is the user of the image, whose groups and home it has, and owns its sandbox', async () => {
    const exit = await world.run(
      '',
      inImage(shell('id; echo $HOME; pwd; echo x >/mnt/mesos/sandbox/mine && cat /mnt/mesos/sandbox/mine'), { user: 'app', workingDirectory: '/tmp' }),
    );
    expect(exit.stdout).toBe('uid=1234(app) gid=1235(app) groups=1235(app),1300(extra)\n/home/app\n/tmp\nx\n');
  });

  it('makes a working directory that the image lacks', async () => {
    const exit = await world.run('', inImage(shell('pwd'), { workingDirectory: '/srv/not/there' }));
    expect(exit.stdout).toBe('/srv/not/there\n');
  });

  it('shares nothing that it writes with the next container of the image', async () => {
    const first = await world.run('', inImage(shell('echo x >/etc/new && ls /etc')));
    const second = await world.run('', inImage(shell('ls /etc')));
    expect(first.stdout).toContain('new');
    expect(second.stdout).not.toContain('new');
  });

  it('has Docker’s capabilities and system call filter, no devices, and sees only its own processes', async () => {
    const exit = await world.run(
      '',
      inImage(
        shell(
          'grep -E "^(CapEff|CapBnd|Seccomp):" /proc/self/status; mknod /tmp/d b 254 0 || echo no device; mount -t tmpfs x /tmp || echo no mount; ps | grep -c -v PID',
        ),
      ),
    );
    expect(exit.stdout).toMatch(/CapEff:\s+00000000a00425fb\nCapBnd:\s+00000000a00425fb\nSeccomp:\s+2\n/);
    expect(exit.stdout).toContain('no device');
    expect(exit.stdout).toContain('no mount');
    expect(Number(exit.stdout.trim().split('\n').at(-1))).toBeLessThan(6);
  });

  it('has fewer of them where that is asked for', async () => {
    const bare = {
      ...inImage(shell('grep -E "^(CapEff|NoNewPrivs|Seccomp):" /proc/self/status')),
      security: { capabilities: [], noNewPrivs: true, seccomp: 'unconfined' as const },
    };
    expect((await world.run('', bare)).stdout).toMatch(/CapEff:\s+0+\nNoNewPrivs:\s+1\nSeccomp:\s+0\n/);
  });

  it('cannot write to the control groups, and sees its own alone', async () => {
    const look =
      'cd /sys/fs/cgroup; cat /proc/self/cgroup; for i in memory/memory.limit_in_bytes memory.max; do [ -e $i ] && cat $i && { echo max >$i || echo refused; }; done';
    const exit = await world.run('', inImage(shell(look)));
    expect(exit.stdout).not.toContain('ekiden');
    expect(exit.stdout).toContain(`${64 << 20}\nrefused`);
  });

  it('mounts volumes, read only where that is asked for', async () => {
    const volumes = [{ hostPath: imageDir, containerPath: '/data/in', isReadOnly: true }];
    const exit = await world.run('', inImage(shell('ls /data/in; touch /data/in/x || echo read only'), {}, { volumes }));
    expect(exit.stdout).toBe('rootfs\nread only\n');
  });

  it('is killed for memory with the reason', async () => {
    const exit = await world.run('', {
      ...inImage(shell('dd if=/dev/zero of=/dev/shm/x bs=1M count=60; x=$(cat /dev/zero | head -c 200000000)')),
      limits: { cpusMilli: 500, memMib: 32 },
    });
    expect(exit.oomKilled).toBe(true);
  });

  it('does what the options of docker run ask for', async () => {
    const options = readDockerParameters(
      [
        ['cap-drop', 'ALL'],
        ['cap-add', 'KILL'],
        ['hostname', 'web-1'],
        ['add-host', 'db:10.0.0.7'],
        ['dns', '10.0.0.2'],
        ['ulimit', 'nofile=100:200'],
        ['user', 'app'],
        ['group-add', '77'],
        ['shm-size', '1m'],
        ['read-only', 'true'],
        ['tmpfs', '/scratch:size=1m,mode=1777'],
      ].map(([key = '', value = '']) => ({ key, value })),
    ).options;
    const look = [
      'hostname; cat /etc/hostname; id; ulimit -n; ulimit -Hn; grep CapBnd /proc/self/status',
      'grep "^10.0.0.7" /etc/hosts; cat /etc/resolv.conf; touch /tmp/x || echo read only; touch /scratch/x && echo scratch; mount | grep -E "/dev/shm|/scratch"',
    ];
    const exit = await world.run('', inImage(shell(look.join('; ')), {}, { options }));
    expect(exit.stdout).toContain('web-1\nweb-1\nuid=1234(app) gid=1235(app) groups=77,1235(app),1300(extra)\n100\n200\nCapBnd:\t0000000000000020\n');
    expect(exit.stdout).toMatch(/10\.0\.0\.7\tdb\nnameserver 10\.0\.0\.2\n/);
    expect(exit.stdout).toContain('read only\nscratch\n');
    expect(exit.stdout).toMatch(/\/dev\/shm .*size=1024k/);
  });

  it('says what the container runtime said when it cannot start', async () => {
    const exit = await world.run('', inImage(shell('true'), {}, { volumes: [{ hostPath: '/not/there', containerPath: '/x', isReadOnly: true }] }));
    expect(exit.lost).toContain('its container could not be started');
    expect(exit.lost).toContain('/not/there');
  });

  it('ends with the status of a missing program', async () => {
    const exit = await world.run('', inImage(['/bin/nothing']));
    expect(exit).toMatchObject({ code: 127 });
    expect(exit.stderr).toContain('/bin/nothing');
  });

  it('refuses a user that the image does not have', async () => {
    const spec = world.spec('', inImage(shell('true'), { user: 'nobody-here' }));
    expect(await world.runtime.launch(spec)).toEqual({ kind: 'failed', reason: expect.stringContaining('no user "nobody-here"') });
  });

  it('gets SIGTERM through its init, and may end in its own way', async () => {
    const spec = world.spec('', inImage(shell('trap "echo bye; exit 3" TERM; touch /mnt/mesos/sandbox/up; while :; do sleep 0.05; done')));
    await world.start(spec);
    await until('the trap to be set', () => existsSync(join(spec.sandbox, 'up')));
    world.runtime.terminate(spec.taskId);
    expect(await world.ended(spec.taskId)).toMatchObject({ code: 3, signal: null });
    expect(world.output(spec)).toBe('bye\n');
  });

  it('gets the signal that its image asks for, also from the next agent', async () => {
    const spec = world.spec(
      '',
      inImage(shell('trap "echo quit; exit 4" QUIT; touch /mnt/mesos/sandbox/up; while :; do sleep 0.05; done'), { stopSignal: 'SIGQUIT' }),
    );
    await world.start(spec);
    await until('the trap to be set', () => existsSync(join(spec.sandbox, 'up')));
    const next = world.restart();
    await next.recover(spec.taskId, spec.runDir);
    next.terminate(spec.taskId);
    expect(await world.ended(spec.taskId)).toMatchObject({ code: 4 });
  });

  it('lets another process in, as its user, in its environment and no more powerful', async () => {
    const spec = world.spec('', inImage(['/bin/sleep', '1000'], { user: 'app' }));
    const pid = await world.start(spec);
    await until('its init to be there', () => initListens(spec.runDir, pid));
    const line = 'id -u; echo $HOME; grep -E "^(CapEff|Seccomp):" /proc/self/status; ps; exit 3';
    const entered = await world.runtime.exec?.({ ...spec, argv: ['/bin/sh', '-c', line], io: 'pipes' });
    let said = '';
    entered?.output?.on('data', (chunk: Buffer) => (said += chunk.toString()));
    await new Promise((resolve) => entered?.output?.on('close', resolve));
    expect(await entered?.ended).toMatchObject({ code: 3 });
    expect(said).toMatch(/^1234\n\/home\/app\nCapEff:\s+0+\nSeccomp:\s+2\n/);
    expect(said).toContain('/bin/sleep 1000');
  });

  it('gives an operator a terminal with its size, its user, Ctrl-C, an exit status, and nothing left behind', async () => {
    const spec = world.spec('', inImage(['/bin/sleep', '1000'], { user: 'app' }));
    const pid = await world.start(spec);
    await until('its init to be there', () => initListens(spec.runDir, pid));
    const line = `stty size; id -u; echo $TERM; sleep 1001 & trap 'echo interrupted; exit 9' INT; echo ready; while :; do sleep 0.05; done`;
    const guest = await world.runtime.exec?.({ ...spec, argv: ['/bin/sh', '-c', line], io: { type: 'xterm', columns: 100, rows: 30 } });
    let screen = '';
    guest?.output?.on('data', (chunk: Buffer) => (screen += chunk.toString()));
    await until('it to be ready', () => screen.includes('ready\r\n'));
    expect(screen).toContain('30 100\r\n1234\r\nxterm\r\n');
    guest?.input?.write('\u0003');
    expect(await guest?.ended).toMatchObject({ code: 9 });
    expect(screen).toContain('interrupted');
    const left = await world.runtime.exec?.({ ...spec, argv: ['/bin/ps'], io: 'pipes' });
    let processes = '';
    left?.output?.on('data', (chunk: Buffer) => (processes += chunk.toString()));
    await new Promise((resolve) => left?.output?.on('close', resolve));
    expect(processes).toContain('sleep 1000');
    expect(processes).not.toContain('sleep 1001');
  });

  it('follows the size of the operator’s window, if its runtime does', async () => {
    if (by === 'crun') return; // Docs: run-a-command-in-a-task.md.
    const spec = world.spec('', inImage(['/bin/sleep', '1000']));
    const pid = await world.start(spec);
    await until('its init to be there', () => initListens(spec.runDir, pid));
    const line = 'echo ready; while :; do stty size; sleep 0.05; done';
    const guest = await world.runtime.exec?.({ ...spec, argv: ['/bin/sh', '-c', line], io: { type: 'xterm', columns: 100, rows: 30 } });
    let screen = '';
    guest?.output?.on('data', (chunk: Buffer) => (screen += chunk.toString()));
    await until('it to be ready', () => screen.includes('30 100\r\n'));
    guest?.resize({ columns: 120, rows: 50 });
    await until('the new size', () => screen.includes('50 120\r\n'));
    guest?.kill();
  });

  it('dies of SIGTERM when it does not handle it, and of SIGKILL whatever it does', async () => {
    const meek = world.spec('', inImage(['/bin/sleep', '1000']));
    const stubborn = world.spec('', inImage(shell('trap "" TERM; (trap "" TERM; sleep 1000) & touch /mnt/mesos/sandbox/up; while :; do sleep 0.05; done')));
    await world.start(meek);
    await world.start(stubborn);
    await until('init to be there', () => existsSync(join(stubborn.sandbox, 'up')));
    world.runtime.terminate(meek.taskId);
    expect(await world.ended(meek.taskId)).toMatchObject({ signal: 'SIGTERM' });
    world.runtime.terminate(stubborn.taskId);
    world.runtime.kill(stubborn.taskId);
    expect(await world.ended(stubborn.taskId)).toMatchObject({ signal: 'SIGKILL' });
  });

  it('gets another size while it runs, sees it, and never less than it holds; also from the next agent', async () => {
    const held = '/dev/shm/held';
    const line = `dd if=/dev/zero of=${held} bs=1M count=40; touch /mnt/mesos/sandbox/held; while :; do sleep 0.05; done`;
    const spec = world.spec('', { ...inImage(shell(line)), limits: { cpusMilli: 500, memMib: 96 } });
    const pid = await world.start(spec);
    await until('the memory to be held', () => existsSync(join(spec.sandbox, 'held')));
    const limits = async (): Promise<string[]> => {
      const look = 'cd /sys/fs/cgroup; cat memory/memory.limit_in_bytes memory.max cpu/cpu.cfs_quota_us cpu.max 2>/dev/null';
      const guest = await world.runtime.exec?.({ ...spec, argv: shell(look), io: 'pipes' });
      let said = '';
      guest?.output?.on('data', (chunk: Buffer) => (said += chunk.toString()));
      await new Promise((resolve) => guest?.output?.on('close', resolve));
      return said.split(/\s/).slice(0, 2);
    };
    expect(await limits()).toEqual([String(96 << 20), '50000']);
    expect(world.runtime.resize?.(spec.taskId, { cpusMilli: 1500, memMib: 160 })).toEqual({ kind: 'resized' });
    expect(await limits()).toEqual([String(160 << 20), '150000']);
    const reason = expect.stringMatching(/holds \d+ MiB of memory, more than the 24 MiB/);
    expect(world.runtime.resize?.(spec.taskId, { cpusMilli: 1500, memMib: 24 })).toEqual({ kind: 'refused', reason });
    expect(await limits()).toEqual([String(160 << 20), '150000']);
    expect(await world.restart().recover(spec.taskId, spec.runDir)).toEqual({ kind: 'running', pid });
    expect(world.runtime.resize?.(spec.taskId, { cpusMilli: 250, memMib: 64 })).toEqual({ kind: 'resized' });
    expect(await limits()).toEqual([String(64 << 20), '25000']);
    world.runtime.kill(spec.taskId);
    expect(await world.ended(spec.taskId)).toMatchObject({ signal: 'SIGKILL', oomKilled: false });
  });

  it('is found again by the next agent, also when its container runtime was killed', async () => {
    const spec = world.spec('', inImage(shell('while [ ! -e /mnt/mesos/sandbox/go ]; do sleep 0.05; done; exit 9')));
    const pid = await world.start(spec);
    expect(await world.restart().recover(spec.taskId, spec.runDir)).toEqual({ kind: 'running', pid });
    const main = readStat(pid);
    expect(main).not.toBeNull();
    signalProcess(pid, 'SIGKILL');
    expect(await world.ended(spec.taskId)).toMatchObject({ signal: 'SIGKILL' });
    expect(main !== null && isAlive(main)).toBe(false);
  });

  it('runs with little memory and few processes, of which its runtime takes some', async () => {
    const exit = await world.run('', {
      ...inImage(shell('for i in 1 2 3 4 5; do sleep 0.01 & done; wait; echo done')),
      limits: { cpusMilli: 500, memMib: 16, pids: 32 },
    });
    expect(exit).toMatchObject({ code: 0, stdout: 'done\n', oomKills: 0 });
  });

  it('leaves an empty machine when a sweep finds it unknown', async () => {
    const spec = world.spec('', inImage(['/bin/sleep', '1000']));
    const pid = await world.start(spec);
    const next = world.restart();
    expect(await next.sweep(new Set())).toBeGreaterThan(0);
    await until('the container to be gone', () => readStat(pid) === null || readStat(pid)?.state === 'Z');
    expect(readdirSync(spec.runDir)).toContain('bundle');
  });
});
