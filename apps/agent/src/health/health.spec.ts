import { decodeStatusData } from '@ekiden/mesos';
import { AgentBench, aHealthCheck, ekidenData } from '../../test/agent-bench.js';

const aReadinessCheck = {
  name: 'r',
  protocol: 'HTTP',
  path: '/',
  port: 31000,
  intervalMs: 1000,
  timeoutMs: 500,
  statusCodes: [200],
  preserveLastResponse: true,
} as const;

describe('health', () => {
  const checked = (change = {}) => ({ data: ekidenData({ healthChecks: [aHealthCheck(change)] }) });

  it('is reported on change only, and never kills with Ekiden task data', async () => {
    const bench = new AgentBench();
    await bench.start();
    await bench.launch('t1', checked());
    await bench.clock.run(10_000);
    const healthy = bench.link.statuses().filter((status) => status.healthy === true);
    expect(healthy).toMatchObject([{ state: 'TASK_RUNNING', reason: 'REASON_TASK_HEALTH_CHECK_STATUS_UPDATED' }]);
    await bench.launch('t2', { ...checked(), command: { value: 'unhealthy', environment: { variables: [{ name: 'P', value: '31001' }] } } });
    expect(bench.machine.alive()).toHaveLength(2);
  });

  it('counts failures up to exhausted, at the maxConsecutiveFailures-th', async () => {
    const bench = new AgentBench();
    await bench.start();
    await bench.launch('t1', { ...checked(), command: { value: 'unhealthy', environment: { variables: [{ name: 'P', value: '31000' }] } } });
    await bench.clock.run(2_900);
    const results = bench.link.statuses().flatMap((status) => decodeStatusData(status.data)?.checks[0] ?? []);
    expect(results.map((result) => [result.consecutiveFailures, result.exhausted])).toEqual([
      [1, false],
      [2, false],
      [3, true],
    ]);
    expect(bench.machine.alive()).toHaveLength(1);
  });

  it('counts a check that cannot be asked as failed, and lives on', async () => {
    const bench = new AgentBench();
    const http = (): Promise<never> => {
      throw new TypeError('Request path contains unescaped characters');
    };
    await bench.start({ probe: { ...bench.machine.probe(), http } });
    const data = ekidenData({ healthChecks: [aHealthCheck({ path: '/a b' })], readinessCheck: aReadinessCheck });
    await bench.launch('t1', { data });
    await bench.clock.run(3_000);
    expect(decodeStatusData(bench.link.statuses().at(-1)?.data)?.checks[0]).toMatchObject({
      alive: false,
      lastFailureCause: expect.stringContaining('unescaped'),
    });
    expect(decodeStatusData(bench.link.statuses().at(-1)?.data)?.readiness).toMatchObject({ ready: false });
  });

  it('kills at a plain Mesos health check', async () => {
    const bench = new AgentBench();
    await bench.start();
    await bench.launch('t1', {
      command: { value: 'unhealthy', environment: { variables: [{ name: 'P', value: '31000' }] } },
      health_check: { type: 'HTTP', http: { port: 31000 }, delay_seconds: 0, interval_seconds: 1, grace_period_seconds: 0, consecutive_failures: 2 },
    });
    await bench.clock.run(3_000);
    expect(bench.machine.alive()).toEqual([]);
    expect(bench.link.statuses().at(-1)).toMatchObject({ state: 'TASK_KILLED', healthy: false, message: expect.stringContaining('2 times in a row') });
  });

  it('goes on from what was reported when the agent restarts, and says once what it sees now', async () => {
    const bench = new AgentBench();
    await bench.start();
    await bench.launch('t1', checked());
    await bench.clock.run(2_000);
    const before = decodeStatusData(bench.link.statuses().at(-1)?.data)?.checks[0];
    bench.kill();
    await bench.start();
    await bench.clock.run(3_000);
    expect(bench.link.register()?.tasks[0]?.latest?.healthy).toBe(true);
    expect(bench.link.statuses()).toMatchObject([{ state: 'TASK_RUNNING', healthy: true }]);
    expect(decodeStatusData(bench.link.statuses().at(-1)?.data)?.checks[0]).toMatchObject({ alive: true, firstSuccess: before?.firstSuccess });
  });

  it('readiness is asked until ready, and its response kept', async () => {
    const bench = new AgentBench();
    await bench.start();
    await bench.launch('t1', {
      data: ekidenData({ readinessCheck: aReadinessCheck }),
    });
    await bench.clock.run(5_000);
    const readiness = bench.link.statuses().map((status) => decodeStatusData(status.data)?.readiness ?? null);
    expect(readiness).toEqual([null, { ready: true, lastResponse: { status: 200, contentType: 'text/plain', body: '' } }]);
  });

  it('news that were not sent yet are replaced, not queued', async () => {
    const bench = new AgentBench();
    bench.acknowledges = false;
    await bench.start();
    await bench.launch('t1', { ...checked(), command: { value: 'unhealthy', environment: { variables: [{ name: 'P', value: '31000' }] } } });
    await bench.clock.run(8_000);
    expect(bench.agent.tasks()[0]?.unacknowledged).toHaveLength(2);
  });
});
