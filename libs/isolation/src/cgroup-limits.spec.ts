/** Limits that the kernel really keeps, on whatever version of control groups this machine has. */
import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { type RealTasks, realTasks, until } from '../test/real-tasks.js';
import type { CgroupDriver, LaunchSpec } from './index.js';
import { probeRuntimes } from './probe-runtimes.js';
import { isAlive, readStat } from './proc.js';

const HOG = ['node', '-e', 'const held = []; for (;;) held.push(Buffer.alloc(4 << 20, 1))'];

/** The directories of a task's group, one a hierarchy. */
const groupDirs = (world: RealTasks, spec: LaunchSpec): readonly string[] => (world.runtime.joinFiles?.(spec.taskId) ?? []).map((file) => join(file, '..'));

/** The first of these files that its group has, on either version. */
function fileOf(world: RealTasks, spec: LaunchSpec, names: readonly string[]): string {
  for (const path of groupDirs(world, spec).flatMap((dir) => names.map((name) => join(dir, name)))) {
    try {
      return readFileSync(path, 'utf8');
    } catch {
      // Of the other version, or of another hierarchy.
    }
  }
  throw new Error(`the group of ${spec.taskId} has none of ${names.join(', ')}`);
}

/** What the kernel's scheduler counted for it, in nanoseconds. */
function cpuNsOf(pid: number): number {
  try {
    return Number(readFileSync(`/proc/${pid}/schedstat`, 'utf8').split(' ')[0]);
  } catch {
    return 0; // It has ended.
  }
}

describe('limits', () => {
  let world: RealTasks | null = null;
  let driver: CgroupDriver | null = null;

  const cgroupOf = (spec: LaunchSpec): readonly number[] | undefined => driver?.processes(`ekiden/${world?.instance}/t.${spec.taskId}`);
  const read = (spec: LaunchSpec, ...names: string[]): string => (world === null ? '' : fileOf(world, spec, names));
  const memoryLimit = (spec: LaunchSpec): number => Number(read(spec, 'memory.limit_in_bytes', 'memory.max'));
  /** What its processes have used, by the scheduler's clock: not by what is tested in task-statistics.spec.ts. */
  const cpuNs = (spec: LaunchSpec): number => (cgroupOf(spec) ?? []).reduce((sum, pid) => sum + cpuNsOf(pid), 0);

  const enter = async (hardCpu = true): Promise<RealTasks | null> => {
    const { cgroup }: { cgroup: CgroupDriver | null } = await probeRuntimes();
    driver = cgroup;
    world = cgroup === null ? null : realTasks('cgroup', cgroup, hardCpu);
    return world;
  };

  afterEach(async () => {
    if (world !== null) expect(await world.clear()).toEqual([]);
  });

  it('kill a task that takes more memory than it asked for, and say so', async () => {
    const end = await (await enter())?.run('', { command: { kind: 'argv', argv: HOG }, limits: { cpusMilli: 1000, memMib: 96 } });
    if (end !== undefined) expect(end).toMatchObject({ code: null, signal: 'SIGKILL', oomKilled: true, lost: null });
  }, 30_000);

  it('call it out of memory only when the task itself died of it', async () => {
    const limits = { cpusMilli: 1000, memMib: 96 };
    const end = await (await enter())?.run(`node -e '${HOG[2]}'; exit 7`, { limits });
    // Version 2 kills the task as a whole.
    if (end !== undefined) expect([7, null]).toContain(end.code);
    if (end?.code === 7) expect(end.oomKilled).toBe(false);
    if (end !== undefined) expect(end.oomKills).toBeGreaterThan(0);
  }, 30_000);

  it('let a task take more memory than it asked for up to a limit of its own, and tell how much it took', async () => {
    const limits = { cpusMilli: 1000, memMib: 16, memLimitMib: 256 };
    const end = await (await enter())?.run('', { command: { kind: 'argv', argv: ['node', '-e', 'Buffer.alloc(100 << 20, 1)'] }, limits });
    if (end === undefined) return;
    expect(end).toMatchObject({ code: 0, oomKills: 0 });
    expect(end.memPeakBytes).toBeGreaterThan(100 << 20);
    expect(end.memPeakBytes).toBeLessThanOrEqual(256 << 20);
  }, 30_000);

  it('stop a fork bomb at its own bound, leave nothing of it, and starve no neighbour', async () => {
    const inside = await enter();
    if (inside === null) return;
    const bomb = inside.spec('bomb() { bomb | bomb & }; bomb; while :; do :; done', { limits: { cpusMilli: 1000, memMib: 64, pids: 40 } });
    const pid = await inside.start(bomb);
    // The kernel counts the forks that it has refused: how many processes there are at one moment depends on who gets to run.
    await until('the bound to be met', () => /^max [1-9]/m.test(read(bomb, 'pids.events')));
    expect((await inside.run('echo alive')).stdout).toBe('alive\n');
    expect(cgroupOf(bomb)?.length).toBeLessThanOrEqual(40);
    inside.runtime.kill(bomb.taskId);
    const end = await inside.ended(bomb.taskId);
    expect(end.killedProcesses).toBeGreaterThan(0);
    expect([cgroupOf(bomb), isAlive({ pid, startTime: readStat(pid)?.startTime ?? 0 })]).toEqual([[], false]);
  }, 30_000);

  it('bound the open files of each process', async () => {
    const end = await (await enter())?.run('ulimit -Hn; ulimit -Sn', { limits: { cpusMilli: 500, memMib: 64, nofile: 123 } });
    if (end !== undefined) expect(end.stdout).toBe('123\n123\n');
  });

  it('give neighbours the share that they asked for when both want all there is', async () => {
    const inside = await enter(false);
    if (inside === null) return;
    // One cpu for both, so that they have to share it on any machine.
    const spin = (cpusMilli: number): LaunchSpec => inside.spec('taskset -c 0 sh -c "while :; do :; done"', { limits: { cpusMilli, memMib: 64 } });
    const [large, small] = [spin(1000), spin(250)];
    for (const spec of [large, small]) await inside.start(spec);
    await until('both to have run', () => [large, small].every((spec) => cpuNs(spec) > 200e6));
    const before = [large, small].map(cpuNs);
    // In the long run: where the processor is emulated, a moment is unfair.
    await until('four times as much to have come to the large one', () => {
      const [ofLarge = 0, ofSmall = 0] = [large, small].map((spec, at) => cpuNs(spec) - (before[at] ?? 0));
      return ofSmall > 500e6 && ofLarge / ofSmall > 2.8 && ofLarge / ofSmall < 5.6;
    });
  }, 60_000);

  it('change while the task runs, both up and down, and never below what it holds', async () => {
    const inside = await enter();
    if (inside === null) return;
    const spec = inside.spec('', {
      command: { kind: 'argv', argv: ['node', '-e', 'const held = Buffer.alloc(64 << 20, 1); console.log("held"); setInterval(() => held.length, 1e6)'] },
      limits: { cpusMilli: 500, memMib: 160 },
    });
    await inside.start(spec);
    await until('the memory to be held', () => inside.output(spec) === 'held\n');
    for (const memMib of [256, 200, 320]) {
      expect(inside.runtime.resize?.(spec.taskId, { cpusMilli: 750, memMib })).toEqual({ kind: 'resized' });
      expect(memoryLimit(spec)).toBe(memMib << 20);
    }
    const refused = inside.runtime.resize?.(spec.taskId, { cpusMilli: 750, memMib: 32 });
    expect(refused).toMatchObject({ kind: 'refused', reason: expect.stringMatching(/holds \d+ MiB of memory, more than the 32 MiB/) });
    expect(memoryLimit(spec)).toBe(320 << 20);
    expect(inside.runtime.resize?.(spec.taskId, { cpusMilli: 750, memMib: 320, memLimitMib: 'unlimited', cpuLimitMilli: 'unlimited' })).toEqual({
      kind: 'resized',
    });
    inside.runtime.kill(spec.taskId);
    expect(await inside.ended(spec.taskId)).toMatchObject({ signal: 'SIGKILL', oomKilled: false });
  }, 30_000);

  it('never go below what it holds in files that are memory', async () => {
    const inside = await enter();
    if (inside === null) return;
    const file = `/dev/shm/${inside.instance}`;
    try {
      const spec = inside.spec(`dd if=/dev/zero of=${file} bs=${1 << 20} count=64; echo held; sleep 1000`, { limits: { cpusMilli: 500, memMib: 160 } });
      await inside.start(spec);
      await until('the memory to be held', () => inside.output(spec) === 'held\n');
      expect(inside.runtime.resize?.(spec.taskId, { cpusMilli: 750, memMib: 32 })).toMatchObject({
        kind: 'refused',
        reason: expect.stringMatching(/holds \d+ MiB of memory, more than the 32 MiB/),
      });
      expect(memoryLimit(spec)).toBe(160 << 20);
      inside.runtime.kill(spec.taskId);
      expect(await inside.ended(spec.taskId)).toMatchObject({ signal: 'SIGKILL', oomKilled: false });
    } finally {
      rmSync(file, { force: true });
    }
  }, 30_000);

  it('hold a busy loop to its quota', async () => {
    const inside = await enter();
    // Without what its start takes, which is long where the processor is emulated.
    const spin =
      'const before = process.cpuUsage(), end = Date.now() + 1000; while (Date.now() < end); const { user, system } = process.cpuUsage(before); console.log((user + system) / 1e6)';
    const end = await inside?.run('', { command: { kind: 'argv', argv: ['node', '-e', spin] }, limits: { cpusMilli: 250, memMib: 256 } });
    if (end !== undefined) expect(Number(end.stdout)).toBeLessThan(0.7);
  }, 30_000);

  it('put the task inside before its first instruction, and its supervisor outside', async () => {
    const inside = await enter();
    const end = await inside?.run('cat /proc/self/cgroup; echo; cat /proc/$PPID/cgroup');
    if (end === undefined || inside === null) return;
    const [mine = '', parents = ''] = end.stdout.split('\n\n');
    expect(mine).toContain(`/ekiden/${inside.instance}/`);
    expect(parents).toContain('0::/');
    expect(parents).not.toContain(inside.instance);
  });

  it('leave idle cpus to a task when they are soft', async () => {
    const inside = await enter(false);
    if (inside === null) return;
    const writes = (await probeRuntimes()).cgroup?.limitsToWrites({ cpusMilli: 250, memMib: 64, hardCpu: false }) ?? [];
    expect(writes.some(({ file }) => file === 'cpu.cfs_quota_us' || file === 'cpu.max')).toBe(false);
  });

  it('leave no group behind when the last task has ended, and keep those of tasks that live on', async () => {
    const inside = await enter();
    const { cgroup } = await probeRuntimes();
    if (inside === null || cgroup === null) return;
    const isThere = (): boolean => cgroup.children('ekiden').includes(inside.instance);
    const [forgotten, ended, long] = [inside.spec('true'), inside.spec('true'), inside.spec('sleep 100')];
    for (const spec of [forgotten, ended]) {
      await inside.start(spec);
      await inside.ended(spec.taskId);
    }
    await inside.runtime.forget(forgotten.taskId, forgotten.runDir);
    const pid = await inside.start(long);
    inside.runtime.close();
    expect([isThere(), cgroup.children(`ekiden/${inside.instance}`).length, isAlive({ pid, startTime: readStat(pid)?.startTime ?? 0 })]).toEqual([
      true,
      1,
      true,
    ]);
    inside.runtime.kill(long.taskId);
    await until('the task to be gone', () => cgroup.processes(`ekiden/${inside.instance}`).length === 0);
    await inside.runtime.sweep(new Set());
    await until('the groups to be removed', () => {
      for (const name of cgroup.children(`ekiden/${inside.instance}`)) cgroup.remove(`ekiden/${inside.instance}/${name}`);
      inside.runtime.close();
      return !isThere();
    });
  }, 30_000);
});
