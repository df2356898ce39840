/** A pod is stopped although not one byte can be written where its records are: by its agent, and by the next one. */
import { execFileSync } from 'node:child_process';
import { closeSync, existsSync, mkdirSync, openSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { taskId, type Log } from '@ekiden/model';
import { realTasks, silentLog, until, type RealTasks } from '../../test/real-tasks.js';
import { hasCode } from '../cgroup-driver.js';
import { probeRuntimes } from '../probe-runtimes.js';
import { createPods, type Pods } from './create-pods.js';
import { readPodRecord } from './pod-record.js';
import type { PodExit, PodSpec } from './pod-spec.js';

let world: RealTasks;
let pods: Pods;
let warnings: string[];

beforeEach(async () => {
  const { cgroup } = await probeRuntimes();
  world = realTasks(cgroup === null ? 'process' : 'cgroup', cgroup);
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=2m,mode=0711', 'ekiden-test-disk', world.dir]);
  warnings = [];
  pods = podsOf(world);
});
afterEach(async () => {
  pods.close();
  empty();
  for (const { taskId: id, runDir } of members()) {
    world.runtime.kill(id);
    await until('a member to be gone', () => {
      world.runtime.forget(id, runDir).catch(() => undefined);
      return !existsSync(runDir);
    });
  }
  execFileSync('umount', ['--lazy', world.dir]);
  expect(await world.clear()).toEqual([]);
});

let spec: PodSpec;
const members = () => spec.members.map(({ launch }) => launch);
const podsOf = ({ runtime }: RealTasks): Pods => createPods({ runtime, networks: null, log });
const log: Log = { ...silentLog, warn: (event) => void warnings.push(event) };

/** Those that say so are up once their file is there. */
function pod(...lines: readonly string[]): PodSpec {
  const [sandbox, runDir] = [join(world.dir, 'pod-sandbox'), join(world.dir, 'pod-run')];
  mkdirSync(sandbox);
  mkdirSync(runDir, { mode: 0o700 });
  const own = lines.map((line, index) => ({ name: `m${index}`, launch: world.spec(line), mounts: [] }));
  spec = { podId: taskId('a-pod'), sandbox, runDir, members: own, volumes: [], networks: null, hostname: 'pod', graceMs: 60_000 };
  return spec;
}

const ballast = (): string => join(world.dir, 'ballast');
const empty = (): void => rmSync(ballast(), { force: true });
const ended = (): Promise<PodExit> => new Promise((resolve) => pods.onExit(spec.podId, resolve));

/** To the last byte. */
function fill(): void {
  const file = openSync(ballast(), 'a');
  try {
    for (;;) writeSync(file, Buffer.alloc(4_096));
  } catch (error) {
    if (!hasCode(error, 'ENOSPC')) throw error;
  } finally {
    closeSync(file);
  }
}

async function upAndFull(...lines: readonly string[]): Promise<void> {
  expect(await pods.launch(pod(...lines))).toEqual({ kind: 'started' });
  const telling = members().filter((_, index) => lines[index]?.includes('touch up'));
  await until('the members to be up', () => telling.every(({ sandbox }) => existsSync(join(sandbox, 'up'))));
  fill();
}

const MEEK = 'touch up; exec sleep 1000';
const DEAF = `trap '' TERM; touch up; while :; do sleep 0.05; done`;

it('ends as a whole when it is asked to, and says that it could not write that down', async () => {
  await upAndFull(MEEK, 'exec sleep 1000');
  pods.terminate(spec.podId, 60_000);
  expect(await ended()).toMatchObject({ why: '', members: [{ exit: { signal: 'SIGTERM' } }, { exit: { signal: 'SIGTERM' } }] });
  expect(warnings).toContain('pod-not-recorded');
  expect(readPodRecord(spec.runDir)).toMatchObject({ stopping: null, members: [{ name: 'm0' }, { name: 'm1' }] });
  await pods.forget(spec.podId, spec.runDir);
  expect(existsSync(spec.runDir)).toBe(false);
});

it('is found whole by the next agent when one dies in the middle of its stop, and is stopped by that one', async () => {
  await upAndFull(DEAF, 'exec sleep 1000');
  pods.terminate(spec.podId, 60_000);
  pods.close();
  world.restart();
  pods = podsOf(world);
  expect(await pods.recover(spec.podId, spec.runDir)).toEqual({ kind: 'found' });
  // That it was asked to end was lost with the first agent, but for those who have ended by it.
  pods.terminate(spec.podId, 100);
  expect((await ended()).members).toMatchObject([{ exit: { signal: 'SIGKILL' } }, { exit: { signal: 'SIGTERM' } }]);
});

it('can be killed', async () => {
  await upAndFull(DEAF, DEAF);
  pods.kill(spec.podId);
  expect((await ended()).members).toMatchObject([{ exit: { signal: 'SIGKILL' } }, { exit: { signal: 'SIGKILL' } }]);
});
