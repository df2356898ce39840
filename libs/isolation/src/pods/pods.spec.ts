/** Pods of real processes: volumes, one life, an agent that dies at any moment, and nothing left behind. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { taskId } from '@ekiden/model';
import { realTasks, silentLog, until, type RealTasks } from '../../test/real-tasks.js';
import { probeRuntimes } from '../probe-runtimes.js';
import { createPods, type Pods } from './create-pods.js';
import type { PodExit, PodMember, PodSpec } from './pod-spec.js';

let world: RealTasks;
let pods: Pods;
let made = 0;

beforeEach(async () => {
  const { cgroup } = await probeRuntimes();
  world = realTasks(cgroup === null ? 'process' : 'cgroup', cgroup);
  pods = createPods({ runtime: world.runtime, networks: null, log: silentLog });
});
afterEach(async () => {
  pods.close();
  expect(await world.clear()).toEqual([]);
});

const member = (name: string, line: string, mounts: PodMember['mounts'] = []): PodMember => ({ name, launch: world.spec(line), mounts });

function pod(members: readonly PodMember[], change: Partial<PodSpec> = {}): PodSpec {
  made += 1;
  const [sandbox, runDir] = [join(world.dir, `pod-sandbox-${made}`), join(world.dir, `pod-run-${made}`)];
  mkdirSync(sandbox);
  mkdirSync(runDir, { mode: 0o700 });
  return { podId: taskId(`pod-${made}`), sandbox, runDir, members, volumes: [], networks: null, hostname: 'pod', graceMs: 60_000, ...change };
}

const ended = (spec: PodSpec, from = pods): Promise<PodExit> => new Promise((resolve) => from.onExit(spec.podId, resolve));
const fileOf = ({ launch }: PodMember, name: string): string => join(launch.sandbox, name);

/** The agent is another one. */
function nextAgent(): Pods {
  pods.close();
  pods = createPods({ runtime: world.restart(), networks: null, log: silentLog });
  return pods;
}

it('gives its members the same volume, and is over when all have ended well', async () => {
  const mounts = [{ volume: 'shared', containerPath: 'deep/data', isReadOnly: false }];
  const writer = member('writer', 'echo hello >deep/data/word', mounts);
  const reader = member('reader', 'while [ ! -s deep/data/word ]; do sleep 0.01; done; cat deep/data/word', mounts);
  const spec = pod([reader, writer], { volumes: ['shared'] });
  expect(await pods.launch(spec)).toEqual({ kind: 'started' });
  const exit = await ended(spec);
  expect(exit).toMatchObject({
    why: '',
    members: [
      { name: 'reader', exit: { code: 0 } },
      { name: 'writer', exit: { code: 0 } },
    ],
  });
  expect(world.output(reader.launch)).toBe('hello\n');
  await pods.forget(spec.podId, spec.runDir);
  expect(existsSync(spec.runDir)).toBe(false);
  expect(readFileSync(join(spec.sandbox, 'volumes/shared/word'), 'utf8')).toBe('hello\n');
});

it('ends as a whole when one of them fails, each with its grace', async () => {
  const steady = member('steady', `trap 'echo asked; exit 0' TERM; touch up; while :; do sleep 0.01; done`);
  const stubborn = member('stubborn', `trap '' TERM; touch up; while :; do sleep 0.01; done`);
  const weak = member('weak', 'while [ ! -e go ]; do sleep 0.01; done; exit 7');
  const spec = pod([steady, stubborn, weak], { graceMs: 300 });
  await pods.launch(spec);
  await until('all to be up', () => [steady, stubborn].every((one) => existsSync(fileOf(one, 'up'))));
  writeFileSync(fileOf(weak, 'go'), '');
  const exit = await ended(spec);
  expect(exit.why).toBe('member "weak" exited with status 7');
  expect(exit.members).toMatchObject([{ exit: { code: 0 } }, { exit: { signal: 'SIGKILL' } }, { exit: { code: 7 } }]);
  expect(world.output(steady.launch)).toBe('asked\n');
});

it('leaves nothing of a pod whose second member cannot be started', async () => {
  const first = member('first', 'sleep 1000');
  const second: PodMember = { name: 'second', launch: { ...world.spec('true'), user: 'nobody-of-that-name' }, mounts: [] };
  const never = member('never', 'touch started');
  const spec = pod([first, second, never]);
  expect(await pods.launch(spec)).toEqual({ kind: 'failed', reason: expect.stringContaining('member "second"') });
  expect(existsSync(fileOf(never, 'started'))).toBe(false);
  expect(existsSync(spec.runDir)).toBe(false);
  expect(pods.members(spec.podId)).toEqual([]);
});

it('stops when it is asked to, and at once when it is killed', async () => {
  const meek = pod([member('a', 'sleep 1000'), member('b', 'sleep 1000')]);
  await pods.launch(meek);
  pods.terminate(meek.podId, 60_000);
  expect(await ended(meek)).toMatchObject({ members: [{ exit: { signal: 'SIGTERM' } }, { exit: { signal: 'SIGTERM' } }] });
  const deaf = member('deaf', `trap '' TERM; touch up; while :; do sleep 0.01; done`);
  const killed = pod([deaf, member('b', 'sleep 1000')]);
  await pods.launch(killed);
  await until('it to be up', () => existsSync(fileOf(deaf, 'up')));
  pods.terminate(killed.podId, 60_000);
  pods.kill(killed.podId);
  expect((await ended(killed)).members).toMatchObject([{ exit: { signal: 'SIGKILL' } }, {}]);
});

it('is found by the next agent, runs on, and still has one life', async () => {
  const weak = member('weak', 'while [ ! -e go ]; do sleep 0.01; done; exit 7');
  const spec = pod([member('other', 'sleep 1000'), weak]);
  await pods.launch(spec);
  const next = nextAgent();
  expect(await next.recover(spec.podId, spec.runDir)).toEqual({ kind: 'found' });
  expect(next.members(spec.podId)).toEqual(spec.members.map(({ launch }) => launch.taskId));
  writeFileSync(fileOf(weak, 'go'), '');
  expect(await ended(spec)).toMatchObject({ why: 'member "weak" exited with status 7', members: [{ exit: { signal: 'SIGTERM' } }, { exit: { code: 7 } }] });
});

it('ends while no agent is there, and the next one tells it', async () => {
  const weak = member('weak', 'while [ ! -e go ]; do sleep 0.01; done; touch gone; exit 7');
  const spec = pod([member('other', 'sleep 1000'), weak]);
  await pods.launch(spec);
  pods.close();
  writeFileSync(fileOf(weak, 'go'), '');
  await until('one to have ended', () => existsSync(fileOf(weak, 'gone')));
  const next = nextAgent();
  await next.recover(spec.podId, spec.runDir);
  expect(await ended(spec)).toMatchObject({ why: 'member "weak" exited with status 7' });
});

it('is stopped by the next agent when its launch was interrupted, or it was being stopped', async () => {
  const spec = pod([member('first', 'sleep 1000'), member('second', 'sleep 1000')]);
  const { runtime } = world;
  // The agent dies between the two.
  const dying = createPods({
    runtime: { ...world.runtime, launch: (one) => (one.taskId === spec.members[1]?.launch.taskId ? new Promise(() => undefined) : runtime.launch(one)) },
    networks: null,
    log: silentLog,
  });
  void dying.launch(spec);
  await until(
    'the first to run',
    () => existsSync(join(spec.members[0]!.launch.runDir, 'run')) && world.runtime.stats([spec.members[0]!.launch.taskId]).size > 0,
  );
  const next = nextAgent();
  expect(await next.recover(spec.podId, spec.runDir)).toEqual({ kind: 'found' });
  expect(await ended(spec)).toMatchObject({
    why: 'member "second" was not started: its launch was interrupted',
    members: [{ exit: { signal: 'SIGTERM' } }, { exit: null }],
  });

  const deaf = member('deaf', `trap '' TERM; touch up; while :; do sleep 0.01; done`);
  const stopping = pod([deaf], { graceMs: 100 });
  await next.launch(stopping);
  await until('it to be up', () => existsSync(fileOf(deaf, 'up')));
  next.terminate(stopping.podId, 60_000);
  const third = nextAgent();
  await third.recover(stopping.podId, stopping.runDir);
  expect(await ended(stopping)).toMatchObject({ members: [{ exit: { signal: 'SIGKILL' } }] });
  expect(await third.recover(taskId('unknown'), spec.sandbox)).toEqual({ kind: 'never-started' });
});

it.each<[string, (members: readonly PodMember[]) => Partial<PodSpec>, string]>([
  ['no members', () => ({ members: [] }), '1 to 32 members'],
  ['a name twice', ([one]) => ({ members: [one!, one!] }), 'same name'],
  ['a volume that it does not have', ([one]) => ({ members: [{ ...one!, mounts: [{ volume: 'x', containerPath: 'x', isReadOnly: false }] }] }), 'volume "x"'],
  [
    'a way out of the sandbox',
    ([one]) => ({ volumes: ['v'], members: [{ ...one!, mounts: [{ volume: 'v', containerPath: '../x', isReadOnly: false }] }] }),
    '"../x"',
  ],
  ['a volume that leads elsewhere', () => ({ volumes: ['../../etc'] }), '"../../etc"'],
  ['a network where there is none', () => ({ networks: [{ name: 'mesos-bridge', ports: [] }] }), 'no network of their own'],
])('refuses %s, and starts nothing', async (_, change, why) => {
  const members = [member('a', 'touch started')];
  expect(await pods.launch(pod(members, change(members)))).toEqual({ kind: 'failed', reason: expect.stringContaining(why) });
  expect(existsSync(fileOf(members[0]!, 'started'))).toBe(false);
});
