/**
 * Ekiden over a master that announces and passes on nothing of ours, as a real Mesos would (decision 1): what Mesos has
 * works by Mesos' means, and what it has not is refused with the reason, wherever one looks.
 */
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type AnyJson, Ekiden, eventually, isAlive, killIfAlive } from './ekiden.js';

const TIMEOUT_MS = 180_000;
const SMALL = { cpus: 0.05, mem: 16, backoffSeconds: 0 };

let ekiden: Ekiden;
beforeAll(async () => void (ekiden = await Ekiden.start({ agents: 2, env: { EKIDEN_PLAIN_MESOS: 'true' } })), TIMEOUT_MS);
afterAll(async () => ekiden?.end(), TIMEOUT_MS);

const running = async (id: string): Promise<AnyJson[]> => (await ekiden.tasks(id)).filter(({ state }) => state === 'TASK_RUNNING');
const pids = (taskId: string): number[] =>
  ekiden
    .taskProcesses()
    .filter((process) => process.taskId === taskId)
    .map(({ pid }) => pid);

/** Healthy while this file is there. */
const flagFile = (): string => join(ekiden.dataDir, 'healthy');
const commandCheck = () => ({
  protocol: 'COMMAND',
  command: { value: `test -e ${flagFile()}` },
  gracePeriodSeconds: 1,
  intervalSeconds: 1,
  delaySeconds: 0,
  maxConsecutiveFailures: 2,
});

it(
  'deploys, rolls, relaunches after a crash, and deletes',
  async () => {
    writeFileSync(flagFile(), '');
    await ekiden.deploy({ ...SMALL, id: '/plain', cmd: 'exec sleep 1001', instances: 2, healthChecks: [commandCheck()] });
    await eventually('both are healthy', async () => (await ekiden.get('/v2/apps//plain')).body.app.tasksHealthy === 2);
    const first = await running('/plain');

    await ekiden.deploy({ ...SMALL, id: '/plain', cmd: 'exec sleep 1002' });
    const second = await running('/plain');
    expect(second.map(({ id }) => id)).not.toEqual(expect.arrayContaining(first.map(({ id }) => id)));

    for (const pid of pids(second[0].id)) killIfAlive(pid, 'SIGKILL');
    await eventually('the crash is known', async () => (await ekiden.get('/v2/apps//plain')).body.app.lastTaskFailure?.taskId === second[0].id);
    await ekiden.settled('/plain');
    expect((await running('/plain')).map(({ id }) => id)).toContain(second[1].id);
  },
  TIMEOUT_MS,
);

it(
  'relaunches what the agent killed for its health',
  async () => {
    const before = await running('/plain');
    rmSync(flagFile());
    await eventually('the agents have killed both', () => before.every(({ id }) => pids(id).every((pid) => !isAlive(pid))));
    await eventually('the end counts as a failure', async () =>
      String((await ekiden.get('/v2/apps//plain')).body.app.lastTaskFailure?.message).includes('Health check failed 2 times'),
    );
    writeFileSync(flagFile(), '');
    await eventually('two others are healthy', async () => {
      const { app } = (await ekiden.get('/v2/apps//plain')).body;
      return app.tasksHealthy === 2 && app.tasks.every(({ id }: AnyJson) => before.every((former) => former.id !== id));
    });

    expect((await ekiden.send('DELETE', '/v2/apps//plain')).status).toBe(200);
    await eventually('nothing of it is left', async () => ekiden.taskProcesses().length === 0 && (await ekiden.get('/v2/apps//plain')).status === 404);
  },
  TIMEOUT_MS,
);

it(
  'holds an app that needs more, and says so in the queue, in why, and at the deployment',
  async () => {
    const app = { ...SMALL, id: '/more', cmd: 'exec sleep 1003', healthChecks: [commandCheck(), commandCheck()] };
    const reason = "this master does not carry Ekiden's task data: 2 health checks";
    const put = await ekiden.send('PUT', '/v2/apps//more', app);
    expect(put.status).toBe(201);
    expect(put.headers.get('warning')).toContain(reason);
    await eventually('the queue says so', async () => (await ekiden.get('/v2/queue')).body.queue[0]?.heldBecause?.includes(reason));
    expect((await ekiden.get('/ekiden/v1/why/more')).body.summary).toContain(reason);
    expect((await ekiden.get('/ekiden/v1/deployments')).body.deployments[0].reason).toContain(reason);
    expect(ekiden.cli('why', '/more').out).toContain(reason);
    expect(await ekiden.tasks('/more')).toEqual([]);

    await ekiden.send('PUT', '/v2/apps//more?force=true', { healthChecks: [commandCheck()] });
    await ekiden.settled('/more');
    await ekiden.send('DELETE', '/v2/apps//more');
  },
  TIMEOUT_MS,
);
