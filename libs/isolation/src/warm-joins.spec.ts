import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { until } from '../test/real-tasks.js';
import { probeRuntimes } from './probe-runtimes.js';
import { createJoinWarmer, parseOwnGroup } from './warm-joins.js';

it('finds the own group of either version', () => {
  const text = '6:freezer:/\n4:memory,pids:/jobs/a:b\n0::/user.slice/x\n';
  expect(['freezer', 'pids', '', 'cpu'].map((controller) => parseOwnGroup(text, controller))).toEqual(['/', '/jobs/a:b', '/user.slice/x', null]);
});

it('moves nobody', async () => {
  const file = (await probeRuntimes()).cgroup?.ownProcs() ?? null;
  if (file === null) return;
  const before = readFileSync('/proc/self/cgroup', 'utf8');
  const failures: string[] = [];
  createJoinWarmer(
    () => file,
    (why) => failures.push(why),
  )();
  await new Promise((resolve) => setImmediate(resolve));
  expect([readFileSync('/proc/self/cgroup', 'utf8'), failures]).toEqual([before, []]);
});

describe('with a file in place of the kernel', () => {
  let dir: string;
  beforeEach(() => (dir = mkdtempSync(join(tmpdir(), 'ekiden-warm-'))));
  afterEach(() => rmSync(dir, { recursive: true, force: true }));

  it('writes its own pid', async () => {
    const file = join(dir, 'cgroup.procs');
    writeFileSync(file, '');
    createJoinWarmer(
      () => file,
      () => undefined,
    )();
    await until('the write', () => readFileSync(file, 'utf8') === String(process.pid));
  });

  it('gives up for good where that is not possible, makes no file, and says so once', async () => {
    const failures: string[] = [];
    const warm = createJoinWarmer(
      () => join(dir, 'nothing'),
      (why) => failures.push(why),
    );
    warm();
    await until('the failure', () => failures.length > 0);
    warm();
    await new Promise((resolve) => setImmediate(resolve));
    expect(failures).toEqual([expect.stringContaining('ENOENT')]);
  });
});
