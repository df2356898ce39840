/** What tasks use, asked of agents of which some do not answer. */
import { appId, instanceId, type Instance } from '@ekiden/model';
import { MAX_STATISTICS_BYTES } from '../src/http/bounds.js';
import { aTaskOf } from './a-task.js';
import { openBench, type HttpBench } from './http-bench.js';

jest.setTimeout(60_000); // the first one loads all of Nest

const WEB = appId('/shop/web');
const JOB = appId('/shop/job');

const instance = (app: typeof WEB, number: number, agent: string, kind: 'running' | 'unreachable' = 'running'): Instance => {
  const id = instanceId(`${app.slice(1).replaceAll('/', '_')}.instance-${number}`);
  const task = aTaskOf(id, { agent, hostname: `host-of-${agent}`, agentAddress: `${agent}.example:5051` });
  const condition =
    kind === 'running'
      ? ({ kind, since: 0, checks: [], readiness: null, ipAddresses: [], task } as const)
      : ({ kind, since: 0, inactiveAt: 1, expungeAt: 2, task } as unknown as Instance['condition']);
  return { id, appId: app, version: 0, goal: 'running', incarnation: 1, createdAt: 0, stop: null, backoffMs: 0, condition };
};
const uses = ({ id }: Instance, cpus: number | null) => ({
  taskId: `${id}._app.1`,
  cpu: { totalSecs: 1, requestedCpus: 0.5 },
  recent: cpus === null ? null : { secs: 2, cpus },
});

const benches: HttpBench[] = [];
afterEach(async () => {
  for (const bench of benches.splice(0)) await bench.close();
});

/** `agents` answer by name; who is not there refuses the connection. */
async function open(agents: Readonly<Record<string, (url: URL) => Response>>, instances: readonly Instance[]) {
  const asked: string[] = [];
  const answer: typeof fetch = async (input, init) => {
    const url = new URL(input instanceof Request ? input.url : input);
    asked.push(`${url.hostname}${url.pathname}${url.search} ${new Headers(init?.headers).get('authorization')}`);
    const agent = agents[url.hostname.split('.')[0] ?? ''];
    if (agent === undefined) throw new TypeError('fetch failed', { cause: new Error('connect ECONNREFUSED') });
    return agent(url);
  };
  const bench = await openBench({ fetch: answer, clusterToken: 'join' });
  benches.push(bench);
  for (const id of [WEB, JOB]) {
    await bench.send('POST', '/v2/apps', { id, cmd: 'sleep 1000' });
    bench.api.instancesOf.set(
      id,
      instances.filter((one) => one.appId === id),
    );
  }
  return { bench, asked };
}

const [web1, web2, web3, job1] = [instance(WEB, 1, 'a'), instance(WEB, 2, 'a'), instance(WEB, 3, 'b'), instance(JOB, 1, 'a')];
const list = (...tasks: unknown[]) => Response.json({ agentId: 'x', at: '', leftOut: 0, tasks });

it('asks each agent once, for all tasks of the app, and puts the busiest first', async () => {
  const { bench, asked } = await open({ a: () => list(uses(web1, 0.1), uses(web2, null)), b: () => list(uses(web3, 0.7)) }, [web1, web2, web3, job1]);
  const { status, body } = await bench.send('GET', '/ekiden/v1/apps/shop/web/statistics');
  expect(status).toBe(200);
  expect(body).toMatchObject({
    tasks: [
      { appId: '/shop/web', instanceId: web3.id, agentId: 'b', host: 'host-of-b', cpu: { requestedCpus: 0.5 }, recent: { cpus: 0.7 } },
      { instanceId: web1.id, agentId: 'a' },
      { instanceId: web2.id, recent: null },
    ],
    leftOut: 0,
    unanswered: [],
  });
  expect([...asked].sort()).toEqual(['a', 'b'].map((agent) => `${agent}.example/ekiden/v1/statistics?idPrefix=shop_web. Bearer join`));
});

it('shows all apps, no strangers, and no more than was asked for', async () => {
  const stranger = { taskId: 'of-another-framework', recent: { cpus: 9 } };
  const { bench, asked } = await open({ a: () => list(stranger, uses(web1, 0.1), uses(job1, 0.2)) }, [web1, job1]);
  expect((await bench.send('GET', '/ekiden/v1/statistics')).body).toMatchObject({ tasks: [{ appId: '/shop/job' }, { appId: '/shop/web' }], leftOut: 0 });
  expect(asked).toEqual(['a.example/ekiden/v1/statistics Bearer join']);
  expect((await bench.send('GET', '/ekiden/v1/statistics?limit=1')).body).toMatchObject({ tasks: [{ appId: '/shop/job' }], leftOut: 1 });
  for (const limit of ['0', '5001', 'x']) expect(await bench.send('GET', `/ekiden/v1/statistics?limit=${limit}`)).toMatchObject({ status: 400 });
});

it('names the agents that did not answer, each with its reason, beside what the others say', async () => {
  const heavy = new Response('{}', { headers: { 'content-length': String(MAX_STATISTICS_BYTES + 1) } });
  const { bench, asked } = await open(
    {
      a: () => list(uses(web1, 0.1)),
      c: () => new Response('nothing', { status: 404 }),
      d: () => Response.json({ tasks: 'none' }),
      e: () => heavy,
      f: () => new Response('', { status: 500 }),
    },
    [web1, ...['b', 'c', 'd', 'e', 'f'].map((agent, index) => instance(WEB, 10 + index, agent)), instance(WEB, 20, 'g', 'unreachable')],
  );
  const { body } = await bench.send('GET', '/ekiden/v1/apps/shop/web/statistics');
  expect(body).toMatchObject({
    tasks: [{ instanceId: web1.id }],
    unanswered: [
      { agentId: 'b', host: 'host-of-b', tasks: 1, why: 'connect ECONNREFUSED' },
      { agentId: 'c', why: expect.stringContaining('older version') },
      { agentId: 'd', why: expect.stringContaining('cannot be read') },
      { agentId: 'e', why: expect.stringContaining('at most') },
      { agentId: 'f', why: 'it answered 500' },
      { agentId: 'g', why: 'the agent is out of reach' },
    ],
  });
  expect(asked.some((call) => call.startsWith('g'))).toBe(false);
});

it('passes on what the agent says of one task', async () => {
  const { bench, asked } = await open({ a: () => Response.json({ taskId: 'x', now: null, history: [] }) }, [web1, web3]);
  expect(await bench.send('GET', `/ekiden/v1/tasks/${web1.id}._app.1/statistics`)).toMatchObject({ status: 200, body: { now: null, history: [] } });
  expect(asked).toEqual([`a.example/ekiden/v1/tasks/${web1.id}._app.1/statistics Bearer join`]);
  expect(await bench.send('GET', `/ekiden/v1/tasks/${web3.id}._app.1/statistics`)).toMatchObject({
    status: 502,
    body: { message: expect.stringContaining('ECONNREFUSED') },
  });
  expect(await bench.send('GET', '/ekiden/v1/tasks/nobody/statistics')).toMatchObject({ status: 404 });
  expect(await bench.send('GET', '/ekiden/v1/apps/nobody/statistics')).toMatchObject({ status: 404 });
});
