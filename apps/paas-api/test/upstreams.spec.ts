/** What the API asks of others for a client: logs of agents, and the agents that the master knows. */
import { agentId, appId, instanceId, taskId, type Instance } from '@ekiden/model';
import { logFrame, silentLog, systemWorld, type LogEvent } from '@ekiden/service';
import { LOG_RESUME_MS } from '../src/http/bounds.js';
import { openBench, type HttpBench } from './http-bench.js';

/** The first test of a file also loads Nest, which takes its time on a machine that has much else to do. */
jest.setTimeout(60_000);

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

/** One connection of an agent: its events, and then it breaks; the refusal of a whole answer; or one that says nothing until it is left. */
type Stream = readonly LogEvent[] | Response | 'quiet';

function quietUntil(signal: AbortSignal | null | undefined): ReadableStream<Uint8Array> {
  return new ReadableStream({
    start: (controller) => {
      controller.enqueue(Buffer.from(':\n\n'));
      signal?.addEventListener('abort', () => controller.error(signal.reason));
    },
  });
}

/** An agent and a master behind one fetch; remembers what was asked. `streams` are the answers to who follows, in turn. */
function upstream(streams: readonly Stream[]) {
  const left = [...streams];
  const asked: { readonly url: URL; readonly authorization: string | null; readonly signal: AbortSignal | undefined }[] = [];
  const answer: typeof fetch = async (input, init) => {
    const url = new URL(input instanceof Request ? input.url : input);
    asked.push({ url, authorization: new Headers(init?.headers).get('authorization'), signal: init?.signal ?? undefined });
    if (url.hostname === 'standby.example') return new Response(null, { status: 307, headers: { location: '//master.example:5050/api/v1' } });
    if (url.pathname === '/api/v1') {
      const resources = [
        { name: 'cpus', scalar: { value: 4 } },
        { name: 'mem', scalar: { value: 1_024 } },
      ];
      const info = { id: { value: 'a-1' }, hostname: 'n1', port: 5_051, attributes: [{ name: 'rack', text: { value: 'r1' } }] };
      return Response.json({ type: 'GET_AGENTS', get_agents: { agents: [{ agent_info: info, active: true, total_resources: resources }] } });
    }
    if (new Headers(init?.headers).get('accept') === 'text/event-stream') {
      const next = left.shift() ?? new Response(null, { status: 404 });
      if (next === 'quiet') return new Response(quietUntil(init?.signal));
      return next instanceof Response ? next : new Response(`:\n\n${next.map(logFrame).join('')}`);
    }
    const offset = Number(url.searchParams.get('offset'));
    const bytes = LOG.subarray(offset, offset + Number(url.searchParams.get('length')));
    return new Response(bytes, { headers: { 'x-ekiden-begin': '0', 'x-ekiden-end': String(LOG.length), 'x-ekiden-offset': String(offset) } });
  };
  return { asked, answer };
}

const benches: HttpBench[] = [];
afterEach(async () => {
  for (const bench of benches.splice(0)) await bench.close();
});

const { clock } = systemWorld(silentLog);
/** Agents are asked again at once. */
const eagerClock = { now: () => clock.now(), after: (ms: number, wake: () => void) => clock.after(ms === LOG_RESUME_MS ? 0 : ms, wake) };

const open = async (master = 'http://master.example:5050', streams: readonly Stream[] = []) => {
  const { asked, answer } = upstream(streams);
  const bench = await openBench({ fetch: answer, masters: [master], clusterToken: 'join', clock: eagerClock });
  benches.push(bench);
  await bench.send('POST', '/v2/apps', { id: '/shop/web', cmd: 'sleep 1000' });
  bench.api.instancesOf.set(running.appId, [running]);
  return { bench, asked };
};

describe('what the API asks of others', () => {
  it('reads logs of the agent, with the token, and never half a character', async () => {
    const { bench, asked } = await open();
    const path = `/ekiden/v1/tasks/${TASK}/logs/stdout`;
    expect((await bench.send('GET', `${path}?offset=4&length=3`)).body).toEqual({
      data: 'tw',
      offset: 4,
      nextOffset: 6,
      size: LOG.length,
      begin: 0,
      keptUntil: null,
    });
    expect((await bench.send('GET', `${path}?offset=6&length=100`)).body).toMatchObject({ data: 'ö\nthree\n', nextOffset: LOG.length });
    expect((await bench.send('GET', `${path}?offset=-1&length=0`)).body).toMatchObject({ data: '', offset: LOG.length });
    expect(asked[0]?.url.href).toBe(`http://agent.example:5051/ekiden/v1/tasks/${TASK}/logs/stdout?offset=4&length=3`);
    expect(asked[0]?.authorization).toBe('Bearer join');
    expect(await bench.send('GET', '/ekiden/v1/tasks/nobody/logs/stdout')).toMatchObject({ status: 404 });
    expect(await bench.send('GET', `${path}?offset=x`)).toMatchObject({ status: 400 });
  });

  describe('about a log that is followed', () => {
    const path = `/ekiden/v1/tasks/${TASK}/logs/stdout`;
    const log = (offset: number, text: string | Buffer): LogEvent => ({ kind: 'log', offset, bytes: Buffer.from(text) });
    const end: LogEvent = { kind: 'end', offset: 8, keptUntil: '2026-12-01T00:00:00.000Z' };
    const following = (streams: readonly Stream[]) => open(undefined, streams);
    const SSE = { accept: 'text/event-stream' };

    it('passes on events, and goes on where it was when the agent comes back', async () => {
      const away = new Response(null, { status: 500 });
      const { bench, asked } = await following([[log(0, 'one\n')], away, [{ kind: 'gap', from: 4, to: 5 }, log(5, 'two'), end]]);
      const { text, headers } = await bench.send('GET', path, undefined, SSE);
      expect(headers.get('content-type')).toBe('text/event-stream; charset=utf-8');
      const [first, interrupted, ...rest] = text.split('\n\n');
      expect(first).toBe('event: log\nid: 4\ndata: {"offset":0,"data":"one\\n"}');
      expect(interrupted).toMatch(/^event: interrupted\ndata: \{"why":"the agent has ended the stream"\}$/);
      expect(rest.join('\n\n')).toBe(`${logFrame({ kind: 'gap', from: 4, to: 5 })}${logFrame(log(5, 'two'))}${logFrame(end)}`);
      expect(asked.map(({ url }) => url.searchParams.get('offset'))).toEqual(['0', '4', '4']);
      expect(asked.every(({ authorization }) => authorization === 'Bearer join')).toBe(true);
    });

    it('begins after the last event that a client has seen, or at the end', async () => {
      const { bench, asked } = await following([[end], [end]]);
      await bench.send('GET', `${path}?offset=1`, undefined, { ...SSE, 'last-event-id': '7' });
      await bench.send('GET', `${path}?offset=-1`, undefined, SSE);
      expect(asked.map(({ url }) => url.search)).toEqual(['?offset=7', '?offset=0&length=0', `?offset=${LOG.length}`]);
    });

    it('is plain text for who asks so, byte by byte, and ends with the task', async () => {
      const bytes = Buffer.from('41ff42', 'hex');
      const { bench } = await following([[log(0, bytes)], [log(3, '\nend'), end]]);
      const response = await fetch(`${bench.url}${path}?follow=true`);
      expect(response.headers.get('content-type')).toBe('text/plain; charset=utf-8');
      expect(Buffer.from(await response.arrayBuffer())).toEqual(Buffer.concat([bytes, Buffer.from('\nend')]));
    });

    it('breaks off where not all could be sent', async () => {
      const { bench } = await following([[log(0, 'one')]]);
      await expect(bench.send('GET', `${path}?follow=true`)).rejects.toThrow('terminated');
    });

    it('is left on the agent when its reader leaves', async () => {
      const { bench, asked } = await following(['quiet']);
      const reader = new AbortController();
      await fetch(bench.url + path, { headers: SSE, signal: reader.signal });
      const signal = asked[0]?.signal;
      expect(signal?.aborted).toBe(false);
      const left = new Promise((resolve) => signal?.addEventListener('abort', resolve));
      reader.abort();
      await left;
    });

    it('is refused before it begins where there is none, and no place for it', async () => {
      const { bench } = await following([new Response(null, { status: 404 }), new Response(null, { status: 503 }), new Response(null, { status: 500 })]);
      const statuses = [];
      for (let time = 0; time < 3; time += 1) statuses.push((await bench.send('GET', path, undefined, SSE)).status);
      expect(statuses).toEqual([404, 503, 502]);
    });
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
