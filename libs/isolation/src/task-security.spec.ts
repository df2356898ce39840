/** What a task may do, tried by tasks themselves. As root only: without it there is nothing to take away but new privileges. */
import { existsSync, mkdirSync, readdirSync, statSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { type RealTasks, realTasks, until } from '../test/real-tasks.js';
import { findLaunchTools } from './launch-tools.js';
import { probeRuntimes } from './probe-runtimes.js';
import { isAlive, readStat } from './proc.js';
import { SAFE_DEFAULTS, securityOf } from './task-security.js';
import { trySecurity } from './try-security.js';
import { abilitiesOf } from './abilities.js';

const isRoot = process.geteuid?.() === 0;
const STATUS = 'grep -E "^(CapEff|CapBnd|CapAmb|NoNewPrivs|Seccomp):" /proc/self/status';
/** CHOWN and the others of ROOT_TASK_CAPABILITIES as the kernel prints them: Docker's well-known default. */
const DOCKERS_SET = '00000000a80425fb';

const fields = (status: string): Record<string, string> => Object.fromEntries(status.split('\n').map((line) => line.split(':\t') as [string, string]));

describe('the rights of a task', () => {
  let world: RealTasks;

  beforeEach(async () => {
    const { cgroup } = await probeRuntimes();
    world = realTasks(cgroup === null ? 'process' : 'cgroup', cgroup);
  });
  afterEach(async () => {
    expect(await world.clear()).toEqual([]);
  });

  /** Fails naming the package when a program of the suite is not there. */
  const needs = (ability: keyof NonNullable<RealTasks['runtime']['abilities']>): void => expect(world.runtime.abilities?.[ability]).toBeNull();

  it('of root: no more than Docker leaves it, and never new ones', async () => {
    if (!isRoot) return;
    const seen = fields((await world.run(STATUS)).stdout);
    expect(seen).toMatchObject({ CapEff: DOCKERS_SET, CapBnd: DOCKERS_SET, NoNewPrivs: '1' });
    expect(await world.run('touch mine; chown nobody mine; mount -t tmpfs none /mnt 2>/dev/null && umount /mnt && echo mounted')).toMatchObject({ stdout: '' });
  });

  it('of another user: none, unless they are asked for, and then these alone', async () => {
    if (!isRoot) return;
    const none = '0000000000000000';
    expect(fields((await world.run(STATUS, { user: 'nobody' })).stdout)).toMatchObject({ CapEff: none, CapBnd: none, CapAmb: none, NoNewPrivs: '1' });
    const bind = { user: 'nobody', security: { capabilities: ['NET_BIND_SERVICE'] } };
    expect(fields((await world.run(STATUS, bind)).stdout)).toMatchObject({ CapEff: '0000000000000400', CapBnd: '0000000000000400' });
  });

  it('are all there for a task that is privileged', async () => {
    if (!isRoot) return;
    const seen = fields((await world.run(STATUS, { security: { isPrivileged: true } })).stdout);
    expect(seen).toMatchObject({ NoNewPrivs: '0', CapBnd: fields(await ownStatus()).CapBnd });
  });

  it('are those of its user before anything of its environment is in force', async () => {
    if (!isRoot) return;
    // What the loader of each program on the way writes shows as whom it ran with the task's environment.
    const spec = world.spec('true; sleep 0', {
      user: 'nobody',
      env: { PATH: process.env['PATH'] ?? '', LD_DEBUG: 'libs', LD_DEBUG_OUTPUT: './loader' },
    });
    await world.start(spec);
    await world.ended(spec.taskId);
    const written = readdirSync(spec.sandbox).filter((name) => name.startsWith('loader.'));
    expect(written.length).toBeGreaterThan(0);
    expect(written.filter((name) => statSync(join(spec.sandbox, name)).uid === 0)).toEqual([]);
  });

  it('end where a filter refuses the call, while the program itself runs on and gets its grace', async () => {
    needs('seccomp');
    const seccomp = { security: { seccomp: 'default' } } as const;
    const end = await world.run(`${STATUS}; unshare -U true 2>&1 || echo refused; exit 5`, seccomp);
    expect(end).toMatchObject({ code: 5 });
    expect(fields(end.stdout)).toMatchObject({ Seccomp: '2', NoNewPrivs: '1' });
    expect(end.stdout).toContain('refused');
    const graceful = world.spec(`trap 'echo bye; exit 6' TERM; echo up; while :; do sleep 0.05; done`, seccomp);
    await world.start(graceful);
    await until('its handler to be there', () => world.output(graceful) === 'up\n');
    world.runtime.terminate(graceful.taskId);
    expect(await world.ended(graceful.taskId)).toMatchObject({ code: 6 });
    expect(world.output(graceful)).toBe('up\nbye\n');
  }, 30_000);
});

const ownStatus = async (): Promise<string> => (await import('node:fs/promises')).readFile('/proc/self/status', 'utf8');

describe('a task’s own view', () => {
  let world: RealTasks;

  beforeEach(async () => {
    const { cgroup } = await probeRuntimes();
    world = realTasks(cgroup === null ? 'process' : 'cgroup', cgroup);
  });
  afterEach(async () => {
    expect(await world.clear()).toEqual([]);
  });

  it('of processes: its own alone, whose orphans are collected, and which ends as it would without', async () => {
    if (!isRoot) return;
    expect(world.runtime.abilities?.['pid-namespace']).toBeNull();
    const pid = { namespaces: ['pid', 'ipc', 'uts'] } as const;
    const end = await world.run('ps -e | wc -l; (sleep 0.01 &) ; hostname other; exit 9', { ...pid, security: { capabilities: ['SYS_ADMIN'] } });
    expect(end.code).toBe(9);
    expect(Number(end.stdout)).toBeLessThan(8);
    const graceful = world.spec(`trap 'exit 6' TERM; echo up; (sleep 100 &); while :; do sleep 0.05; done`, pid);
    const main = await world.start(graceful);
    await until('its handler to be there', () => world.output(graceful) === 'up\n');
    world.runtime.terminate(graceful.taskId);
    expect(await world.ended(graceful.taskId)).toMatchObject({ code: 6 });
    expect(isAlive({ pid: main, startTime: readStat(main)?.startTime ?? 0 })).toBe(false);
    const killed = world.spec('exec sleep 100', pid);
    await world.start(killed);
    world.runtime.kill(killed.taskId);
    expect(await world.ended(killed.taskId)).toMatchObject({ signal: 'SIGKILL' });
  }, 30_000);

  it('of /tmp: empty, its own user’s, in its sandbox, and nowhere else', async () => {
    if (!isRoot) return;
    expect(world.runtime.abilities?.['private-tmp']).toBeNull();
    const spec = world.spec(
      'ls -A /tmp | grep -v ekiden; pwd; ls "$SANDBOX"; echo mine >/tmp/ekiden-private; echo other >/var/tmp/x; cat /tmp/ekiden-private',
      {
        privateTmp: true,
        user: 'nobody',
      },
    );
    const inside = { ...spec, env: { ...spec.env, SANDBOX: spec.sandbox } };
    await world.start(inside);
    expect(await world.ended(spec.taskId)).toMatchObject({ code: 0 });
    expect(world.output(spec)).toBe(`${spec.sandbox}\nstderr\nstdout\nmine\n`);
    expect([existsSync('/tmp/ekiden-private'), existsSync(join(spec.sandbox, '.tmp/ekiden-private')), existsSync(join(spec.sandbox, '.var-tmp/x'))]).toEqual([
      false,
      true,
      true,
    ]);
  });

  it('is what a process sees that enters, with the rights and the environment of the task and nothing before them', async () => {
    if (!isRoot) return;
    const asked = { user: 'nobody', namespaces: ['pid', 'uts'], privateTmp: true } as const;
    const spec = world.spec('echo mine >/tmp/seen; echo up; sleep 100', { ...asked, env: { PATH: process.env['PATH'] ?? '', 'odd.name': 'x' } });
    await world.start(spec);
    await until('it to be up', () => world.output(spec).endsWith('up\n'));
    const line = `id -un; cat /tmp/seen; pwd; ps -e | wc -l; tr '\\0' '\\n' </proc/$$/environ | grep -E 'odd|PATH'; ${STATUS}`;
    const entered = await world.runtime.exec?.({ ...spec, argv: ['/bin/sh', '-c', line], io: 'pipes' });
    let text = '';
    entered?.output?.on('data', (chunk: Buffer) => (text += chunk.toString()));
    await new Promise((resolve) => entered?.output?.on('close', resolve));
    const lines = text.split('\n');
    expect(lines.slice(0, 3)).toEqual(['nobody', 'mine', spec.sandbox]);
    expect(Number(lines[3])).toBeLessThan(10);
    expect(lines.slice(4, 6).sort()).toEqual([`PATH=${spec.env['PATH']}`, 'odd.name=x'].sort());
    expect(fields(lines.slice(6).join('\n'))).toMatchObject({ CapEff: '0000000000000000', NoNewPrivs: '1' });
  });

  it('is refused where an archive has brought a link in its place', async () => {
    if (!isRoot) return;
    const spec = world.spec('true', { privateTmp: true });
    mkdirSync(join(world.dir, 'elsewhere'));
    symlinkSync(join(world.dir, 'elsewhere'), join(spec.sandbox, '.tmp'));
    expect(await world.runtime.launch(spec)).toMatchObject({ kind: 'failed', reason: expect.stringContaining('".tmp"') });
  });
});

describe('defaults', () => {
  const lame = abilitiesOf('process', {
    ...trySecurity(findLaunchTools(), isRoot),
    capabilities: 'no setpriv',
    'no-new-privs': 'no setpriv',
    'private-tmp': 'no mount',
  });

  it('that the machine cannot keep are left out, never asked-for things', () => {
    expect(securityOf({}, 'root', { ...SAFE_DEFAULTS, privateTmp: true }, lame)).toEqual({
      capabilities: 'all',
      noNewPrivs: false,
      hasSeccomp: false,
      namespaces: [],
      privateTmp: false,
    });
    expect(securityOf({ privateTmp: true, security: { capabilities: [] } }, 'root', SAFE_DEFAULTS, lame)).toMatchObject({ capabilities: [], privateTmp: true });
  });
});
