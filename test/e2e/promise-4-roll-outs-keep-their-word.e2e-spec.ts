/**
 * Promise 4 on real processes: new versions come and bad ones go back under load, and no request fails.
 *
 * The client is `balancer.ts`: it listens to events as a load balancer does. `drainSeconds` gives it time to take a backend out.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Balancer } from './balancer.js';
import { Ekiden, eventually, type AnyJson } from './ekiden.js';

const TIMEOUT_MS = 240_000;
const INSTANCES = 4;
const MIN_HEALTHY = 3;
const MAX_TOTAL = 5;

/** Answers with its version; `/health` only when it is warm; ends what it has begun before it ends itself. */
const SERVER = `
const { createServer } = require('node:http');
const isBroken = process.env.VERSION === 'broken';
const server = createServer((request, response) => {
  if (request.url === '/health' && isBroken) { response.statusCode = 500; return response.end('broken'); }
  setTimeout(() => response.end(process.env.VERSION), 20);
}).listen(Number(process.env.PORT0), process.env.HOST);
process.on('SIGTERM', () => server.close(() => process.exit(0)));
`;

let ekiden: Ekiden;
let balancer: Balancer;

const app = (version: string): { id: string } & Record<string, unknown> => ({
  id: '/web',
  cmd: `exec ${process.execPath} ${join(ekiden.dataDir, 'server.js')}`,
  env: { VERSION: version },
  instances: INSTANCES,
  cpus: 0.05,
  mem: 32,
  portDefinitions: [{ name: 'http', port: 0 }],
  healthChecks: [
    { protocol: 'MESOS_HTTP', path: '/health', portIndex: 0, delaySeconds: 0, gracePeriodSeconds: 2, intervalSeconds: 1, maxConsecutiveFailures: 0 },
  ],
  readinessChecks: [{ name: 'ready', protocol: 'HTTP', path: '/health', portName: 'http', intervalSeconds: 2, timeoutSeconds: 1 }],
  upgradeStrategy: { minimumHealthCapacity: 0.75, maximumOverCapacity: 0.25 },
  taskKillGracePeriodSeconds: 20,
  drainSeconds: 1,
  progressDeadlineSeconds: 6,
});

beforeAll(async () => {
  ekiden = await Ekiden.start();
  writeFileSync(join(ekiden.dataDir, 'server.js'), SERVER);
  await ekiden.deploy(app('one'));
  balancer = new Balancer(ekiden, '/web');
  await balancer.start();
}, TIMEOUT_MS);

afterAll(async () => {
  await balancer?.stop();
  await ekiden?.end();
}, TIMEOUT_MS);

/** Over all that was seen so far: nobody failed, and neither budget was ever left. */
function expectTheWordKept(): void {
  expect(balancer.failures).toEqual([]);
  expect(Math.min(...balancer.looks.map(({ backends }) => backends))).toBeGreaterThanOrEqual(MIN_HEALTHY);
  expect(Math.max(...balancer.looks.map(({ tasks }) => tasks))).toBeLessThanOrEqual(MAX_TOTAL);
}

const history = async (id: string): Promise<AnyJson> => (await ekiden.get(`/ekiden/v1/deployments/${id}`)).body;

it(
  'rolls a new version out under load without a failed request',
  async () => {
    await eventually('the old version serves', () => balancer.answered('one') > 20);
    await ekiden.deploy(app('two'));
    const before = balancer.answered('one');
    const seen = balancer.answered('two');
    await eventually('the new version serves', () => balancer.answered('two') > seen + 20);
    expect(balancer.answered('one')).toBe(before);
    expectTheWordKept();
  },
  TIMEOUT_MS,
);

it(
  'calls a bad version stuck, says why, and rolls it back under the same load',
  async () => {
    const { status, body } = await ekiden.send('PUT', '/v2/apps//web', app('broken'));
    expect(status).toBe(200);
    await eventually('the deployment is stuck', async () => (await history(body.deploymentId)).stuckSince !== null);
    const stuck = await history(body.deploymentId);
    expect(stuck.state).toBe('running');
    expect(stuck.reason).toMatch(/2 of 4 instances run and are not healthy yet/);
    const why = (await ekiden.get('/ekiden/v1/why//web')).body;
    expect(why.deployments).toEqual([expect.objectContaining({ id: body.deploymentId, stuckSince: stuck.stuckSince })]);
    expect((await ekiden.tasks('/web')).length).toBe(MAX_TOTAL);
    expectTheWordKept();

    const back = await ekiden.send('DELETE', `/v2/deployments/${body.deploymentId}`);
    expect(back.status).toBe(200);
    await ekiden.settled('/web');
    expect((await ekiden.get('/v2/apps//web')).body.app.env).toEqual({ VERSION: 'two' });
    expect((await history(back.body.deploymentId)).state).toBe('succeeded');
    expect((await history(body.deploymentId)).state).not.toBe('running');
    const seen = balancer.answered('two');
    await eventually('the old version serves on', () => balancer.answered('two') > seen + 20);
    expect(balancer.answered('broken')).toBe(0);
    expectTheWordKept();
  },
  TIMEOUT_MS,
);

it(
  'finishes a roll-out that the API was killed in, without a failed request',
  async () => {
    const { status } = await ekiden.send('PUT', '/v2/apps//web', app('three'));
    expect(status).toBe(200);
    await eventually('it is half way', () => balancer.answered('three') > 0);
    await ekiden.kill('api');
    await ekiden.settled('/web');
    const seen = balancer.answered('three');
    await eventually('the new version serves', () => balancer.answered('three') > seen + 20);
    expectTheWordKept();
  },
  TIMEOUT_MS,
);
