/** Both runtimes on real processes: what a task gets, how it ends, and that nothing is left of it. */
import { spawn } from 'node:child_process';
import fs, { existsSync, linkSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type RealTasks, realTasks, until } from '../test/real-tasks.js';
import { isAlive, readStat } from './proc.js';
import { probeRuntimes } from './probe-runtimes.js';

const aliveNow = (pid: number): boolean => {
  const stat = readStat(pid);
  return stat !== null && isAlive(stat);
};

describe.each(['process', 'cgroup'] as const)('the %s runtime', (kind) => {
  let world: RealTasks;
  let possible = true;

  beforeEach(async () => {
    const probed = await probeRuntimes();
    possible = kind === 'process' || probed.chosen === 'cgroup';
    world = realTasks(possible ? kind : 'process', possible && kind === 'cgroup' ? probed.cgroup : null);
  });

  afterEach(async () => {
    expect(await world.clear()).toEqual([]);
  });

  it('tells the exit code and keeps both outputs', async () => {
    const end = await world.run('echo out; echo err >&2; exit 7');
    expect(end).toMatchObject({ code: 7, signal: null, oomKilled: false, lost: null, stdout: 'out\n', stderr: 'err\n' });
  });

  it('passes every character of a command and of the environment through', async () => {
    const odd = `it's "$(id)" \`id\` $HOME \\ \\n\n\t* ? é 🚀 ${String.fromCharCode(0x81, 0x88)} end`;
    const env = { PATH: process.env['PATH'] ?? '', ODD: odd, 'with.dot': odd, PPID: 'mine', IFS: 'x', d: 'D', stat: 'S' };
    const spec = world.spec('', {
      command: { kind: 'argv', argv: ['node', '-e', 'console.log(JSON.stringify([process.argv.slice(1), process.env]))', '--', odd, ''] },
      env,
    });
    await world.start(spec);
    await world.ended(spec.taskId);
    const [argv, seen]: [string[], Record<string, string>] = JSON.parse(world.output(spec));
    expect(argv).toEqual([odd, '']);
    const markers = kind === 'process' ? { EKIDEN_TASK_ID: spec.taskId, EKIDEN_INSTANCE: world.instance } : {};
    expect(seen).toEqual({ ...env, ...markers });
  });

  it('gives a shell what only a shell understands', async () => {
    const end = await world.run(`x='a b'; for i in 1 2; do echo "$x $i $(echo in)"; done\necho 'second line' | tr a-z A-Z; pwd`);
    expect(end.stdout.split('\n').slice(0, 3)).toEqual(['a b 1 in', 'a b 2 in', 'SECOND LINE']);
  });

  it('runs a line of plain words without a shell of its own', async () => {
    const spec = world.spec('sleep 100');
    const pid = await world.start(spec);
    await until('the program to be the task', () => readFileSync(`/proc/${pid}/cmdline`, 'utf8') === 'sleep\0' + '100\0');
  });

  it('leaves SIGINT and SIGQUIT as a program expects them', async () => {
    const end = await world.run('grep SigIgn /proc/self/status');
    expect(Number.parseInt(end.stdout.split('\t')[1] ?? '', 16) & 0b110).toBe(0);
  });

  it('ends with 127 and a message when there is no such command', async () => {
    const plain = await world.run('no-such-command here');
    expect(plain).toMatchObject({ code: 127, signal: null });
    expect(plain.stderr).toContain('no-such-command');
    expect(await world.run('no-such-command; exit $?')).toMatchObject({ code: 127 });
  });

  it('refuses with a reason what cannot be launched', async () => {
    const reasonFor = async (changes: Parameters<RealTasks['spec']>[1]): Promise<string> => {
      const result = await world.runtime.launch(world.spec('true', changes));
      return result.kind === 'failed' ? result.reason : 'started';
    };
    expect(await reasonFor({ user: 'nobody-is-called-so' })).toContain('no user "nobody-is-called-so"');
    expect(await reasonFor({ env: { 'a=b': 'c' } })).toContain('"a=b"');
    expect(await reasonFor({ env: { A: 'x'.repeat(200_000) } })).toContain('131072 bytes');
    expect(await reasonFor({ command: { kind: 'argv', argv: [] } })).toContain('empty');
    const elsewhere = { ...world.spec('true'), sandbox: join(world.dir, 'missing') };
    expect(await world.runtime.launch(elsewhere)).toEqual({ kind: 'failed', reason: 'its sandbox cannot be entered' });
  });

  it('switches to another user, with that user’s groups, and gives it the log files', async () => {
    if (process.getuid?.() !== 0) return;
    const end = await world.run('id -un; id -Gn; echo again >>/dev/stdout', { user: 'nobody' });
    expect(end.stdout).toBe('nobody\nnogroup\nagain\n');
  });

  it('gives the sandbox to that user, and never what a link in it names', async () => {
    if (process.getuid?.() !== 0) return;
    expect((await world.run('stat -c %U .', { user: 'nobody' })).stdout).toBe('nobody\n');
    const target = join(world.dir, 'of-root');
    writeFileSync(target, '');
    const spec = world.spec('echo in', { user: 'nobody' });
    symlinkSync(target, join(spec.sandbox, 'stdout'));
    expect(await world.runtime.launch(spec)).toMatchObject({ kind: 'failed' });
    const other = world.spec('echo in', { user: 'nobody' });
    linkSync(target, join(other.sandbox, 'stderr'));
    expect(await world.runtime.launch(other)).toMatchObject({ kind: 'failed', reason: expect.stringContaining('plain file') });
    expect([statSync(target).uid, readFileSync(target, 'utf8')]).toEqual([0, '']);
  });

  it('starts and ends tasks when the machine has no watches left', async () => {
    const none = jest.spyOn(fs, 'watch').mockImplementation(() => {
      throw Object.assign(new Error('ENOSPC: System limit for number of file watchers reached'), { code: 'ENOSPC' });
    });
    try {
      expect(await world.run('exit 3')).toMatchObject({ code: 3 });
    } finally {
      none.mockRestore();
    }
  });

  it('lets one that it may not signal keep none of the others alive', async () => {
    const [foreign, own] = [world.spec('sleep 100'), world.spec('sleep 100')];
    const pid = await world.start(foreign);
    await world.start(own);
    const signal = process.kill.bind(process);
    const kill = jest.spyOn(process, 'kill').mockImplementation((to, how) => {
      if (Math.abs(to) === pid) throw Object.assign(new Error('kill EPERM'), { code: 'EPERM' });
      return signal(to, how);
    });
    try {
      world.runtime.terminate(foreign.taskId);
      world.runtime.kill(foreign.taskId);
      world.runtime.kill(own.taskId);
      expect(await world.ended(own.taskId)).toMatchObject({ signal: 'SIGKILL' });
    } finally {
      kill.mockRestore();
    }
  });

  it('terminates by SIGTERM, and says which signal it was', async () => {
    const spec = world.spec('sleep 100');
    await world.start(spec);
    world.runtime.terminate(spec.taskId);
    expect(await world.ended(spec.taskId)).toMatchObject({ code: null, signal: 'SIGTERM', oomKilled: false, lost: null, killedProcesses: 0 });
  });

  it('lets a task answer SIGTERM in its own way', async () => {
    const spec = world.spec(`trap 'echo bye; exit 3' TERM; echo ready; i=0; while [ $((i+=1)) -lt 1000 ]; do sleep 0.05; done`);
    await world.start(spec);
    await until('the trap to be set', () => world.output(spec) === 'ready\n');
    world.runtime.terminate(spec.taskId);
    expect(await world.ended(spec.taskId)).toMatchObject({ code: 3 });
    expect(world.output(spec)).toBe('ready\nbye\n');
  });

  it('kills what ignores SIGTERM, with its children and grandchildren', async () => {
    const spec = world.spec(`trap '' TERM; (sh -c 'sleep 100 & echo $! >grandchild; wait' &) ; echo ready; sleep 50; sleep 50`);
    const pid = await world.start(spec);
    const file = join(spec.sandbox, 'grandchild');
    await until('the grandchild', () => existsSync(file) && readFileSync(file, 'utf8').endsWith('\n'));
    world.runtime.terminate(spec.taskId);
    expect(aliveNow(pid)).toBe(true);
    world.runtime.kill(spec.taskId);
    expect(await world.ended(spec.taskId)).toMatchObject({ code: null, signal: 'SIGKILL', oomKilled: false });
    expect(aliveNow(Number(readFileSync(file, 'utf8')))).toBe(false);
  });

  it('reports the end only when what forked away into its own session is gone as well', async () => {
    const spec = world.spec(`setsid sh -c 'trap "" TERM HUP; echo $$ >away; exec sleep 100' & while [ ! -s away ]; do sleep 0.01; done; exit 4`);
    await world.start(spec);
    const end = await world.ended(spec.taskId);
    expect(end).toMatchObject({ code: 4 });
    expect(aliveNow(Number(readFileSync(join(spec.sandbox, 'away'), 'utf8')))).toBe(false);
  });

  it('ends what was put into the task’s groups from outside together with it', async () => {
    const spec = world.spec('sleep 100');
    await world.start(spec);
    const files = world.runtime.joinFiles?.(spec.taskId) ?? [];
    expect(files.length > 0).toBe(kind === 'cgroup' && possible);
    // A fork bomb leaves the machine most of its processes.
    const bounds = files.map((file) => join(file, '..', 'pids.max')).filter((file) => existsSync(file));
    for (const bound of bounds) expect(Number(readFileSync(bound, 'utf8'))).toBeLessThan(Number(readFileSync('/proc/sys/kernel/pid_max', 'utf8')) / 5);
    expect(bounds.length > 0 || !existsSync('/sys/fs/cgroup/pids') || files.length === 0).toBe(true);
    const guest = spawn('sleep', ['100'], { stdio: 'ignore' });
    for (const file of files) writeFileSync(file, String(guest.pid));
    const ended = new Promise((resolve) => guest.once('exit', (_code, signal) => resolve(signal)));
    world.runtime.kill(spec.taskId);
    await world.ended(spec.taskId);
    if (files.length === 0) guest.kill('SIGTERM');
    expect(await ended).toBe(files.length === 0 ? 'SIGTERM' : 'SIGKILL');
  });

  it('obeys a kill that comes before there is a process', async () => {
    const spec = world.spec('sleep 100');
    const launched = world.runtime.launch(spec);
    world.runtime.kill(spec.taskId);
    await launched;
    world.runtime.kill(spec.taskId);
    expect(await world.ended(spec.taskId)).toMatchObject({ signal: 'SIGKILL' });
  });

  it('starts a hundred at once, each once', async () => {
    const specs = Array.from({ length: 100 }, () => world.spec('echo once; sleep 100 & wait'));
    const pids = await Promise.all(specs.map((spec) => world.start(spec)));
    expect(new Set(pids).size).toBe(100);
    await until('all to have spoken', () => specs.every((spec) => world.output(spec) === 'once\n'));
    const ends = specs.map((spec) => world.ended(spec.taskId));
    for (const { taskId } of specs) world.runtime.kill(taskId);
    expect((await Promise.all(ends)).every((end) => end.signal === 'SIGKILL')).toBe(true);
  }, 60_000);

  it('kills what belongs to no known task, and nothing of another instance', async () => {
    const [mine, unknown] = [world.spec('sleep 100'), world.spec('sleep 100 & wait')];
    const pid = await world.start(mine);
    const stray = await world.start(unknown);
    const other = realTasks(kind, kind === 'cgroup' ? (await probeRuntimes()).cgroup : null);
    const foreign = await other.start(other.spec('sleep 100'));
    world.restart();
    await world.runtime.recover(mine.taskId, mine.runDir);
    await until('both strays to be in the group', () => readStat(stray) !== null);
    expect(await world.runtime.sweep(new Set([mine.taskId]))).toBeGreaterThanOrEqual(1);
    await until('the stray to be gone', () => !aliveNow(stray));
    expect([aliveNow(pid), aliveNow(foreign)]).toEqual([true, true]);
    expect(await other.clear()).toEqual([]);
  });
});
