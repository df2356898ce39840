import { frameworkId } from '@ekiden/model';
import { aTask, TestMaster, TestAgent, someResources } from './test-master.js';

async function aRunningTask(config = {}) {
  const test = await TestMaster.started(config);
  const agent = await test.agent();
  const scheduler = await test.subscribed();
  await scheduler.launch('t1');
  return { test, agent, scheduler };
}

describe('a status', () => {
  it('reaches the framework, its acknowledgement the agent, and the terminal one ends the task', async () => {
    const { test, agent, scheduler } = await aRunningTask();
    agent.status(scheduler, 't1', 'TASK_RUNNING');
    const [running] = scheduler.statuses();
    expect(running).toMatchObject({ state: 'TASK_RUNNING', source: 'SOURCE_EXECUTOR', agent_id: { value: agent.id } });
    scheduler.acknowledge(running!);
    expect(agent.heard('acknowledge')).toMatchObject([{ taskId: 't1', uuid: running!.uuid }]);
    agent.status(scheduler, 't1', 'TASK_FINISHED');
    expect(test.master.state.tasks()).toHaveLength(1);
    scheduler.acknowledge(scheduler.statuses()[0]!);
    expect(test.master.state.tasks()).toEqual([]);
  });

  it('is acknowledged with others in one call; in plain Mesos mode, that call is unknown', async () => {
    for (const extensions of [true, false]) {
      const { test, agent, scheduler } = await aRunningTask({ extensions });
      await scheduler.launch('t2');
      for (const task of ['t1', 't2']) agent.status(scheduler, task, 'TASK_FINISHED');
      const acknowledgements = scheduler.statuses().map(({ agent_id, task_id, uuid }) => ({ agent_id, task_id, uuid }));
      const stranger = { agent_id: { value: 'nobody' }, task_id: { value: 't3' }, uuid: acknowledgements[0]!.uuid };
      const answer = scheduler.call({ type: 'EKIDEN_BATCH_ACKNOWLEDGE', batch_acknowledge: { acknowledgements: [stranger, ...acknowledgements] } });
      expect(answer.status).toBe(extensions ? 202 : 501);
      expect(agent.heard('acknowledge').map(({ taskId }) => taskId)).toEqual(extensions ? ['t1', 't2'] : []);
      expect(test.master.state.tasks()).toHaveLength(extensions ? 0 : 2);
      expect(JSON.stringify(scheduler.of('SUBSCRIBED')).includes('EKIDEN_BATCH_ACKNOWLEDGE')).toBe(extensions);
    }
  });

  it('frees resources at the first sight of a terminal newest state, and they are offered at once', async () => {
    const { test, agent, scheduler } = await aRunningTask();
    await scheduler.offers();
    scheduler.call({ type: 'SUPPRESS' });
    agent.status(scheduler, 't1', 'TASK_RUNNING', 'TASK_FAILED');
    expect(scheduler.statuses()).toMatchObject([{ state: 'TASK_RUNNING' }]);
    expect(test.master.state.agents()[0]?.allocated).toEqual([]);
    scheduler.call({ type: 'REVIVE' });
    expect(await scheduler.offers()).toMatchObject([{ resources: [{ scalar: { value: 0.1 } }, {}] }]);
  });

  it('doubled or late changes nothing: an end is for good, resources are freed once', async () => {
    const { test, agent, scheduler } = await aRunningTask();
    const end = agent.status(scheduler, 't1', 'TASK_FAILED');
    agent.status(scheduler, 't1', 'TASK_FAILED');
    agent.status(scheduler, 't1', 'TASK_RUNNING');
    expect(test.master.state.tasks()).toMatchObject([{ state: 'TASK_FAILED' }]);
    agent.status(scheduler, 't1', 'TASK_FAILED');
    scheduler.acknowledge({ ...end, agent_id: { value: agent.id! } });
    scheduler.acknowledge({ ...end, agent_id: { value: agent.id! } });
    expect(agent.heard('acknowledge')).toHaveLength(2);
    expect(test.master.state.agents()[0]?.allocated).toEqual([]);
  });

  it('waits while the framework is away: the agent’s own retry may come minutes later', async () => {
    const { agent, scheduler } = await aRunningTask();
    scheduler.disconnect();
    agent.status(scheduler, 't1', 'TASK_RUNNING');
    await scheduler.subscribe();
    const [waiting] = scheduler.statuses();
    expect(waiting).toMatchObject({ state: 'TASK_RUNNING', agent_id: { value: agent.id } });
    scheduler.acknowledge(waiting!);
    await scheduler.subscribe();
    expect(scheduler.statuses()).toEqual([]);
  });
});

describe('KILL', () => {
  it('of a known task goes to its agent, with the policy, and again when the agent registers anew', async () => {
    const { agent, scheduler } = await aRunningTask();
    agent.status(scheduler, 't1', 'TASK_RUNNING');
    const policy = { grace_period: { nanoseconds: 5e9 } };
    scheduler.call({ type: 'KILL', kill: { task_id: { value: 't1' }, kill_policy: policy } });
    expect(agent.heard('kill')).toMatchObject([{ taskId: 't1', killPolicy: policy }]);
    agent.disconnect();
    await agent.register();
    expect(agent.heard('kill')).toMatchObject([{ taskId: 't1', killPolicy: policy }]);
  });

  it('that comes before the agent is back after a fail-over is carried out when it reports the task', async () => {
    const { test, agent, scheduler } = await aRunningTask();
    agent.status(scheduler, 't1', 'TASK_RUNNING');
    await test.failOver();
    await scheduler.subscribe();
    const policy = { grace_period: { nanoseconds: 5e9 } };
    scheduler.call({ type: 'KILL', kill: { task_id: { value: 't1' }, agent_id: { value: agent.id }, kill_policy: policy } });
    scheduler.call({ type: 'KILL', kill: { task_id: { value: 'none' }, agent_id: { value: agent.id } } });
    await agent.register();
    expect(agent.heard('kill')).toMatchObject([{ taskId: 't1', killPolicy: policy }]);
  });

  it('of an unknown one is answered as a reconciliation; naming another agent is ignored', async () => {
    const { agent, scheduler } = await aRunningTask();
    scheduler.call({ type: 'KILL', kill: { task_id: { value: 'none' }, agent_id: { value: agent.id } } });
    expect(scheduler.statuses()).toMatchObject([{ state: 'TASK_GONE', reason: 'REASON_RECONCILIATION' }]);
    scheduler.call({ type: 'KILL', kill: { task_id: { value: 't1' }, agent_id: { value: 'other' } } });
    expect(agent.heard('kill')).toEqual([]);
  });
});

describe('RECONCILE', () => {
  it('1: of a live task tells its state, with what its last status said', async () => {
    const { agent, scheduler } = await aRunningTask();
    expect(scheduler.reconcile({ id: 't1' })).toMatchObject([{ state: 'TASK_STAGING', message: 'Reconciliation: Latest task state' }]);
    agent.status(scheduler, 't1', 'TASK_RUNNING', 'TASK_FAILED', { healthy: true });
    const [answer] = scheduler.reconcile({ id: 't1' });
    expect(answer).toMatchObject({ state: 'TASK_RUNNING', healthy: true, source: 'SOURCE_MASTER', reason: 'REASON_RECONCILIATION' });
    expect(answer?.uuid).toBeUndefined();
    expect(scheduler.reconcile()).toHaveLength(1);
  });

  it('of an end that nobody acknowledged says how the task ended: this answer may come before the report itself', async () => {
    const { agent, scheduler } = await aRunningTask();
    agent.status(scheduler, 't1', 'TASK_FAILED', 'TASK_FAILED', { message: 'Command exited with status 9' });
    expect(scheduler.reconcile({ id: 't1' })).toMatchObject([{ state: 'TASK_FAILED', message: 'Command exited with status 9' }]);
  });

  it('2: says nothing about an agent that has not come back since this master began, nor "unknown" while one is awaited', async () => {
    const { test, agent, scheduler } = await aRunningTask();
    await test.failOver();
    await scheduler.subscribe();
    expect(scheduler.reconcile({ id: 't1', agent: agent.id! }, { id: 't1' })).toEqual([]);
    expect(scheduler.reconcile({ id: 't1', agent: 'never-heard-of' })).toMatchObject([{ state: 'TASK_UNKNOWN' }]);
    scheduler.call({ type: 'KILL', kill: { task_id: { value: 't1' } } });
    expect(scheduler.statuses()).toEqual([]);
  });

  it('3 to 6: GONE on a registered agent, UNREACHABLE on an unreachable one, UNKNOWN otherwise', async () => {
    const { test, agent, scheduler } = await aRunningTask();
    expect(scheduler.reconcile({ id: 'x', agent: agent.id! })).toMatchObject([{ state: 'TASK_GONE' }]);
    expect(scheduler.reconcile({ id: 'x' })).toMatchObject([{ state: 'TASK_UNKNOWN' }]);
    agent.disconnect();
    await test.clock.run(76_000);
    expect(scheduler.reconcile({ id: 't1', agent: agent.id! })).toMatchObject([
      { state: 'TASK_UNREACHABLE', unreachable_time: { nanoseconds: expect.any(Number) } },
    ]);
    expect(scheduler.reconcile({ id: 't1' })).toMatchObject([{ state: 'TASK_UNKNOWN' }]);
    const entry = test.database.agents.get(agent.id!)!;
    test.database.agents.set(agent.id!, { ...entry, state: 'gone' });
    await test.failOver();
    await scheduler.subscribe();
    expect(scheduler.reconcile({ id: 't1', agent: agent.id! })).toMatchObject([{ state: 'TASK_GONE_BY_OPERATOR' }]);
    await agent.register();
    expect(agent.heard('refused')).toMatchObject([{ permanent: true }]);
  });
});

describe('an agent', () => {
  it('keeps its tasks over a broken link; offers are rescinded, and made anew when it is back', async () => {
    const { test, agent, scheduler } = await aRunningTask();
    agent.status(scheduler, 't1', 'TASK_RUNNING');
    const [rest] = await scheduler.offers();
    agent.disconnect();
    expect(scheduler.of('RESCIND')[0]?.rescind.offer_id).toEqual(rest?.id);
    expect(test.master.state.agents()).toMatchObject([{ state: 'disconnected', connected: false }]);
    await test.clock.run(74_000);
    await agent.register();
    expect(scheduler.statuses().map(({ state }) => state)).toEqual(['TASK_RUNNING']);
    expect(await scheduler.offers()).toHaveLength(1);
    expect(agent.heard('reconcile-tasks')).toEqual([]);
  });

  it('that is away too long is unreachable: stored first, then told', async () => {
    const { test, agent, scheduler } = await aRunningTask();
    agent.status(scheduler, 't1', 'TASK_RUNNING');
    scheduler.statuses();
    agent.disconnect();
    test.store.setAvailable(false);
    await test.clock.run(76_000);
    expect(scheduler.statuses()).toEqual([]);
    test.store.setAvailable(true);
    await test.clock.run(1_000);
    expect(test.database.agents.get(agent.id!)?.state).toBe('unreachable');
    expect(scheduler.statuses()).toMatchObject([{ state: 'TASK_UNREACHABLE', reason: 'REASON_AGENT_REMOVED', unreachable_time: {} }]);
    expect(scheduler.of('FAILURE')).toMatchObject([{ failure: { agent_id: { value: agent.id } } }]);
    expect(test.master.state.tasks()).toEqual([]);
  });

  it('that answers no ping is unreachable, its link is closed; one that answers is not', async () => {
    const { test, agent, scheduler } = await aRunningTask();
    await test.clock.run(70_000);
    expect(agent.heard('ping').length).toBeGreaterThan(10);
    agent.say({ type: 'pong', nonce: 0 });
    await test.clock.run(70_000);
    expect(agent.closedBecause).toBeNull();
    await test.clock.run(15_000);
    expect(agent.closedBecause).toContain('health check');
    expect(scheduler.statuses()).toMatchObject([{ state: 'TASK_UNREACHABLE' }]);
  });

  it('back from being unreachable has its tasks told, and keeps them', async () => {
    const { test, agent, scheduler } = await aRunningTask();
    agent.status(scheduler, 't1', 'TASK_RUNNING');
    agent.disconnect();
    await test.clock.run(76_000);
    scheduler.statuses();
    await agent.register();
    expect(scheduler.statuses()).toMatchObject([{ state: 'TASK_RUNNING', reason: 'REASON_AGENT_REREGISTERED', source: 'SOURCE_MASTER' }]);
    expect(test.database.agents.get(agent.id!)?.state).toBe('admitted');
    expect(test.master.state.agents()[0]?.allocated).toMatchObject([{ scalar: { value: 0.1 } }, {}]);
    expect(agent.heard('kill')).toEqual([]);
  });

  it('back from being unreachable is asked about tasks that it does not report: nobody else would tell', async () => {
    const { test, agent, scheduler } = await aRunningTask();
    agent.disconnect();
    await test.clock.run(76_000);
    scheduler.statuses();
    await agent.register();
    expect(agent.heard('reconcile-tasks')).toMatchObject([{ taskIds: ['t1'] }]);
    agent.status(scheduler, 't1', 'TASK_DROPPED');
    expect(scheduler.statuses()).toMatchObject([{ state: 'TASK_DROPPED' }]);
  });

  it('that never heard of a launch is asked about it, and its TASK_DROPPED travels on', async () => {
    const { test, agent, scheduler } = await aRunningTask();
    agent.disconnect();
    await agent.register();
    expect(agent.heard('reconcile-tasks')).toMatchObject([{ taskIds: ['t1'] }]);
    expect(test.master.state.agents()[0]?.allocated).not.toEqual([]);
    agent.status(scheduler, 't1', 'TASK_DROPPED');
    expect(scheduler.statuses()).toMatchObject([{ state: 'TASK_DROPPED' }]);
    expect(test.master.state.agents()[0]?.allocated).toEqual([]);
  });

  it('teaches a new master its tasks and frameworks; tasks end on it of a framework removed meanwhile', async () => {
    const { test, agent, scheduler } = await aRunningTask();
    agent.status(scheduler, 't1', 'TASK_RUNNING');
    await test.failOver();
    await agent.register();
    expect(test.master.state.frameworks()).toMatchObject([{ frameworkId: scheduler.id, recovered: true, tasks: 1 }]);
    expect(scheduler.call({ type: 'REVIVE' })).toMatchObject({ status: 403 });
    await scheduler.subscribe();
    expect(scheduler.reconcile()).toMatchObject([{ state: 'TASK_RUNNING' }]);
    expect((await scheduler.offers())[0]?.resources?.[0]?.scalar?.value).toBe(3.9);
    agent.disconnect();
    scheduler.call({ type: 'TEARDOWN' });
    await test.settle();
    await agent.register();
    expect(agent.heard('shutdown-framework')).toHaveLength(1);
  });

  it('gets a higher master epoch after a fail-over, and a higher link epoch each time', async () => {
    const { test, agent } = await aRunningTask();
    const [first] = agent.heard('registered');
    await agent.register();
    const [second] = agent.heard('registered');
    expect(second!.linkEpoch).toBeGreaterThan(first!.linkEpoch);
    await test.failOver();
    await agent.register();
    expect(agent.heard('registered')[0]!.masterEpoch).toBeGreaterThan(first!.masterEpoch);
  });

  it('is heard over its newest link only', async () => {
    const { agent, scheduler } = await aRunningTask();
    const old = agent.currentLink;
    await agent.register();
    old.message({
      type: 'status',
      frameworkId: frameworkId(scheduler.id),
      status: { task_id: { value: 't1' }, state: 'TASK_FAILED' },
      latestState: 'TASK_FAILED',
    });
    expect(scheduler.statuses()).toEqual([]);
    old.closed();
    expect(agent.test.master.state.agents()).toMatchObject([{ state: 'registered' }]);
  });

  it('with the id of another one takes its place; the older link is closed', async () => {
    const { test, agent } = await aRunningTask();
    const twin = new TestAgent(test, { agentId: agent.id, hostname: 'h2' });
    await twin.register();
    expect(agent.closedBecause).toContain('newer connection');
    expect(test.master.state.agents()).toMatchObject([{ agentId: agent.id, hostname: 'h2', connected: true }]);
    agent.disconnect();
    expect(test.master.state.agents()).toMatchObject([{ state: 'registered' }]);
  });

  it('of another protocol version is refused for good; one that cannot be stored may try again', async () => {
    const test = await TestMaster.started();
    const future = await test.agent({ v: 99 });
    expect(future.heard('refused')).toMatchObject([{ permanent: true }]);
    test.store.setAvailable(false);
    const second = await test.agent();
    expect(second.heard('refused')).toMatchObject([{ permanent: false }]);
    expect(test.master.state.agents()).toEqual([]);
  });

  it('never gets an id that was given before, also by a new master', async () => {
    const test = await TestMaster.started();
    const first = await test.agent();
    await test.failOver();
    expect((await test.agent()).id).not.toBe(first.id);
  });

  it('that came back smaller than its tasks shows the deficit, and is offered again once they fit', async () => {
    const { test, agent, scheduler } = await aRunningTask();
    const [rest] = await scheduler.offers();
    scheduler.accept([rest!], [aTask('t2', agent.id!, 3, 1024)]);
    agent.status(scheduler, 't1', 'TASK_RUNNING');
    agent.status(scheduler, 't2', 'TASK_RUNNING');
    await scheduler.offers();
    await agent.register({ resources: someResources(2, 8192) });
    expect(await scheduler.offers()).toEqual([]);
    expect(test.master.state.agents()[0]?.deficit).toMatchObject([{ name: 'cpus', scalar: { value: 1.1 } }]);
    agent.status(scheduler, 't2', 'TASK_FINISHED');
    expect((await scheduler.offers())[0]?.resources?.[0]?.scalar?.value).toBe(1.9);
  });
});

describe('a leader that is none any more', () => {
  it('stops at its next proof: streams and links end, calls are refused', async () => {
    const { test, agent, scheduler } = await aRunningTask();
    const old = test.master;
    await test.failOver();
    await test.clock.run(2_500);
    expect(old.isLeading).toBe(false);
    expect(test.deposed).not.toBeNull();
    expect([scheduler.closed, agent.closedBecause !== null]).toEqual([true, true]);
    expect(old.call(scheduler.streamId, { type: 'TEARDOWN', framework_id: { value: scheduler.id } })).toMatchObject({ status: 503 });
  });

  it('admits no agent: the registry refuses the stale epoch', async () => {
    const test = await TestMaster.started();
    const old = test.master;
    await test.failOver();
    const current = test.master;
    test.master = old;
    const agent = await test.agent();
    expect(agent.heard('registered')).toEqual([]);
    expect([old.isLeading, current.isLeading]).toEqual([false, true]);
  });
});
