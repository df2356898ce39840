/**
 * Tasks that mean no good, all at once on one machine with a service: forks without end, memory taken by a child, a disk filled, lines
 * without end. Each meets its own bound and is told so; the service answers every request, and so does Ekiden.
 */
import { join } from 'node:path';
import { probeRuntimes } from '@ekiden/isolation';
import { Ekiden, eventually, type AnyJson } from './ekiden.js';
import { joinAgent, LonePart, onAgent } from './lone-part.js';

jest.setTimeout(240_000);

/** One failure is enough: the next launch is minutes away. */
const ONCE = { backoffSeconds: 300, cpus: 0.1, mem: 32, disk: 16, ...onAgent('shared') };
const ABUSERS: Readonly<Record<string, string>> = {
  forks: 'bomb() { bomb | bomb & }; while :; do bomb; sleep 0.1; done',
  // Not by the task's first process: the shell waits for it.
  memory: `node -e 'const held = []; for (;;) held.push(Buffer.alloc(1 << 20, 1))'; exit $?`,
  disk: 'while :; do dd if=/dev/zero of=fill bs=1M count=64; done',
  lines: 'yes "a line of a log that nobody reads"',
};
const SERVICE = `exec node -e 'require("node:http").createServer((_, response) => response.end("served")).listen(process.env.PORT0, process.env.HOST)'`;
const REQUESTS_BESIDE = 200;

let ekiden: Ekiden;
let agent: LonePart;
let isLimited = false;
beforeAll(async () => {
  isLimited = (await probeRuntimes()).cgroup !== null;
  ekiden = await Ekiden.start();
  agent = await joinAgent(ekiden, 'shared', join(ekiden.dataDir, 'shared'), ['--disk-policy', 'kill', '--disk-check-ms', '200', '--log-max-mib', '1']);
});
afterAll(async () => {
  await LonePart.endAll();
  await ekiden?.end();
});

it('leaves a service, its machine and Ekiden alone, and says what became of each', async () => {
  if (!isLimited) return; // Without control groups nothing keeps tasks apart; the agent says so in `ekiden nodes -v`.
  const healthChecks = [{ protocol: 'HTTP', path: '/', portIndex: 0, intervalSeconds: 1, gracePeriodSeconds: 60, maxConsecutiveFailures: 10 }];
  await ekiden.deploy({ id: '/near/service', cmd: SERVICE, cpus: 1, mem: 128, ...onAgent('shared'), healthChecks });
  const [service] = await ekiden.tasks('/near/service');
  const url = `http://${service.host}:${service.ports[0]}/`;

  for (const [name, cmd] of Object.entries(ABUSERS))
    expect((await ekiden.send('PUT', `/v2/apps/near/${name}`, { id: `/near/${name}`, cmd, ...ONCE })).status).toBe(201);
  await eventually('all have been started', async () => {
    for (const name of Object.keys(ABUSERS)) if (!(await wasStarted(name))) return false;
    return true;
  });
  for (let request = 0; request < REQUESTS_BESIDE; request += 1) expect(await (await fetch(url, { headers: { connection: 'close' } })).text()).toBe('served');
  expect((await fetch(`${agent.url}/health`)).status).toBe(200);

  expect(await failureOf('memory')).toMatch(/memory/i);
  expect(await failureOf('disk')).toMatch(/disk/i);
  expect((await ekiden.tasks('/near/service')).map(({ id, state }) => [id, state])).toEqual([[service.id, 'TASK_RUNNING']]);

  for (const name of Object.keys(ABUSERS)) await ekiden.send('DELETE', `/v2/apps/near/${name}?force=true`);
  await eventually('nothing of them is left', () => ekiden.taskProcesses().every(({ taskId }) => taskId === service.id));
  expect(await (await fetch(url)).text()).toBe('served');
  await ekiden.send('DELETE', '/v2/apps/near/service?force=true');
  await eventually('the service is gone', () => ekiden.taskProcesses().length === 0);
});

const app = async (name: string): Promise<AnyJson> => (await ekiden.get(`/v2/apps/near/${name}`)).body.app;

async function wasStarted(name: string): Promise<boolean> {
  const { lastTaskFailure, tasksRunning } = await app(name);
  return tasksRunning > 0 || (lastTaskFailure ?? null) !== null;
}

async function failureOf(name: string): Promise<string> {
  let message = '';
  await eventually(`${name} has failed`, async () => (message = (await app(name)).lastTaskFailure?.message ?? '') !== '');
  return message;
}
