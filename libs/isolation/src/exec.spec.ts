/** Commands inside running tasks, on a real kernel: with control groups where this machine has them, and without. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type RealTasks, type SpecChanges, realTasks, until } from '../test/real-tasks.js';
import { findLaunchTools } from './launch-tools.js';
import { planEntry, refuseArgv } from './plan-entry.js';
import { probeRuntimes } from './probe-runtimes.js';
import { readStat } from './proc.js';
import type { ExecSpec, LaunchSpec, TaskProcess } from './runtime.js';

const isRoot = process.geteuid?.() === 0;
const TERMINAL = { type: 'xterm', columns: 100, rows: 30 };

const isGone = (pid: number): boolean => 'ZX'.includes(readStat(pid)?.state ?? 'X');
const pidIn = (file: string): number => (existsSync(file) ? Number(readFileSync(file, 'utf8')) : 0);

/** Collects what it prints, from the first byte. */
class Watched {
  out = '';
  errors = '';
  constructor(readonly process: TaskProcess) {
    process.output?.on('data', (chunk: Buffer) => (this.out += chunk.toString()));
    process.errors?.on('data', (chunk: Buffer) => (this.errors += chunk.toString()));
  }

  async end() {
    const streams = [this.process.output, this.process.errors].filter((stream) => stream !== null && !stream.closed);
    const closed = streams.map((stream) => new Promise<void>((resolve) => stream?.on('close', () => resolve())));
    const end = await this.process.ended;
    await Promise.all(closed);
    return { ...end, out: this.out, errors: this.errors };
  }
}

describe.each(['cgroup', 'process'] as const)('a command in a task of the %s runtime', (kind) => {
  let world: RealTasks;
  let possible = true;

  beforeEach(async () => {
    const { cgroup } = await probeRuntimes();
    possible = kind === 'process' || cgroup !== null;
    world = realTasks(possible ? kind : 'process', kind === 'cgroup' ? cgroup : null);
  });
  afterEach(async () => {
    expect(await world.clear()).toEqual([]);
  });

  const start = async (line = 'sleep 1000', changes: SpecChanges = {}): Promise<LaunchSpec> => {
    const spec = world.spec(line, changes);
    await world.start(spec);
    return spec;
  };
  const exec = async (task: LaunchSpec, line: string, io: ExecSpec['io'] = 'pipes', more: Partial<ExecSpec> = {}): Promise<Watched> => {
    const process = await world.runtime.exec?.({ ...task, argv: ['/bin/sh', '-c', line], io, ...more });
    if (process === undefined) throw new Error('this runtime runs no commands in tasks');
    return new Watched(process);
  };

  it('has its environment, its directory and its groups, its own streams, and tells its exit status', async () => {
    const task = await start('sleep 1000', { env: { PATH: '/usr/bin:/bin', WORD: "it's", MESOS_TASK_ID: 'x', 'odd.name': 'y' } });
    const line = `pwd; echo "$WORD"; tr '\\0' '\\n' </proc/$$/environ; echo bad >&2; exit 7`;
    const { code, out, errors } = await (await exec(task, line)).end();
    const [cwd, word, ...environ] = out.trim().split('\n');
    expect([code, cwd, word, errors]).toEqual([7, task.sandbox, "it's", 'bad\n']);
    const markers = possible && kind === 'cgroup' ? [] : ['EKIDEN_ENTRY', 'EKIDEN_INSTANCE', 'EKIDEN_TASK_ID'];
    const names = environ.map((entry) => entry.split('=')[0] ?? '');
    expect(new Set(names)).toEqual(new Set([...markers, 'MESOS_TASK_ID', 'PATH', 'WORD', 'odd.name']));
    const groups = await (await exec(task, 'cat /proc/self/cgroup')).end();
    const joined = world.runtime.joinFiles?.(task.taskId) ?? [];
    expect(joined.length === 0 || groups.out.includes(`/t.${task.taskId}/x.`)).toBe(true);
  });

  it('reads what is written to it until its end, and dies of signals as itself', async () => {
    const task = await start();
    const cat = await exec(task, 'exec cat');
    cat.process.input?.write('one\n');
    cat.process.input?.end('two');
    expect(await cat.end()).toMatchObject({ code: 0, out: 'one\ntwo' });
    expect(await (await exec(task, 'kill -9 $$')).end()).toMatchObject({ code: null, signal: 'SIGKILL' });
    expect(await (await exec(task, 'read -r line || echo none', 'none')).end()).toMatchObject({ code: 0, out: '' });
  });

  it('has a real terminal: its size, a new size, Ctrl-C, echo and an exit status', async () => {
    const task = await start();
    const shell = await exec(
      task,
      `trap 'echo resized; stty size' WINCH; trap 'echo interrupted' INT; stty size; echo ready; while :; do read -r a && echo "got $a"; [ "$a" = end ] && exit 9; done`,
      TERMINAL,
    );
    await until('it to be ready', () => shell.out.includes('ready\r\n'));
    expect(shell.out).toMatch(/^30 100\r\n/);
    shell.process.resize({ columns: 70, rows: 20 });
    await until('the new size', () => /20 \d+\r\n/.test(shell.out) || /\d+ 70\r\n/.test(shell.out));
    shell.process.input?.write('\u0003');
    await until('the interrupt', () => shell.out.includes('interrupted\r\n'));
    shell.process.input?.write('word\n');
    // Rows and columns change one after the other: what the second change prints may come in between.
    await until('the echo and the answer', () => /[^ ]word\r\n[^]*got word\r\n/.test(shell.out));
    shell.process.input?.write('end\n');
    expect(await shell.end()).toMatchObject({ code: 9 });
    const tty = await (await exec(task, 'tty; stty size <"$(tty)"; echo $TERM; kill -9 $$', TERMINAL)).end();
    expect(tty).toMatchObject({ code: 137, out: expect.stringMatching(/^\/dev\/pts\/\d+\r\n30 100\r\nxterm\r\n$/) });
  });

  it('leaves nothing behind: not in the background, not in another session, not when it is killed', async () => {
    const task = await start();
    const background = `sleep 1000 & setsid sh -c 'echo $$ >away; exec sleep 1000' & while [ ! -s away ]; do sleep 0.01; done`;
    for (const io of ['pipes', TERMINAL] as const) {
      const left = await exec(task, `${background}; exit 3`, io);
      expect(await left.end()).toMatchObject({ code: 3 });
      expect(isGone(pidIn(join(task.sandbox, 'away')))).toBe(true);
      const killed = await exec(task, `rm away; ${background}; echo up; wait`, io);
      await until('it to be up', () => killed.out.includes('up'));
      killed.process.kill();
      await killed.end();
      expect(isGone(pidIn(join(task.sandbox, 'away')))).toBe(true);
    }
    expect(await (await exec(task, 'exit 0')).end()).toMatchObject({ code: 0 });
  });

  it('ends with its task, whose end is told only then', async () => {
    const task = await start('while [ ! -e stop ]; do sleep 0.01; done; exit 4');
    const guest = await exec(
      task,
      `setsid sh -c 'trap "" HUP TERM; echo $$ >guest; exec sleep 1000' & while [ ! -s guest ]; do sleep 0.01; done; touch stop; wait`,
      TERMINAL,
    );
    expect(await world.ended(task.taskId)).toMatchObject({ code: 4 });
    expect(isGone(pidIn(join(task.sandbox, 'guest')))).toBe(true);
    await guest.end();
    await expect(exec(task, 'true')).rejects.toThrow('does not run');
  });

  it('that an agent has left behind is ended by the next one, and the task is not', async () => {
    const task = await start();
    // As one that was killed: it has told nobody.
    const guest = await exec(task, `echo $$ >guest; exec sleep 1000`);
    await until('it to run', () => pidIn(join(task.sandbox, 'guest')) > 0);
    const pid = pidIn(join(task.sandbox, 'guest'));
    const next = world.another();
    await next.recover(task.taskId, task.runDir);
    expect(await next.sweep(new Set())).toBeGreaterThan(0);
    await guest.end();
    expect(isGone(pid)).toBe(true);
    next.close();
    expect(await (await exec(task, 'exit 6')).end()).toMatchObject({ code: 6 });
  });

  it('has no more rights than the task, whose user and filter it has, and gets the terminal for its own', async () => {
    if (!isRoot) return;
    const status = 'grep -E "^(CapEff|CapBnd|NoNewPrivs|Seccomp):" /proc/self/status';
    for (const changes of [
      { user: 'nobody' },
      { user: 'nobody', security: { seccomp: 'default' } },
      {},
      { user: 'nobody', namespaces: ['pid', 'uts'], security: { seccomp: 'default' } },
    ] as const) {
      const task = await start(`${status}; echo up; sleep 1000`, changes);
      await until('it to be up', () => world.output(task).endsWith('up\n'));
      const rights = world.output(task).replace('up\n', '');
      expect(await (await exec(task, status)).end()).toMatchObject({ code: 0, out: rights });
      const inTerminal = await (await exec(task, `${status}; echo written >/dev/stderr; id -u; exit 5`, TERMINAL)).end();
      expect(inTerminal.out.replaceAll('\r', '')).toBe(`${rights}written\n${changes.user === undefined ? '0' : '65534'}\n`);
      expect(inTerminal.code).toBe(5);
    }
  }, 30_000);

  it('controls jobs in a task that sees only its own processes', async () => {
    if (!isRoot) return;
    const task = await start('echo up; sleep 1000', { namespaces: ['pid'] });
    await until('it to be in there', () => world.output(task) === 'up\n');
    const shell = await exec(task, 'exec sh -i', TERMINAL);
    shell.process.input?.write('set -m; sleep 1000 & kill %1; echo jobs$((1 + 1)); exit 8\n');
    const { code, out } = await shell.end();
    expect(code).toBe(8);
    expect(out).toContain('jobs2');
    expect(out).not.toMatch(/job control|tty process group/);
  });
});

describe('a command', () => {
  it('is refused when no shell could carry it', () => {
    expect(refuseArgv({ argv: [] })).toContain('empty');
    expect(refuseArgv({ argv: ['-x'] })).toContain('"-x"');
    expect(refuseArgv({ argv: ['a=b'] })).toContain('"a=b"');
    expect(refuseArgv({ argv: ['a', 'b\0'] })).toContain('NUL');
    expect(refuseArgv({ argv: ['a', 'x'.repeat(128 * 1024)] })).toContain('longer');
    expect(refuseArgv({ argv: ['ls', '-l', 'a=b'] })).toBeNull();
  });

  it('never runs a part of itself when its text is torn off', () => {
    const tools = findLaunchTools();
    const plan = { tools, joinFiles: [], cwd: '/', env: {}, words: [], nofile: null, seccompFile: null, terminal: null, terminalOwner: null };
    const text = planEntry({ ...plan, argv: ['rm', '-rf', '/x'] });
    expect(text.indexOf(`exec 'rm'`)).toBeLessThan(text.indexOf('\n}\nenter\n'));
  });
});
