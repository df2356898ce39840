/**
 * Promise 6 on real processes: killing Ekiden, any part of it and all of it, stops no healthy task, doubles no instance and
 * loses no deployment; when the parts are back, the state is right again without a hand.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Ekiden, eventually, isAlive, type PartName } from './ekiden.js';

const TIMEOUT_MS = 240_000;
const APPS = ['/a', '/b', '/c', '/d'];
const INSTANCES = 5;
const ALL: readonly PartName[] = ['master', 'agent', 'api', 'postgres'];

const SERVER = `
require('node:http').createServer((_, response) => response.end('well')).listen(Number(process.env.PORT0), process.env.HOST);
`;

let ekiden: Ekiden;

/** Two apps are asked over HTTP, two by a command in their sandbox. */
function app(id: string, version: string): { id: string } & Record<string, unknown> {
  const isServer = id < '/c';
  const check = isServer ? { protocol: 'MESOS_HTTP', path: '/', portIndex: 0 } : { protocol: 'COMMAND', command: { value: 'test -e stdout' } };
  return {
    id,
    cmd: isServer ? `exec ${process.execPath} ${join(ekiden.dataDir, 'server.js')}` : 'exec sleep 1000',
    env: { VERSION: version },
    instances: INSTANCES,
    cpus: 0.01,
    mem: 64,
    portDefinitions: isServer ? [{ port: 0 }] : [],
    healthChecks: [{ ...check, delaySeconds: 0, gracePeriodSeconds: 120, intervalSeconds: 2, timeoutSeconds: 20, maxConsecutiveFailures: 5 }],
    upgradeStrategy: { minimumHealthCapacity: 0.6, maximumOverCapacity: 0.2 },
  };
}

beforeAll(async () => {
  ekiden = await Ekiden.start({ agents: 2 });
  writeFileSync(join(ekiden.dataDir, 'server.js'), SERVER);
  await Promise.all(APPS.map((id) => ekiden.deploy(app(id, 'one'))));
  await eventually('all are healthy', isRight);
}, TIMEOUT_MS);
afterAll(async () => ekiden?.end(), TIMEOUT_MS);

/** Twenty healthy tasks, nothing under way, one process each, and each process of a recorded task. */
async function isRight(): Promise<boolean> {
  const { body } = await ekiden.get('/v2/apps?embed=apps.tasks&embed=apps.counts&embed=apps.deployments');
  const recorded: string[] = body.apps.flatMap((one: { tasks: { id: string }[] }) => one.tasks.map(({ id }) => id)).sort();
  const running = ekiden.taskProcesses().map(({ taskId }) => taskId);
  return (
    body.apps.length === APPS.length &&
    body.apps.every(
      (one: { tasksRunning: number; tasksHealthy: number; deployments: unknown[] }) =>
        one.tasksRunning === INSTANCES && one.tasksHealthy === INSTANCES && one.deployments.length === 0,
    ) &&
    JSON.stringify(running.sort()) === JSON.stringify(recorded)
  );
}

/** The whole ring does its work: a new app runs, and is gone again. */
async function worksAgain(): Promise<void> {
  const probe = { id: '/probe', cmd: 'exec sleep 1000', cpus: 0.01, mem: 16 };
  await eventually('changes are taken', async () => (await ekiden.send('PUT', '/v2/apps//probe', probe)).status < 300);
  await ekiden.settled('/probe');
  await ekiden.send('DELETE', '/v2/apps//probe?force=true');
  await eventually('the probe is gone', () => pids().length === APPS.length * INSTANCES);
}

const pids = (): number[] => ekiden.taskProcesses().map(({ pid }) => pid);

/** Those of the tasks, seen at a moment at which no check by command runs beside them. */
async function processesAlone(): Promise<readonly number[]> {
  let seen = pids();
  await eventually('no check runs at this moment', () => (seen = pids()).length === APPS.length * INSTANCES);
  return seen;
}

/** A command check is a process of its task's for a moment: it is waited for; one that was started anew would never be gone. */
const sameProcesses = (before: readonly number[]): Promise<void> =>
  eventually('the same processes run, and no other', () => JSON.stringify(pids()) === JSON.stringify(before));

/** Tasks of which nothing runs any more: a command check is a process of its task's for a moment, and its end says nothing. */
function watchTasks(): { readonly ended: Set<string>; stop(): void } {
  const watched = new Map<string, number[]>();
  for (const { pid, taskId } of ekiden.taskProcesses()) watched.set(taskId, [...(watched.get(taskId) ?? []), pid]);
  const ended = new Set<string>();
  const timer = setInterval(() => {
    for (const [taskId, processes] of watched) if (!processes.some(isAlive)) ended.add(taskId);
  }, 50);
  return { ended, stop: () => clearInterval(timer) };
}

it.each<[string, readonly PartName[]]>([
  ['the master', ['master']],
  ['an agent', ['agent']],
  ['the API', ['api']],
  ['Postgres', ['postgres']],
  ['all of them at once', ALL],
])(
  'runs on while %s is killed, and is right again by itself',
  async (_, parts) => {
    const before = await processesAlone();
    const former = parts.flatMap((part) => ekiden.parts(part));
    await Promise.all(parts.map((part) => ekiden.kill(part)));
    await eventually('the parts are back', () => parts.every((part) => ekiden.parts(part).some((pid) => !former.includes(pid))));
    await worksAgain();
    await eventually('the state is right', isRight);
    await sameProcesses(before);
  },
  TIMEOUT_MS,
);

it(
  'runs on while `ekiden up` itself is killed, and is adopted by the next start',
  async () => {
    const before = await processesAlone();
    await ekiden.killUp();
    await ekiden.startUp();
    await eventually('the state is right', isRight);
    await sameProcesses(before);
  },
  TIMEOUT_MS,
);

it(
  'finishes a roll-out during which everything was killed, twice',
  async () => {
    const untouched = new Set((await ekiden.tasks('/b')).map(({ id }) => id));
    const { status, body } = await ekiden.send('PUT', '/v2/apps//a', app('/a', 'two'));
    expect(status).toBe(200);
    const versions = async (): Promise<string[]> => (await ekiden.tasks('/a')).map(({ version }) => version);
    await eventually('it is under way', async () => (await versions()).includes(body.version));
    const watch = watchTasks();
    await Promise.all(ALL.map((part) => ekiden.kill(part)));
    await eventually('the API is back', async () => (await ekiden.get('/v2/leader')).status === 200);
    await ekiden.killUp();
    await ekiden.startUp();
    await eventually('the state is right', isRight);
    watch.stop();

    expect(new Set(await versions())).toEqual(new Set([body.version]));
    expect((await ekiden.get(`/ekiden/v1/deployments/${body.deploymentId}`)).body.state).toBe('succeeded');
    expect(new Set((await ekiden.tasks('/b')).map(({ id }) => id))).toEqual(untouched);
    expect(watch.ended.size).toBeLessThanOrEqual(INSTANCES); // the old ones of /a, and nobody else
  },
  TIMEOUT_MS,
);
