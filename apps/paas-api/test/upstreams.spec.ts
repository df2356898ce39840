/** What the API asks of others for a client: logs of agents, and the agents that the master knows. */
import { agentId, appId, instanceId, taskId, type Instance } from '@ekiden/model';
import { openBench, type HttpBench } from './http-bench.js';

const TASK = taskId('shop_web.instance-1._app.1');
const LOG = Buffer.from('one\ntwö\nthree\n');

const running: Instance = {
  id: instanceId('shop_web.instance-1'),
  appId: appId('/shop/web'),
  version: 0,
  goal: 'running',
  incarnation: 1,
  createdAt: 0,
  stop: null,
  backoffMs: 0,
  condition: {
    kind: 'running',
    since: 5_000,
    checks: [{ alive: true, consecutiveFailures: 0, firstSuccess: 6_000, lastSuccess: 7_000, lastFailure: null, lastFailureCause: null, exhausted: false }],
    readiness: null,
    ipAddresses: ['10.0.0.7'],
    task: {
      taskId: TASK,
      agentId: agentId('a-1'),
      hostname: 'n1',
      agentAddress: 'agent.example:5051',
      attributes: {},
      region: null,
      zone: null,
      ports: [31_000],
      streamId: 's',
      stagedAt: 4_000,
    },
  },
};

/** An agent and a master behind one fetch; remembers what was asked. */
function upstream() {
  const asked: { readonly url: URL; readonly authorization: string | null }[] = [];
  const answer: typeof fetch = async (input, init) => {
    const url = new URL(input instanceof Request ? input.url : input);
    asked.push({ url, authorization: new Headers(init?.headers).get('authorization') });
    if (url.hostname === 'standby.example') return new Response(null, { status: 307, headers: { location: '//master.example:5050/api/v1' } });
    if (url.pathname === '/api/v1') {
      const resources = [
        { name: 'cpus', scalar: { value: 4 } },
        { name: 'mem', scalar: { value: 1_024 } },
      ];
      const info = { id: { value: 'a-1' }, hostname: 'n1', port: 5_051, attributes: [{ name: 'rack', text: { value: 'r1' } }] };
      return Response.json({ type: 'GET_AGENTS', get_agents: { agents: [{ agent_info: info, active: true, total_resources: resources }] } });
    }
    const offset = Number(url.searchParams.get('offset'));
    const bytes = LOG.subarray(offset, offset + Number(url.searchParams.get('length')));
    return new Response(bytes, { headers: { 'x-ekiden-size': String(LOG.length), 'x-ekiden-offset': String(offset) } });
  };
  return { asked, answer };
}

const benches: HttpBench[] = [];
afterEach(async () => {
  for (const bench of benches.splice(0)) await bench.close();
});

const open = async (master = 'http://master.example:5050') => {
  const { asked, answer } = upstream();
  const bench = await openBench({ fetch: answer, masters: [master], clusterToken: 'join' });
  benches.push(bench);
  await bench.send('POST', '/v2/apps', { id: '/shop/web', cmd: 'sleep 1000' });
  bench.api.instancesOf.set(running.appId, [running]);
  return { bench, asked };
};

describe('what the API asks of others', () => {
  it('reads logs of the agent, with the token, and never half a character', async () => {
    const { bench, asked } = await open();
    const path = `/ekiden/v1/tasks/${TASK}/logs/stdout`;
    expect((await bench.send('GET', `${path}?offset=4&length=3`)).body).toEqual({ data: 'tw', offset: 4, nextOffset: 6, size: LOG.length });
    expect((await bench.send('GET', `${path}?offset=6&length=100`)).body).toMatchObject({ data: 'ö\nthree\n', nextOffset: LOG.length });
    expect((await bench.send('GET', `${path}?offset=-1&length=0`)).body).toMatchObject({ data: '', offset: LOG.length });
    expect(asked[0]?.url.href).toBe(`http://agent.example:5051/ekiden/v1/tasks/${TASK}/files/stdout?offset=4&length=3`);
    expect(asked[0]?.authorization).toBe('Bearer join');
    expect(await bench.send('GET', '/ekiden/v1/tasks/nobody/logs/stdout')).toMatchObject({ status: 404 });
    expect(await bench.send('GET', `${path}?offset=x`)).toMatchObject({ status: 400 });
  });

  it('lists nodes, with their tasks', async () => {
    const { bench } = await open();
    const { body } = await bench.send('GET', '/ekiden/v1/nodes');
    expect(body).toEqual({
      nodes: [
        {
          id: 'a-1',
          hostname: 'n1',
          address: 'n1:5051',
          state: 'active',
          resources: { cpus: 4, mem: 1_024, disk: 0 },
          used: { cpus: 0, mem: 0, disk: 0 },
          deficit: { cpus: 0, mem: 0, disk: 0 },
          attributes: { rack: 'r1' },
          runtimes: [],
          tasks: 1,
        },
      ],
    });
  });

  it('follows a standby to the leading master, with the token', async () => {
    const { bench, asked } = await open('http://standby.example:5050');
    expect((await bench.send('GET', '/ekiden/v1/nodes')).body).toMatchObject({ nodes: [{ id: 'a-1' }] });
    expect(asked.map(({ url, authorization }) => [url.host, authorization])).toEqual([
      ['standby.example:5050', 'Bearer join'],
      ['master.example:5050', 'Bearer join'],
    ]);
  });

  it('shows tasks in Marathon’s form, and one that is being stopped as such', async () => {
    const { bench } = await open();
    const task = {
      id: TASK,
      appId: '/shop/web',
      host: 'n1',
      slaveId: 'a-1',
      state: 'TASK_RUNNING',
      ports: [31_000],
      ipAddresses: [{ ipAddress: '10.0.0.7', protocol: 'IPv4' }],
      healthCheckResults: [
        { alive: true, consecutiveFailures: 0, instanceId: running.id, firstSuccess: '1970-01-01T00:00:06.000Z', lastSuccess: '1970-01-01T00:00:07.000Z' },
      ],
      stagedAt: '1970-01-01T00:00:04.000Z',
      startedAt: '1970-01-01T00:00:05.000Z',
      localVolumes: [],
      role: '*',
    };
    expect((await bench.send('GET', '/v2/tasks')).body).toMatchObject({ tasks: [task] });
    bench.api.instancesOf.set(running.appId, [{ ...running, stop: { since: 8_000, killAt: 9_000, reason: 'upgrading' } }]);
    expect((await bench.send('GET', '/v2/tasks')).body).toMatchObject({ tasks: [{ state: 'TASK_KILLING' }] });
    expect((await bench.send('GET', '/v2/tasks?status=running')).body).toEqual({ tasks: [] });
    expect((await bench.send('DELETE', `/v2/apps/shop/web/tasks/${TASK}`)).body).toMatchObject({ task: { id: TASK } });
    expect((await bench.send('POST', '/v2/tasks/delete', { ids: [TASK, 'shop_web.unknown'] })).body).toMatchObject({ tasks: [{ id: TASK }] });
  });
});
