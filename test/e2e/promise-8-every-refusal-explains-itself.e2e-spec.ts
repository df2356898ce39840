/**
 * Promise 8 on real processes: bad input is told where it is bad, what waits is told what is missing, and what stands still
 * says so. The same sentences come from the API and from the command line.
 */
import { Ekiden, eventually, type AnyJson } from './ekiden.js';

const TIMEOUT_MS = 180_000;

let ekiden: Ekiden;
beforeAll(async () => void (ekiden = await Ekiden.start({ args: ['--agent-cpus', '1', '--agent-mem', '512', '--agent-attributes', 'rack:a'] })), TIMEOUT_MS);
afterAll(async () => ekiden?.end(), TIMEOUT_MS);

const app = (fields: Record<string, unknown>): { id: string } & Record<string, unknown> => ({ id: '/x', cmd: 'sleep 1000', cpus: 0.05, mem: 16, ...fields });

it.each<[string, Record<string, unknown>, string]>([
  ['a wrong type', { instances: 'many' }, '/instances'],
  ['a negative amount', { mem: -1 }, '/mem'],
  ['no cpus', { cpus: 0 }, '/cpus'],
  ['a wrong type deep inside', { healthChecks: [{ protocol: 'TCP' }, { protocol: 'SMOKE' }] }, '/healthChecks(1)/protocol'],
  ['a port that does not exist', { portDefinitions: [{ port: 0 }], healthChecks: [{ protocol: 'MESOS_HTTP', portIndex: 3 }] }, '/healthChecks(0)'],
  ['an unknown operator', { constraints: [['rack', 'NEAR', 'a']] }, '/constraints(0)'],
  ['a port used twice', { portDefinitions: [{ port: 12_001 }, { port: 12_001 }] }, '/portDefinitions'],
  ['what is not built yet', { container: { type: 'MESOS', docker: { image: 'nginx' }, linuxInfo: { seccomp: { unconfined: true } } } }, '/container'],
  ['both a command and arguments', { args: ['a', 'b'] }, '/'],
  ['an id with capitals', { id: '/Upper' }, '/id'],
  ['a bad dependency', { dependencies: ['/Upper'] }, '/dependencies(0)'],
])('names the path of %s', async (_, fields, path) => {
  const { status, body } = await ekiden.send('PUT', '/v2/apps//x', app(fields));
  expect([status, body.message]).toEqual([422, expect.any(String)]);
  expect(body.details.map((detail: AnyJson) => detail.path).join(' ')).toContain(path);
  expect(body.details.every((detail: AnyJson) => detail.errors.length > 0 && detail.errors.every((text: string) => text.length > 0))).toBe(true);
});

it.each<[string, string, string, unknown, number, RegExp]>([
  ['what is not JSON', 'PUT', '/v2/apps//x', '{"id":', 400, /JSON/],
  ['an unknown app', 'GET', '/v2/apps//nobody', undefined, 404, /nobody/],
  ['an unknown task', 'DELETE', '/v2/apps//nobody/tasks/nobody.instance-1._app.1', undefined, 404, /nobody/],
  ['an unknown deployment', 'DELETE', '/v2/deployments/none', undefined, 404, /none/],
  ['an unknown path', 'GET', '/v3/apps', undefined, 404, /./],
])('explains %s', async (_, method, path, body, status, text) => {
  const reply = await ekiden.send(method, path, body);
  expect([reply.status, reply.body.message]).toEqual([status, expect.stringMatching(text)]);
});

it.each<[string, Record<string, unknown>, string, RegExp]>([
  ['cpus', { cpus: 1.5 }, 'InsufficientCpus', /1\.5 cpus.*\b1\b/],
  ['memory', { mem: 2048 }, 'InsufficientMemory', /2048 MiB.*512/],
  ['a rack', { constraints: [['rack', 'LIKE', 'b']] }, 'UnfulfilledConstraint', /rack.*b.*a/],
  ['a port', { portDefinitions: [{ port: 80 }], requirePorts: true }, 'InsufficientPorts', /80/],
])(
  'says that %s is missing, in the queue, in why and on the command line',
  async (name, fields, reason, text) => {
    const id = `/waits/for-${name.replaceAll(' ', '-')}`;
    expect((await ekiden.send('PUT', `/v2/apps/${id}`, app({ id, ...fields }))).status).toBe(201);
    const why = async (): Promise<AnyJson> => (await ekiden.get(`/ekiden/v1/why/${id}`)).body;
    await eventually('the offer was refused', async () => (await why()).queue?.refusals.length > 0);
    expect((await why()).queue.refusals).toEqual([expect.objectContaining({ reason, text: expect.stringMatching(text), hostname: '127.0.0.1' })]);
    expect((await why()).summary).toMatch(/1 of 1 instance waits for an offer/);

    const { queue } = (await ekiden.get('/v2/queue?embed=lastUnusedOffers')).body;
    const item = queue.find((one: AnyJson) => one.app.id === id);
    expect(item.count).toBe(1);
    const declined = item.processedOffersSummary.rejectSummaryLastOffers.filter((entry: AnyJson) => entry.declined > 0);
    expect(declined).toEqual([expect.objectContaining({ reason, declined: 1 })]);
    expect(item.lastUnusedOffers).toEqual([expect.objectContaining({ reason: [reason] })]);

    const said = ekiden.cli('why', id);
    expect(said.out).toMatch(text);
    await ekiden.send('DELETE', `/v2/apps/${id}?force=true`);
  },
  TIMEOUT_MS,
);

it(
  'says what a deployment waits for, in the end that it is stuck, and why a change is refused meanwhile',
  async () => {
    const check = { protocol: 'COMMAND', command: { value: 'false' }, delaySeconds: 0, gracePeriodSeconds: 1, intervalSeconds: 1, maxConsecutiveFailures: 0 };
    const reply = await ekiden.send('PUT', '/v2/apps//x', app({ instances: 2, healthChecks: [check], progressDeadlineSeconds: 3 }));
    expect(reply.status).toBe(201);
    const { deploymentId } = reply.body.deployments ? { deploymentId: reply.body.deployments[0].id } : reply.body;
    const deployment = async (): Promise<AnyJson> => (await ekiden.get(`/ekiden/v1/deployments/${deploymentId}`)).body;
    await eventually('it is stuck', async () => (await deployment()).stuckSince !== null);
    expect((await deployment()).reason).toMatch(/2 of 2 instances run and are not healthy yet/);
    const why = (await ekiden.get('/ekiden/v1/why//x')).body;
    expect(why.waitingFor).toEqual([expect.objectContaining({ kind: 'health' })]);
    expect(why.deployments).toEqual([expect.objectContaining({ id: deploymentId, stuckSince: expect.any(String) })]);
    expect(ekiden.cli('why', '/x').out).toMatch(/not healthy yet/);

    const locked = await ekiden.send('PUT', '/v2/apps//x', app({ instances: 3 }));
    expect(locked.status).toBe(409);
    expect(locked.body).toEqual({ message: expect.stringContaining('force=true'), deployments: [{ id: deploymentId }] });
    expect((await ekiden.send('DELETE', '/v2/apps//x?force=true')).status).toBe(200);
    await eventually('it is gone', async () => (await ekiden.get('/v2/apps//x')).status === 404 && ekiden.taskProcesses().length === 0);
  },
  TIMEOUT_MS,
);

it(
  'says how a task failed that cannot start',
  async () => {
    await ekiden.send('PUT', '/v2/apps//typo', app({ id: '/typo', cmd: 'slep 1000', backoffSeconds: 60 }));
    const why = async (): Promise<AnyJson> => (await ekiden.get('/ekiden/v1/why//typo')).body;
    await eventually('its failure is known', async () => (await why()).lastTaskFailure !== null);
    expect((await why()).lastTaskFailure).toMatchObject({ state: 'TASK_FAILED', message: expect.stringMatching(/status 127|not found/) });
    await eventually('it waits', async () => /waits after a failure, the next launch is in \d+ s/.test((await why()).summary));
    const { taskId } = (await why()).lastTaskFailure;
    const log = await ekiden.get(`/ekiden/v1/tasks/${taskId}/logs/stderr`);
    expect(log.body.data).toMatch(/slep/);
  },
  TIMEOUT_MS,
);
