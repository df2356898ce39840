/**
 * Cpus and memory of running tasks change on real control groups: the same processes, other limits, whoever is killed meanwhile.
 *
 * Where the agent has no control groups to write, the same update replaces the tasks, and says why.
 */
import { readFileSync } from 'node:fs';
import { probeRuntimes } from '@ekiden/isolation';
import { Ekiden, eventually } from './ekiden.js';
import { memoryLimit } from './memory-limit.js';

const TIMEOUT_MS = 240_000;
const ID = '/resized';
const APP = { id: ID, cmd: 'sleep 100000', cpus: 0.1, mem: 32, instances: 2, resizeInPlace: true };
const MIB = 1024 * 1024;

let ekiden: Ekiden;
let isLimited = false;
beforeAll(async () => {
  isLimited = (await probeRuntimes()).cgroup !== null;
  ekiden = await Ekiden.start({ args: ['--agent-cpus', '4', '--agent-mem', '2048'] });
}, TIMEOUT_MS);
afterAll(async () => ekiden?.end(), TIMEOUT_MS);

const pids = (): number[] =>
  ekiden
    .taskProcesses()
    .flatMap(({ pid }) => pid)
    .sort((a, b) => a - b);

const hasLimit = (memMib: number) => (): boolean => pids().length > 0 && pids().every((pid) => memoryLimit(pid) === memMib * MIB);

async function put(change: object): Promise<void> {
  const reply = await ekiden.send('PUT', `/v2/apps/${ID}?force=true`, { ...APP, ...change });
  expect(reply.status).toBeLessThan(300);
}

it(
  'keeps the processes, and gives them other limits',
  async () => {
    await ekiden.deploy(APP);
    await eventually('both run', () => pids().length === 2);
    const before = pids();
    const dry = await ekiden.send('POST', '/ekiden/v1/preview', { ...APP, cpus: 0.5, mem: 64 });
    expect(dry.body).toMatchObject({ apps: [{ action: 'resize', changedFields: ['cpus', 'mem'], tasksToRestart: 0, tasksToResize: 2 }] });
    await put({ cpus: 0.5, mem: 64 });
    await ekiden.settled(ID);
    if (!isLimited) return console.log('skipped: no control groups can be written here, the tasks were replaced');
    expect(pids()).toEqual(before);
    expect(hasLimit(64)()).toBe(true);
    const { app } = (await ekiden.get(`/v2/apps/${ID}`)).body;
    expect(app.tasks.map(({ version }: { version: string }) => version)).toEqual([app.version, app.version]);

    await put({ cpus: 0.05, mem: 16 });
    await eventually('they are smaller again', hasLimit(16));
    await ekiden.settled(ID);
    expect(pids()).toEqual(before);
  },
  TIMEOUT_MS,
);

it(
  'does so also where everything is killed in the middle, and forgets nothing',
  async () => {
    if (!isLimited) return;
    const before = pids();
    for (const [part, memMib] of [
      ['agent', 48],
      ['master', 80],
      ['api', 24],
    ] as const) {
      await put({ mem: memMib });
      await ekiden.kill(part);
      await eventually(`both have ${memMib} MiB after the death of the ${part}`, hasLimit(memMib));
      await eventually('the API answers again', async () => (await ekiden.get(`/v2/apps/${ID}`)).status === 200);
      await ekiden.settled(ID);
      expect(pids()).toEqual(before);
    }
    await put({ mem: 96 });
    await ekiden.killUp();
    await ekiden.startUp();
    await eventually('both have 96 MiB after the death of all', hasLimit(96));
    await ekiden.settled(ID);
    expect(pids()).toEqual(before);
    // The tasks are settled as they are stored: the agent may still be on its way to the new master.
    await eventually('the master counts what they have', async () => (await ekiden.get('/ekiden/v1/nodes')).body.nodes[0]?.used.mem === 2 * 96);
  },
  TIMEOUT_MS,
);

it(
  'replaces a task that holds more than it would be left with, and says why',
  async () => {
    if (!isLimited) return;
    // Most of the machine, so that what replaces it waits for room, and what is said stands.
    const held = { id: '/holds', args: ['node', '-e', 'const held = Buffer.alloc(64 << 20, 1); setInterval(() => held.length, 1e6)'], cpus: 3, mem: 256 };
    await ekiden.deploy({ ...held, resizeInPlace: true });
    const [before] = await ekiden.tasks('/holds');
    const taskPid = (): number => ekiden.taskProcesses().find(({ taskId }) => taskId.startsWith('holds'))?.pid ?? 0;
    const groups = (): string => readFileSync(`/proc/${taskPid()}/statm`, 'utf8');
    await eventually('the memory is held', () => Number(groups().split(' ')[1]) * 4096 > 64 * MIB);
    // Too little to start with as well: what is asked for is what is done.
    await ekiden.send('PUT', '/v2/apps//holds', { ...held, mem: 32, resizeInPlace: true, progressDeadlineSeconds: 3600 });
    await eventually('it is said', async () =>
      JSON.stringify((await ekiden.get('/ekiden/v1/why//holds')).body).includes('replaced instead of being resized in place'),
    );
    const why = JSON.stringify((await ekiden.get('/ekiden/v1/why//holds')).body);
    expect(why).toMatch(/holds \d+ MiB of memory/);
    expect((await ekiden.tasks('/holds')).some(({ id }) => id === before.id)).toBe(true);
    await ekiden.send('DELETE', '/v2/apps//holds?force=true');
  },
  TIMEOUT_MS,
);
