/** What tasks have used: by control group, as the kernel counts it, and by /proc where there are no groups. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type RealTasks, realTasks, until } from '../test/real-tasks.js';
import { statisticsV1, statisticsV2 } from './cgroup-statistics.js';
import type { TaskStatistics } from './index.js';
import { probeRuntimes } from './probe-runtimes.js';
import { parseStatus, parseTimes } from './process-statistics.js';

/** Burns cpu, holds 40 MiB, and has a child that burns and ends before the next one. */
const BUSY = [
  'node',
  '-e',
  "const held = Buffer.alloc(40 << 20, 1); const { spawnSync } = require('child_process'); for (;;) { spawnSync('sh', ['-c', 'i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done']); held[0]++ }",
];
const MIB = 1024 * 1024;

describe.each(['process', 'cgroup'] as const)('statistics of tasks by the %s runtime', (kind) => {
  let world: RealTasks | null = null;
  afterEach(async () => {
    if (world !== null) expect(await world.clear()).toEqual([]);
    world = null;
  });

  it('tell cpu time, memory and processes of a task with its children, and nothing of one that is over', async () => {
    const { cgroup } = await probeRuntimes();
    if (kind === 'cgroup' && cgroup === null) return;
    const tasks = (world = realTasks(kind, kind === 'cgroup' ? cgroup : null));
    const task = tasks.spec('', { command: { kind: 'argv', argv: BUSY }, limits: { cpusMilli: 1000, memMib: 128 } });
    await tasks.start(task);
    const look = (): TaskStatistics | undefined => tasks.runtime.stats([task.taskId]).get(task.taskId);
    await until('it has used half a second, and 40 MiB', () => (look()?.cpu.totalSecs ?? 0) > 0.5 && (look()?.memory.rssBytes ?? 0) > 40 * MIB);
    const now = look();
    expect(now?.cpu.userSecs).toBeGreaterThan(0);
    expect(now?.memory.workingSetBytes).toBeGreaterThan(40 * MIB);
    expect(now?.processes).toBeGreaterThan(0);
    expect(now?.threads).toBeGreaterThanOrEqual(now?.processes ?? Infinity);
    if (kind === 'cgroup') {
      expect(now?.memory).toMatchObject({ limitBytes: 128 * MIB, peakBytes: expect.any(Number) });
      expect(now?.throttling?.periods).toBeGreaterThan(0);
    }
    const over = tasks.ended(task.taskId);
    tasks.runtime.kill(task.taskId);
    await over;
    expect(tasks.runtime.stats([task.taskId]).size).toBe(0);
  }, 60_000);
});

describe('the files of a group', () => {
  let dir = '';
  beforeEach(() => (dir = mkdtempSync(join(tmpdir(), 'ekiden-group-'))));
  afterEach(() => rmSync(dir, { recursive: true, force: true }));
  const put = (files: Readonly<Record<string, string>>): void => {
    for (const [name, text] of Object.entries(files)) {
      mkdirSync(join(dir, name, '..'), { recursive: true });
      writeFileSync(join(dir, name), text);
    }
  };

  it('are read in version 2', () => {
    put({
      'cpu.stat': 'usage_usec 1500000\nuser_usec 1000000\nsystem_usec 500000\nnr_periods 10\nnr_throttled 4\nthrottled_usec 250000\n',
      'memory.stat': 'anon 4096\nfile 8192\ninactive_file 2048\n',
      'memory.current': '12288\n',
      'memory.max': 'max\n',
      'memory.peak': '20000\n',
      'io.stat': '8:0 rbytes=100 wbytes=7 rios=1 wios=1 dbytes=0 dios=0\n8:16 rbytes=1 wbytes=2 rios=1 wios=1\n',
      'cgroup.procs': '12\n13\n',
      'pids.current': '5\n',
    });
    expect(statisticsV2(dir)).toEqual({
      cpu: { totalSecs: 1.5, userSecs: 1, systemSecs: 0.5 },
      throttling: { periods: 10, throttledPeriods: 4, throttledSecs: 0.25 },
      memory: { rssBytes: 4096, workingSetBytes: 10240, cacheBytes: 8192, totalBytes: 12288, swapBytes: 0, peakBytes: 20000, limitBytes: null },
      io: { readBytes: 101, writtenBytes: 9 },
      processes: 2,
      threads: 5,
    });
    expect(statisticsV2(join(dir, 'gone'))).toBeNull();
  });

  it('are read in version 1, each in its hierarchy, and missing ones say "not known"', () => {
    put({
      'cpu/cpu.stat': 'nr_periods 0\nnr_throttled 0\nthrottled_time 0\n',
      'cpuacct/cpuacct.usage': '1500000000\n',
      'cpuacct/cpuacct.stat': 'user 100\nsystem 50\n',
      'memory/memory.stat': 'rss 1\ntotal_rss 4096\ntotal_cache 8192\ntotal_inactive_file 2048\ntotal_swap 3\n',
      'memory/memory.usage_in_bytes': '12288\n',
      'memory/memory.max_usage_in_bytes': '20000\n',
      'memory/memory.limit_in_bytes': '9223372036854771712\n',
      'memory/cgroup.procs': '12\n',
      'blkio/blkio.throttle.io_service_bytes_recursive': '8:0 Read 100\n8:0 Write 7\n8:0 Total 107\nTotal 107\n',
    });
    const dirs = { cpu: join(dir, 'cpu'), memory: join(dir, 'memory'), cpuacct: join(dir, 'cpuacct'), blkio: join(dir, 'blkio'), pids: null };
    expect(statisticsV1(dirs)).toEqual({
      cpu: { totalSecs: 1.5, userSecs: 1, systemSecs: 0.5 },
      throttling: null,
      memory: { rssBytes: 4096, workingSetBytes: 10240, cacheBytes: 8192, totalBytes: 12288, swapBytes: 3, peakBytes: 20000, limitBytes: null },
      io: { readBytes: 100, writtenBytes: 7 },
      processes: 1,
      threads: 1,
    });
    expect(statisticsV1({ ...dirs, blkio: null })).toMatchObject({ io: null });
    expect(statisticsV1({ ...dirs, memory: join(dir, 'gone') })).toBeNull();
  });
});

it('reads times and memory of a process, whatever its name', () => {
  expect(parseTimes('7 (a ) b) S 1 7 7 0 -1 4194560 1 2 3 4 100 50 10 5 20 0 1 0 99 0 0')).toEqual({ user: 110, system: 55 });
  expect(parseStatus('Name:\tx\nRssAnon:\t      12 kB\nRssFile:\t 3 kB\nRssShmem:\t 1 kB\nVmSwap:\t 0 kB\nThreads:\t4\n')).toEqual({
    anonymous: 12288,
    file: 4096,
    swap: 0,
    threads: 4,
  });
});
