import type { AddressInfo } from 'node:net';
import type { TaskStatistics } from '@ekiden/isolation';
import { taskId } from '@ekiden/model';
import { silentLog } from '@ekiden/service';
import { AgentBench } from '../../test/agent-bench.js';
import { agentMetrics } from './agent-metrics.js';
import { createAgentServer, OPEN_PATHS } from './agent-server.js';
import { MAX_TASKS_SHOWN } from './task-metrics.js';

const MIB = 1024 * 1024;
const WEB = 'shop_web.instance-5cb1d3a0-1111-4222-8333-444455556666._app.1';
const TOKEN = 'of-the-cluster';

const USED: TaskStatistics = {
  cpu: { totalSecs: 2.5, userSecs: 2, systemSecs: 0.5 },
  throttling: { periods: 100, throttledPeriods: 25, throttledSecs: 1.5 },
  memory: {
    rssBytes: 8 * MIB,
    workingSetBytes: 10 * MIB,
    cacheBytes: 4 * MIB,
    totalBytes: 12 * MIB,
    swapBytes: 0,
    peakBytes: 20 * MIB,
    limitBytes: 32 * MIB,
  },
  io: { readBytes: 100, writtenBytes: 7 },
  processes: 2,
  threads: 5,
};
const BARE: TaskStatistics = { ...USED, throttling: null, io: null, memory: { ...USED.memory, peakBytes: null, limitBytes: null } };

const TRAFFIC = { receivedBytes: 11, receivedPackets: 2, sentBytes: 33, sentPackets: 4 };
const NO_NETWORKS = {
  attach: () => Promise.reject(new Error('none')),
  detach: () => Promise.resolve(),
  find: () => null,
  sweep: () => Promise.resolve(0),
};

const closers: (() => void)[] = [];
afterEach(() => {
  for (const close of closers.splice(0)) close();
});

/** An agent with these tasks behind its HTTP. */
async function served(tasks: Readonly<Record<string, TaskStatistics>>, trouble: Error | null = null) {
  const bench = new AgentBench();
  await bench.start({
    runtime: {
      ...bench.machine.runtime(),
      stats: (ids) => {
        if (trouble !== null) throw trouble;
        return new Map(ids.flatMap((id) => (tasks[id] === undefined ? [] : [[id, tasks[id]] as const])));
      },
    },
    history: { load: () => Promise.resolve(null), save: () => Promise.resolve() },
    networks: { ...NO_NETWORKS, traffic: (ids) => new Map(ids.flatMap((id) => (id === WEB ? [[id, TRAFFIC] as const] : []))) },
  });
  const scalar = (name: string, value: number) => ({ name, type: 'SCALAR' as const, scalar: { value } });
  for (const id of Object.keys(tasks)) await bench.launch(id, { resources: [scalar('cpus', 0.5), scalar('mem', 64)] });
  const server = createAgentServer({
    policy: { allowedHosts: [], tokens: [TOKEN], contentTypes: [], openPaths: OPEN_PATHS },
    log: silentLog,
    tasks: () => bench.agent.tasks(),
    view: () => bench.agent.view(),
    workDir: '/nowhere',
    retentionMs: 0,
    task: (id) => bench.agent.task(id),
    isRecovered: () => true,
    statistics: { sampler: bench.agent.sampler, hardCpus: true, agentId: () => bench.agent.view().agentId },
    metrics: agentMetrics(() => bench.agent, silentLog),
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  closers.push(() => (server.closeAllConnections(), server.close()));
  const base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const ask = (path: string, token: string | null = TOKEN) => fetch(base + path, { headers: token === null ? {} : { authorization: `Bearer ${token}` } });
  const get = async (path: string) => {
    const response = await ask(path);
    // oxlint-disable-next-line typescript/no-explicit-any
    return { status: response.status, body: (await response.json()) as any };
  };
  return { bench, ask, get };
}

describe('what tasks use, over HTTP', () => {
  it('is told in the words of Mesos, and only what is measured', async () => {
    const { bench, get } = await served({ [WEB]: USED, plain: BARE });
    const { body } = await get('/monitor/statistics');
    expect(body[0]).toEqual({
      framework_id: 'framework-1',
      executor_id: WEB,
      executor_name: `Command Executor (Task: ${WEB})`,
      source: WEB,
      statistics: {
        timestamp: bench.clock.now() / 1_000,
        processes: 2,
        threads: 5,
        cpus_user_time_secs: 2,
        cpus_system_time_secs: 0.5,
        cpus_limit: 0.5,
        cpus_soft_limit: 0.5,
        cpus_nr_periods: 100,
        cpus_nr_throttled: 25,
        cpus_throttled_time_secs: 1.5,
        mem_total_bytes: 12 * MIB,
        mem_rss_bytes: 8 * MIB,
        mem_anon_bytes: 8 * MIB,
        mem_file_bytes: 4 * MIB,
        mem_cache_bytes: 4 * MIB,
        mem_swap_bytes: 0,
        mem_limit_bytes: 32 * MIB,
        mem_soft_limit_bytes: 64 * MIB,
        net_rx_packets: 2,
        net_rx_bytes: 11,
        net_tx_packets: 4,
        net_tx_bytes: 33,
        blkio_statistics: {
          throttling: [
            {
              io_service_bytes: [
                { op: 'READ', value: 100 },
                { op: 'WRITE', value: 7 },
                { op: 'TOTAL', value: 107 },
              ],
            },
          ],
        },
      },
    });
    expect(Object.keys(body[1].statistics)).not.toEqual(expect.arrayContaining(['cpus_nr_periods', 'blkio_statistics', 'net_rx_bytes']));
    expect(body[1].statistics.mem_limit_bytes).toBe(64 * MIB);
    expect((await get('/slave(1)/monitor/statistics.json')).body).toEqual(body);
    const containers = await get('/containers?container_id=plain');
    expect(containers.body).toMatchObject([{ container_id: 'plain', status: { container_id: { value: 'plain' } }, statistics: { processes: 2 } }]);
    expect((await get('/containers')).body).toHaveLength(2);
  });

  it('is told of the tasks whose ids begin so', async () => {
    const { get } = await served({ [WEB]: USED, plain: BARE });
    const { body } = await get('/ekiden/v1/statistics?idPrefix=shop_web.instance-');
    expect(body).toMatchObject({
      agentId: 'agent-1',
      leftOut: 0,
      tasks: [
        {
          taskId: WEB,
          cpu: { totalSecs: 2.5, requestedCpus: 0.5, limitCpus: 0.5 },
          memory: { peakBytes: 20 * MIB, requestedBytes: 64 * MIB },
          network: TRAFFIC,
        },
      ],
    });
    expect(body.tasks).toHaveLength(1);
    expect((await get('/ekiden/v1/statistics')).body.tasks).toHaveLength(2);
    expect(await get(`/ekiden/v1/statistics?idPrefix=${'x'.repeat(256)}`)).toMatchObject({ status: 400 });
  });

  it('is told of one task, now and before, and of an ended one before', async () => {
    const { bench, get } = await served({ t1: USED });
    await bench.clock.run(120_000);
    const both = await get('/ekiden/v1/tasks/t1/statistics');
    expect(both.body).toMatchObject({
      taskId: 't1',
      now: { threads: 5 },
      history: [{ resolutionSecs: 60, from: expect.stringMatching(/Z$/) }, { resolutionSecs: 300 }],
    });
    bench.machine.end(taskId('t1'), { code: 0 });
    await bench.clock.run(2_000);
    expect((await get('/ekiden/v1/tasks/t1/statistics')).body).toMatchObject({ now: null, history: [{ resolutionSecs: 60 }, {}] });
    expect(await get('/ekiden/v1/tasks/t2/statistics')).toMatchObject({ status: 404 });
    expect(await get('/ekiden/v1/tasks/a%2Fb/statistics')).toMatchObject({ status: 400 });
    expect(await get('/ekiden/v1/tasks/%ff/statistics')).toMatchObject({ status: 400 });
  });

  it('is in the metrics for who may ask for tasks, by app and task', async () => {
    const { ask, bench } = await served({ [WEB]: USED, plain: BARE });
    const text = await (await ask('/metrics/prometheus')).text();
    expect(text).toContain(`ekiden_agent_task_cpu_seconds_total{app="/shop/web",task="${WEB}"} 2.5`);
    expect(text).toContain('# TYPE ekiden_agent_task_cpu_seconds_total counter');
    expect(text).toContain(`ekiden_agent_task_memory_peak_bytes{app="/shop/web",task="${WEB}"} ${20 * MIB}`);
    expect(text).toContain(`ekiden_agent_task_network_sent_bytes_total{app="/shop/web",task="${WEB}"} 33`);
    expect(text).not.toMatch(/task_network_sent_bytes_total\{app="plain"/);
    expect(text).toMatch(/ekiden_agent_task_threads\{app="plain",task="plain"\} 5/);
    expect(text).not.toMatch(/task_memory_peak_bytes\{app="plain"/);
    const open = await (await ask('/metrics/prometheus', null)).text();
    expect(open).toContain('ekiden_agent_tasks{stage="running"} 2');
    expect(open).not.toContain('plain');
    bench.machine.end(taskId('plain'), { code: 0 });
    await bench.clock.run(2_000);
    expect(await (await ask('/metrics/prometheus')).text()).not.toContain('task="plain"');
    expect(MAX_TASKS_SHOWN).toBeLessThanOrEqual(1_000);
  });

  it('takes no other figure away when it cannot be measured', async () => {
    const { ask } = await served({ t1: USED }, new Error('EMFILE: too many open files'));
    const text = await (await ask('/metrics/prometheus')).text();
    expect(text).toContain('ekiden_agent_tasks_measured 0');
    expect(text).toContain('ekiden_agent_tasks{stage="running"} 1');
    expect((await ask('/monitor/statistics')).status).toBe(500);
  });

  it('is for nobody without the token', async () => {
    const { ask } = await served({ t1: USED });
    for (const path of ['/containers', '/monitor/statistics', '/slave(1)/containers', '/ekiden/v1/statistics', '/ekiden/v1/tasks/t1/statistics'])
      expect([path, (await ask(path, null)).status]).toEqual([path, 401]);
  });
});
