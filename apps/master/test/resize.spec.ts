import { encodeData, resourcesToModel, type ResizeReport, type TaskStatus } from '@ekiden/mesos';
import { aTask, someResources, TestMaster, type TestAgent, type TestScheduler } from './test-master.js';

/** One task of 1 cpu and 1024 MiB on an agent of 4 cpus and 8 GiB that can resize. */
async function aCluster(config = {}) {
  const test = await TestMaster.started(config);
  const agent = await test.agent({ abilities: ['resize'] });
  const scheduler = await test.subscribed();
  const [offer] = await scheduler.offers();
  scheduler.accept([offer!], [aTask('t', agent.id!, 1, 1024)]);
  running(agent, scheduler, aTask('t', agent.id!, 1, 1024).resources!);
  return { test, agent, scheduler };
}

/** As the agent's status and its next registration say it. */
function running(agent: TestAgent, scheduler: TestScheduler, resources: ReturnType<typeof someResources>, resize?: ResizeReport): TaskStatus {
  const data = encodeData({ ekiden: 1, checks: [], readiness: null, exit: null, ...(resize === undefined ? {} : { resize }) });
  const status = agent.status(scheduler, 't', 'TASK_RUNNING', 'TASK_RUNNING', { data });
  agent.tasks = agent.tasks.map((report) => ({ ...report, task: { ...report.task, resources } }));
  return status;
}

const resize = (
  scheduler: TestScheduler,
  agent: TestAgent,
  revision: number,
  size: readonly [number, number],
  offers: readonly { id: { value: string } }[] = [],
) =>
  scheduler.call({
    type: 'EKIDEN_RESIZE',
    resize: { task_id: { value: 't' }, agent_id: { value: agent.id }, resources: someResources(...size), revision, offer_ids: offers.map(({ id }) => id) },
  });

function books({ test, agent }: { test: TestMaster; agent: TestAgent }) {
  const read = test.master.state.books(agent.id!);
  return { held: size(read?.tasks[0]?.resources), allocated: size(read?.allocated), free: size(read?.free) };
}
const size = (resources?: { cpusMilli: number; memMib: number }): string => `${(resources?.cpusMilli ?? 0) / 1000}/${resources?.memMib ?? 0}`;

describe('EKIDEN_RESIZE', () => {
  it('pays growth from an offer of that agent, once, and tells the agent', async () => {
    const cluster = await aCluster();
    const { scheduler, agent } = cluster;
    const offers = await scheduler.offers();
    expect(resize(scheduler, agent, 1, [2, 1024], offers).status).toBe(202);
    expect(agent.heard('resize')).toMatchObject([{ taskId: 't', revision: 1, size: { cpusMilli: 2000, memMib: 1024 } }]);
    expect(books(cluster)).toMatchObject({ held: '2/1024', allocated: '2/1024' });
    expect(resourcesToModel((await scheduler.offers())[0]?.resources)).toMatchObject({ cpusMilli: 2000, memMib: 7168 });
    expect(resize(scheduler, agent, 2, [3, 1024], offers)).toMatchObject({ status: 409, text: expect.stringContaining('no longer valid') });
    expect(books(cluster).held).toBe('2/1024');
  });

  it('counts the larger of both until the agent has told the outcome', async () => {
    const cluster = await aCluster();
    const { scheduler, agent } = cluster;
    expect(resize(scheduler, agent, 1, [0.5, 512]).status).toBe(202);
    expect(books(cluster).held).toBe('1/1024');
    running(agent, scheduler, someResources(0.5, 512), { revision: 1, cpusMilli: 500, memMib: 512, refused: null });
    expect(books(cluster)).toMatchObject({ held: '0.5/512', allocated: '0.5/512' });
  });

  it('frees the growth again that the agent refuses', async () => {
    const cluster = await aCluster();
    const { scheduler, agent } = cluster;
    resize(scheduler, agent, 1, [2, 512], await scheduler.offers());
    expect(books(cluster).held).toBe('2/1024');
    running(agent, scheduler, someResources(1, 1024), { revision: 1, cpusMilli: 1000, memMib: 1024, refused: 'it holds 600 MiB' });
    expect(books(cluster)).toMatchObject({ held: '1/1024', allocated: '1/1024' });
  });

  it.each([
    ['without an offer', 409, 'more than the offers hold', { size: [2, 1024] as const, withOffers: false }],
    ['by more than the offers hold', 409, 'more than the offers hold', { size: [9, 1024] as const, withOffers: true }],
    ['to nothing', 422, 'above 0', { size: [0, 1024] as const, withOffers: true }],
  ])('refuses growth %s, and gives the offers back', async (_what, status, text, { size: to, withOffers }) => {
    const cluster = await aCluster();
    const { scheduler, agent } = cluster;
    const offers = await scheduler.offers();
    expect(resize(scheduler, agent, 1, to, withOffers ? offers : [])).toMatchObject({ status, text: expect.stringContaining(text) });
    expect(agent.heard('resize')).toEqual([]);
    expect(books(cluster).allocated).toBe('1/1024');
    if (withOffers) expect(resourcesToModel((await scheduler.offers())[0]?.resources).cpusMilli).toBe(3000);
  });

  it('refuses an offer of another agent, and of another role', async () => {
    const { test, scheduler, agent } = await aCluster();
    await scheduler.offers();
    await test.agent({ hostname: 'h2' });
    expect(resize(scheduler, agent, 1, [2, 1024], await scheduler.offers())).toMatchObject({ status: 409, text: expect.stringContaining('of agent') });
  });

  it('says what never works: an agent that cannot, and what cannot change', async () => {
    const test = await TestMaster.started();
    const agent = await test.agent();
    const scheduler = await test.subscribed();
    const [offer] = await scheduler.offers();
    scheduler.accept([offer!], [aTask('t', agent.id!, 1, 1024)]);
    expect(resize(scheduler, agent, 1, [0.5, 512])).toMatchObject({ status: 422, text: expect.stringContaining('cannot change the size') });
    const resources = [...someResources(1, 512), { name: 'disk', type: 'SCALAR', scalar: { value: 1 } }];
    const call = { type: 'EKIDEN_RESIZE', resize: { task_id: { value: 't' }, agent_id: { value: agent.id }, resources, revision: 1 } };
    expect(scheduler.call(call)).toMatchObject({ status: 422, text: expect.stringContaining("'disk'") });
    expect(resize(scheduler, { id: 'x' } as unknown as TestAgent, 1, [1, 1])).toMatchObject({ status: 503 });
    agent.disconnect();
    expect(resize(scheduler, agent, 1, [0.5, 512])).toMatchObject({ status: 503, text: expect.stringContaining('not connected') });
  });

  it('takes the same revision, and older ones, without doing anything', async () => {
    const cluster = await aCluster();
    const { scheduler, agent } = cluster;
    resize(scheduler, agent, 2, [2, 1024], await scheduler.offers());
    const offers = await scheduler.offers();
    expect(resize(scheduler, agent, 2, [2, 1024], offers).status).toBe(202);
    expect(resize(scheduler, agent, 1, [4, 4096], []).status).toBe(202);
    expect(agent.heard('resize')).toHaveLength(1);
    expect(books(cluster).held).toBe('2/1024');
    expect(await scheduler.offers()).toHaveLength(1);
  });

  it('is told the agent again over its next connection, unless it has told the outcome', async () => {
    const cluster = await aCluster();
    const { scheduler, agent } = cluster;
    resize(scheduler, agent, 1, [2, 1024], await scheduler.offers());
    agent.disconnect();
    await agent.register();
    expect(agent.heard('resize')).toHaveLength(1);
    expect(books(cluster).held).toBe('2/1024');
    running(agent, scheduler, someResources(2, 1024), { revision: 1, cpusMilli: 2000, memMib: 1024, refused: null });
    agent.disconnect();
    await agent.register();
    expect(agent.heard('resize')).toHaveLength(0);
    expect(books(cluster).held).toBe('2/1024');
  });

  it('is learnt from the agent by a master that was not there, and of its statuses only what is news', async () => {
    const cluster = await aCluster();
    const { test, scheduler, agent } = cluster;
    running(agent, scheduler, someResources(2, 2048), { revision: 3, cpusMilli: 2000, memMib: 2048, refused: null });
    await test.failOver();
    await agent.register();
    await scheduler.subscribe();
    expect(books(cluster)).toMatchObject({ held: '2/2048', allocated: '2/2048' });
    running(agent, scheduler, someResources(2, 2048), { revision: 2, cpusMilli: 500, memMib: 512, refused: null });
    expect(books(cluster).held).toBe('2/2048');
    expect(resize(scheduler, agent, 4, [1, 1024]).status).toBe(202);
    expect(books(cluster).held).toBe('2/2048');
  });

  it('hears an outcome once more from an agent that died before it was written down, and counts the larger of both until then', async () => {
    const cluster = await aCluster();
    const { scheduler, agent } = cluster;
    const begun = agent.tasks;
    resize(scheduler, agent, 1, [0.5, 512]);
    const outcome = { revision: 1, cpusMilli: 500, memMib: 512, refused: null };
    running(agent, scheduler, someResources(0.5, 512), outcome);
    expect(books(cluster).held).toBe('0.5/512');
    agent.disconnect();
    agent.tasks = begun;
    await agent.register();
    expect(books(cluster).held).toBe('1/1024');
    running(agent, scheduler, someResources(0.5, 512), outcome);
    expect(books(cluster).held).toBe('0.5/512');
  });

  it('is unknown where extensions are off', async () => {
    const { scheduler, agent } = await aCluster({ extensions: false });
    expect(resize(scheduler, agent, 1, [0.5, 512]).status).toBe(501);
    expect(JSON.stringify(scheduler.of('SUBSCRIBED')).includes('EKIDEN_RESIZE')).toBe(false);
  });
});
