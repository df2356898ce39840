/** Which files get which values, and version 2 on a tree as the kernel lays it out. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { taskId } from '@ekiden/model';
import { groupName, instanceGroup } from './cgroup-driver.js';
import { limitsToWritesV1, resizeWritesV1 } from './cgroup-v1.js';
import { cgroupV2, limitsToWritesV2 } from './cgroup-v2.js';
import { parseCgroupMounts } from './probe-runtimes.js';

const asText = (writes: readonly { file: string; value: string }[]): string[] => writes.map(({ file, value }) => `${file} ${value}`);

describe('limits as files', () => {
  it('of version 1, the memory limit before the one with swap', () => {
    expect(asText(limitsToWritesV1({ cpusMilli: 1500, memMib: 128, hardCpu: true }))).toEqual([
      'cpu.shares 1536',
      'cpu.cfs_period_us 100000',
      'cpu.cfs_quota_us 150000',
      'memory.limit_in_bytes 134217728',
      'memory.memsw.limit_in_bytes 134217728',
    ]);
  });

  it('of version 2, where a task dies as a whole', () => {
    expect(asText(limitsToWritesV2({ cpusMilli: 100, memMib: 32, hardCpu: true }))).toEqual([
      'cpu.weight 4',
      'cpu.max 10000 100000',
      'memory.max 33554432',
      'memory.swap.max 0',
      'memory.oom.group 1',
    ]);
  });

  it('above the request: a limit of its own for cpu and memory, and the request as what is left to it', () => {
    const limits = { cpusMilli: 500, memMib: 64, hardCpu: true, cpuLimitMilli: 2000, memLimitMib: 128 } as const;
    expect(asText(limitsToWritesV1(limits))).toEqual([
      'cpu.shares 512',
      'cpu.cfs_period_us 100000',
      'cpu.cfs_quota_us 200000',
      'memory.limit_in_bytes 134217728',
      'memory.memsw.limit_in_bytes 134217728',
      'memory.soft_limit_in_bytes 67108864',
    ]);
    expect(asText(limitsToWritesV2({ ...limits, memLimitMib: 'unlimited', cpuLimitMilli: 'unlimited' }))).toEqual([
      'cpu.weight 20',
      'memory.low 67108864',
      'memory.oom.group 1',
    ]);
  });

  it('change in an order that the kernel takes: with swap first when they grow, last when they shrink', () => {
    const files = (memMib: number): string[] =>
      resizeWritesV1({ cpusMilli: 500, memMib, hardCpu: true }, 64 * 1024 * 1024)
        .map(({ file }) => file)
        .slice(0, 2);
    expect(files(128)).toEqual(['memory.memsw.limit_in_bytes', 'memory.limit_in_bytes']);
    expect(files(32)).toEqual(['memory.limit_in_bytes', 'memory.memsw.limit_in_bytes']);
  });

  it('never below what the kernel takes, nor with a quota when the cpus are soft', () => {
    expect(asText(limitsToWritesV1({ cpusMilli: 1, memMib: 32, hardCpu: true })).slice(0, 3)).toEqual([
      'cpu.shares 2',
      'cpu.cfs_period_us 100000',
      'cpu.cfs_quota_us 1000',
    ]);
    expect(asText(limitsToWritesV2({ cpusMilli: 500_000, memMib: 32, hardCpu: false }))[0]).toBe('cpu.weight 10000');
    expect(limitsToWritesV2({ cpusMilli: 1, memMib: 32, hardCpu: false }).some(({ file }) => file === 'cpu.max')).toBe(false);
  });
});

describe('names', () => {
  it('of tasks never meet a file of the kernel, and fit a directory', () => {
    expect(groupName(taskId('cgroup.procs'))).toBe('t.cgroup.procs');
    expect(groupName(taskId('ö'.repeat(255)))).toMatch(/^h\.[0-9a-f]{64}$/);
    expect(groupName(taskId('a b'))).not.toBe(groupName(taskId('a_b')));
  });

  it('of instances stay in their place', () => {
    expect(instanceGroup('data-1')).toBe('ekiden/data-1');
    for (const bad of ['', '..', 'a/b', '.hidden']) expect(() => instanceGroup(bad)).toThrow('control group');
  });
});

describe('mounts', () => {
  it('are read with co-mounted controllers, blanks in paths, and both versions side by side', () => {
    const text = [
      '24 1 254:0 / / rw,relatime - ext4 /dev/vda rw',
      '31 30 0:27 / /sys/fs/cgroup/cpu,cpuacct rw,nosuid shared:9 - cgroup cgroup rw,cpu,cpuacct',
      '32 30 0:28 / /odd\\040place rw - cgroup cgroup rw,memory',
      '33 30 0:29 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw,nsdelegate',
    ].join('\n');
    expect(parseCgroupMounts(text)).toEqual([
      { version: 1, path: '/sys/fs/cgroup/cpu,cpuacct', controllers: ['rw', 'cpu', 'cpuacct'] },
      { version: 1, path: '/odd place', controllers: ['rw', 'memory'] },
      { version: 2, path: '/sys/fs/cgroup/unified', controllers: [] },
    ]);
  });
});

describe('version 2 on a recorded tree', () => {
  const group = 'ekiden/i/t.web';
  let root = '';

  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'ekiden-cgroup2-'));
    // The kernel fills a new directory with files by itself; here they have to be there before.
    for (const dir of ['', 'ekiden', 'ekiden/i', group]) {
      mkdirSync(join(root, dir), { recursive: true });
      writeFileSync(join(root, dir, 'cgroup.subtree_control'), dir === '' ? 'cpu io memory pids\n' : '\n');
      writeFileSync(join(root, dir, 'cgroup.procs'), '');
    }
    for (const file of ['cpu.weight', 'cpu.max', 'memory.max', 'memory.swap.max', 'memory.oom.group', 'cgroup.kill'])
      writeFileSync(join(root, group, file), '');
  });

  afterEach(() => rmSync(root, { recursive: true, force: true }));

  const read = (...path: string[]): string => readFileSync(join(root, ...path), 'utf8');

  it('hands controllers down only where they are missing', () => {
    // A left-over group is removed first, which a plain directory with files refuses: made here under a fresh name.
    expect(() => cgroupV2(root).create('ekiden/i/t.new', { cpusMilli: 500, memMib: 64, hardCpu: true })).not.toThrow();
    expect(read('cgroup.subtree_control')).toBe('cpu io memory pids\n');
    expect(read('ekiden', 'cgroup.subtree_control')).toBe('+cpu +memory');
    expect(read('ekiden/i/t.new', 'cpu.max')).toBe('50000 100000');
  });

  it('lists processes of nested groups, kills by one write, and counts what the kernel killed', () => {
    const driver = cgroupV2(root);
    mkdirSync(join(root, group, 'nested'));
    writeFileSync(join(root, group, 'cgroup.procs'), '101\n102\n');
    writeFileSync(join(root, group, 'nested', 'cgroup.procs'), '103\n');
    writeFileSync(join(root, group, 'memory.events'), 'low 0\nhigh 0\nmax 12\noom 1\noom_kill 2\noom_group_kill 1\n');
    expect([...driver.processes(group)].sort((a, b) => a - b)).toEqual([101, 102, 103]);
    driver.kill(group);
    expect(read(group, 'cgroup.kill')).toBe('1');
    expect(driver.oomKills(group)).toBe(2);
    expect(driver.joinFiles(group)).toEqual([join(root, group, 'cgroup.procs')]);
    expect(driver.children('ekiden/i')).toEqual(['t.web']);
  });

  it('takes a group that is gone as empty', () => {
    const driver = cgroupV2(root);
    driver.kill('ekiden/i/t.gone');
    expect([driver.processes('ekiden/i/t.gone'), driver.oomKills('ekiden/i/t.gone'), driver.remove('ekiden/i/t.gone')]).toEqual([[], 0, true]);
  });
});
