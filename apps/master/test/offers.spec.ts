import type { TaskInfo } from '@ekiden/mesos';
import { aTask, someResources, TestMaster } from './test-master.js';

async function aCluster(config = {}) {
  const test = await TestMaster.started(config);
  const agent = await test.agent();
  const scheduler = await test.subscribed();
  return { test, agent, scheduler };
}

describe('an offer', () => {
  it('says what is free, for which role, and where', async () => {
    const { scheduler, agent } = await aCluster();
    expect(await scheduler.offers()).toMatchObject([
      {
        agent_id: { value: agent.id },
        hostname: 'h1',
        allocation_info: { role: 'web' },
        url: { address: { ip: '10.0.0.2', port: 5051 } },
        resources: [{ name: 'cpus', scalar: { value: 4 }, allocation_info: { role: 'web' } }, { name: 'mem' }],
      },
    ]);
  });

  it('is rescinded when nobody answers, and made anew after a while in which others come first', async () => {
    const { test, scheduler } = await aCluster();
    const [offer] = await scheduler.offers();
    await test.clock.run(30_000);
    expect(scheduler.of('RESCIND')[0]?.rescind.offer_id).toEqual(offer?.id);
    expect(await scheduler.offers()).toHaveLength(0);
    await test.clock.run(5_100);
    expect(await scheduler.offers()).toHaveLength(1);
  });

  it('comes back after a decline only when its filter has ended', async () => {
    const { test, scheduler } = await aCluster();
    const [offer] = await scheduler.offers();
    scheduler.call({ type: 'DECLINE', decline: { offer_ids: [offer?.id], filters: { refuse_seconds: 10 } } });
    await test.clock.run(9_000);
    expect(await scheduler.offers()).toEqual([]);
    await test.clock.run(1_100);
    expect(await scheduler.offers()).toHaveLength(1);
  });

  it('takes five seconds where a decline names none or a negative number', async () => {
    for (const filters of [undefined, { refuse_seconds: -3 }]) {
      const { test, scheduler } = await aCluster();
      const [offer] = await scheduler.offers();
      scheduler.call({ type: 'DECLINE', decline: { offer_ids: [offer?.id], filters } });
      await test.clock.run(4_900);
      expect(await scheduler.offers()).toEqual([]);
      await test.clock.run(300);
      expect(await scheduler.offers()).toHaveLength(1);
    }
  });

  it('comes back at once after REVIVE; never while suppressed', async () => {
    const { test, scheduler } = await aCluster();
    const [offer] = await scheduler.offers();
    scheduler.call({ type: 'DECLINE', decline: { offer_ids: [offer?.id], filters: { refuse_seconds: 3600 } } });
    scheduler.call({ type: 'SUPPRESS' });
    scheduler.call({ type: 'REVIVE', revive: { roles: ['foreign'] } });
    await test.settle();
    expect(await scheduler.offers()).toEqual([]);
    scheduler.call({ type: 'REVIVE' });
    expect(await scheduler.offers()).toHaveLength(1);
  });
});

describe('ACCEPT', () => {
  it('launches many tasks in one message, and offers what is left', async () => {
    const { scheduler, agent } = await aCluster();
    const [offer] = await scheduler.offers();
    scheduler.accept([offer!], [aTask('t1', agent.id!, 1, 1024), aTask('t2', agent.id!, 1, 1024)]);
    expect(agent.heard('launch')).toHaveLength(1);
    expect(agent.heard('launch')[0]?.tasks.map(({ name }) => name)).toEqual(['t1', 't2']);
    expect(agent.heard('launch')[0]?.tasks[0]?.resources?.[0]?.allocation_info?.role).toBe('web');
    expect((await scheduler.offers())[0]?.resources).toMatchObject([{ scalar: { value: 2 } }, { scalar: { value: 6144 } }]);
  });

  it('of a spent, a rescinded or a foreign offer drops the tasks, and says so', async () => {
    const { test, scheduler, agent } = await aCluster();
    const [offer] = await scheduler.offers();
    scheduler.accept([offer!], []);
    scheduler.accept([offer!], [aTask('t1', agent.id!)]);
    expect(scheduler.statuses()).toMatchObject([
      {
        state: 'TASK_DROPPED',
        source: 'SOURCE_MASTER',
        reason: 'REASON_INVALID_OFFERS',
        message: expect.stringContaining('Task launched with invalid offers'),
      },
    ]);
    const [second] = await scheduler.offers();
    const other = await test.subscribed({ roles: ['db'] });
    other.accept([second!], [aTask('t2', agent.id!)]);
    expect(other.statuses()).toMatchObject([{ state: 'TASK_DROPPED' }]);
    await test.clock.run(31_000);
    scheduler.accept([second!], [aTask('t3', agent.id!)]);
    expect(scheduler.statuses()).toMatchObject([{ task_id: { value: 't3' }, state: 'TASK_DROPPED' }]);
    expect(scheduler.statuses().every(({ uuid }) => uuid === undefined)).toBe(true);
    expect(agent.heard('launch')).toEqual([]);
  });

  it('with one bad offer gives the good ones back without a filter', async () => {
    const { scheduler, agent } = await aCluster();
    const [offer] = await scheduler.offers();
    const bad = { ...offer!, id: { value: 'M-O1-999' } };
    scheduler.accept([offer!, bad], [aTask('t1', agent.id!)], { refuse_seconds: 3600 });
    expect(scheduler.statuses()).toHaveLength(1);
    expect(await scheduler.offers()).toHaveLength(1);
  });

  it('without offers, with one twice, or with offers of two agents is refused whole', async () => {
    const { test, scheduler, agent } = await aCluster();
    const second = await test.agent({ hostname: 'h2' });
    const offers = await scheduler.offers();
    expect(offers).toHaveLength(2);
    for (const list of [[], [offers[0]!, offers[0]!], offers]) {
      scheduler.accept(list, [aTask('t', agent.id!)]);
      expect(scheduler.statuses()).toMatchObject([{ reason: 'REASON_INVALID_OFFERS' }]);
    }
    expect([agent.heard('launch'), second.heard('launch')]).toEqual([[], []]);
  });

  it.each([
    ['more than the offer has', (t: ReturnType<typeof aTask>) => ({ ...t, resources: someResources(5, 32) }), /more resources/],
    ['nothing', (t: ReturnType<typeof aTask>) => ({ ...t, resources: [] }), /no resources/],
    ['another agent', (t: ReturnType<typeof aTask>) => ({ ...t, agent_id: { value: 'other' } }), /agent other/],
    ['an executor', (t: ReturnType<typeof aTask>) => ({ ...t, executor: {} }), /executor/],
    ['no command', ({ command: _command, ...t }: ReturnType<typeof aTask>) => t, /command/],
    ['a bad id', (t: ReturnType<typeof aTask>) => ({ ...t, task_id: { value: 'a/b' } }), /task id/],
    ['half a gpu', (t: ReturnType<typeof aTask>) => ({ ...t, resources: [{ name: 'gpus', type: 'SCALAR' as const, scalar: { value: 0.5 } }] }), /whole/],
    [
      'foreign resources',
      (t: ReturnType<typeof aTask>) => ({ ...t, resources: [{ name: 'bananas', type: 'SCALAR' as const, scalar: { value: 1 } }] }),
      /bananas/,
    ],
    ['reserved ones', (t: ReturnType<typeof aTask>) => ({ ...t, resources: [{ ...someResources(1, 1)[0]!, role: 'db' }] }), /reserved/],
    ['a negative amount', (t: ReturnType<typeof aTask>) => ({ ...t, resources: someResources(-1, 32) }), /at least 0/],
    ['negative grace', (t: ReturnType<typeof aTask>) => ({ ...t, kill_policy: { grace_period: { nanoseconds: -1 } } }), /grace/],
  ])('of a task that asks for %s is a TASK_ERROR for it alone', async (_what, spoil, text) => {
    const { scheduler, agent } = await aCluster();
    const [offer] = await scheduler.offers();
    scheduler.accept([offer!], [spoil(aTask('bad', agent.id!)), aTask('good', agent.id!)]);
    expect(scheduler.statuses()).toMatchObject([{ state: 'TASK_ERROR', reason: 'REASON_TASK_INVALID', message: expect.stringMatching(text) }]);
    expect(agent.heard('launch')[0]?.tasks.map(({ name }) => name)).toEqual(['good']);
  });

  it('never over-commits: the sum of a call’s tasks is held against the offer', async () => {
    const { test, scheduler, agent } = await aCluster();
    const [offer] = await scheduler.offers();
    scheduler.accept([offer!], [aTask('t1', agent.id!, 3, 100), aTask('t2', agent.id!, 3, 100)]);
    expect(scheduler.statuses()).toMatchObject([{ task_id: { value: 't2' }, state: 'TASK_ERROR' }]);
    expect(test.master.state.agents()[0]?.allocated).toMatchObject([{ name: 'cpus', scalar: { value: 3 } }, { name: 'mem' }]);
  });

  it('refuses a task id that is in use, also on an unreachable agent', async () => {
    const { test, scheduler, agent } = await aCluster();
    await scheduler.launch('t1');
    const [rest] = await scheduler.offers();
    scheduler.accept([rest!], [aTask('t1', agent.id!)]);
    expect(scheduler.statuses()).toMatchObject([{ message: 'Task has duplicate ID: t1' }]);
    agent.disconnect();
    await test.clock.run(76_000);
    scheduler.statuses();
    const second = await test.agent({ hostname: 'h2' });
    const [offer] = await scheduler.offers();
    scheduler.accept([offer!], [aTask('t1', second.id!)]);
    expect(scheduler.statuses()).toMatchObject([{ message: 'Task has duplicate ID: t1' }]);
  });

  it('passes limits on, and refuses one below its request or of what has none', async () => {
    const { scheduler, agent } = await aCluster();
    const [offer] = await scheduler.offers();
    const limited = (id: string, limits: TaskInfo['limits']): TaskInfo => ({ ...aTask(id, agent.id!, 1, 100), ...(limits === undefined ? {} : { limits }) });
    const fine = { cpus: { value: 'Infinity' }, mem: { value: 200 } } as const;
    scheduler.accept([offer!], [limited('t1', fine), limited('t2', { mem: { value: 50 } }), limited('t3', { disk: { value: 50 } })]);
    expect(agent.heard('launch').flatMap(({ tasks }) => tasks.map(({ limits }) => limits))).toEqual([fine]);
    expect(scheduler.statuses().map(({ message }) => message)).toEqual([
      'Task has a limit of 50 mem, which is less than its request of 100',
      "Task has a limit of 'disk'; only 'cpus' and 'mem' can have one",
    ]);
  });

  it('passes our task data on, or hides it in plain Mesos mode; a stranger’s data always travels', async () => {
    for (const extensions of [true, false]) {
      const { scheduler, agent } = await aCluster({ extensions });
      const [offer] = await scheduler.offers();
      const ours = Buffer.from(JSON.stringify({ ekiden: 1, healthChecks: [], readinessCheck: null })).toString('base64');
      scheduler.accept(
        [offer!],
        [
          { ...aTask('t1', agent.id!), data: ours },
          { ...aTask('t2', agent.id!), data: 'AAEC' },
        ],
      );
      expect(agent.heard('launch')[0]?.tasks.map(({ data }) => data)).toEqual([extensions ? ours : undefined, 'AAEC']);
      expect(JSON.stringify(scheduler.of('SUBSCRIBED')).includes('EKIDEN_TASK_DATA')).toBe(extensions);
    }
  });
});
