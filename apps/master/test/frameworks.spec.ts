import { capabilities, TestMaster } from './test-master.js';

const UUID = Buffer.alloc(16).toString('base64');

describe('SUBSCRIBE', () => {
  it('answers with SUBSCRIBED, then a HEARTBEAT at once, then one every five seconds', async () => {
    const test = await TestMaster.started();
    const scheduler = await test.subscribed();
    expect(scheduler.events.map(({ type }) => type)).toEqual(['SUBSCRIBED', 'HEARTBEAT']);
    expect(scheduler.of('SUBSCRIBED')[0]?.subscribed).toMatchObject({
      framework_id: { value: 'M-1-0000' },
      heartbeat_interval_seconds: 5,
      master_info: { ip: 16777343 },
    });
    await test.clock.run(10_000);
    expect(scheduler.of('HEARTBEAT')).toHaveLength(3);
  });

  it('takes an id that the framework chose', async () => {
    const test = await TestMaster.started();
    expect((await test.subscribed({ id: { value: 'singularity' } })).id).toBe('singularity');
  });

  it('fails over: the old stream hears why and ends, its calls are refused, offers come anew', async () => {
    const test = await TestMaster.started();
    await test.agent();
    const old = await test.subscribed();
    expect(await old.offers()).toHaveLength(1);
    const young = await test.subscribed({ id: { value: old.id } });
    expect(old.of('ERROR')[0]?.error.message).toBe('Framework failed over');
    expect(old.closed).toBe(true);
    expect(old.call({ type: 'REVIVE' })).toMatchObject({ status: 400, text: expect.stringContaining("didn't match") });
    expect(await young.offers()).toHaveLength(1);
    expect(young.of('RESCIND')).toEqual([]);
    old.disconnect();
    expect(young.call({ type: 'REVIVE' }).status).toBe(202);
  });

  it('takes a framework back within its failover_timeout, with its tasks', async () => {
    const test = await TestMaster.started();
    const agent = await test.agent();
    const scheduler = await test.subscribed();
    await scheduler.launch('t1');
    scheduler.disconnect();
    await test.clock.run(59_000);
    await scheduler.subscribe();
    agent.say({ type: 'pong', nonce: 0 });
    await test.clock.run(60_000);
    expect(scheduler.reconcile()).toMatchObject([{ task_id: { value: 't1' }, state: 'TASK_STAGING' }]);
  });

  it('removes it after failover_timeout: its tasks are ended, its id is spent', async () => {
    const test = await TestMaster.started();
    const agent = await test.agent();
    const scheduler = await test.subscribed();
    await scheduler.launch('t1');
    scheduler.disconnect();
    await test.clock.run(61_000);
    expect(agent.heard('shutdown-framework')).toHaveLength(1);
    await scheduler.subscribe();
    expect(scheduler.events).toEqual([{ type: 'ERROR', error: { message: 'Framework has been removed' } }]);
    expect(scheduler.closed).toBe(true);
  });

  it.each([
    ['role and roles at once', { role: 'web' }, /role/],
    ['a role twice', { roles: ['web', 'web'] }, /twice/],
    ['a bad role name', { roles: ['a/../b'] }, /a\/\.\.\/b/],
    ['roles without MULTI_ROLE', { capabilities: [] }, /MULTI_ROLE/],
    ['a bad id', { id: { value: 'a/b' } }, /framework id/],
    ['a negative failover_timeout', { failover_timeout: -1 }, /failover_timeout/],
  ])('answers %s with an ERROR event and ends the stream', async (_what, info, text) => {
    const test = await TestMaster.started();
    const scheduler = await test.subscribed(info);
    expect(scheduler.events).toEqual([{ type: 'ERROR', error: { message: expect.stringMatching(text) } }]);
    expect(scheduler.closed).toBe(true);
    expect(test.master.state.frameworks()).toEqual([]);
  });

  it('refuses suppressed roles that are not the framework’s, and a changed principal', async () => {
    const test = await TestMaster.started();
    const scheduler = test.scheduler();
    await scheduler.subscribe(['db']);
    expect(scheduler.of('ERROR')).toHaveLength(1);
    const good = await test.subscribed({ principal: 'p' });
    const other = await test.subscribed({ id: { value: good.id }, principal: 'q' });
    expect(other.of('ERROR')[0]?.error.message).toBe("Changing framework's principal is not allowed.");
    expect(good.closed).toBe(false);
  });
});

describe('a call', () => {
  it.each([
    ['of an unknown framework', 400, 'Framework cannot be found'],
    ['of a disconnected one', 403, 'Framework is not subscribed'],
    ['without a stream id', 400, "All non-subscribe calls should include the 'Mesos-Stream-Id' header"],
    ['with another stream id', 400, /The stream ID 'x' included in this request didn't match/],
  ])('%s is refused', async (what, status, text) => {
    const test = await TestMaster.started();
    const scheduler = await test.subscribed();
    if (what.includes('unknown')) scheduler.id = 'nobody';
    if (what.includes('disconnected')) scheduler.disconnect();
    const stream = what.includes('without') ? null : what.includes('another') ? 'x' : scheduler.streamId;
    expect(scheduler.call({ type: 'REVIVE' }, stream)).toEqual({ status, text: typeof text === 'string' ? text : expect.stringMatching(text) });
  });

  it.each([
    { type: 'REVIVE' },
    { type: 'SUPPRESS' },
    { type: 'REQUEST', request: {} },
    { type: 'RECONCILE', reconcile: {} },
    { type: 'SHUTDOWN', shutdown: { executor_id: { value: 'e' }, agent_id: { value: 'a' } } },
    { type: 'MESSAGE', message: { executor_id: { value: 'e' }, agent_id: { value: 'a' }, data: '' } },
    { type: 'KILL', kill: { task_id: { value: 't' } } },
    { type: 'ACKNOWLEDGE', acknowledge: { agent_id: { value: 'a' }, task_id: { value: '/' }, uuid: UUID } },
    { type: 'DECLINE', decline: { offer_ids: [{ value: 'nonsense/' }] } },
  ])('$type is taken with 202 whatever it names', async (call) => {
    const test = await TestMaster.started();
    await test.agent();
    expect((await test.subscribed()).call(call)).toEqual({ status: 202, text: '' });
  });

  it('is refused while nobody leads', async () => {
    const test = new TestMaster();
    expect(test.master.call(null, { type: 'TEARDOWN', framework_id: { value: 'f' } })).toEqual({ status: 503, text: 'No leader elected' });
  });
});

describe('TEARDOWN', () => {
  it('ends the stream and the tasks; resources come back as they end, and the master acknowledges for nobody', async () => {
    const test = await TestMaster.started();
    const agent = await test.agent();
    const scheduler = await test.subscribed();
    await scheduler.launch('t1');
    expect(scheduler.call({ type: 'TEARDOWN' }).status).toBe(202);
    await test.settle();
    expect(scheduler.closed).toBe(true);
    expect(test.database.removedFrameworks.has(agent.heard('shutdown-framework')[0]!.frameworkId)).toBe(true);
    expect(test.master.state.agents()[0]?.allocated).not.toEqual([]);
    agent.status(scheduler, 't1', 'TASK_KILLED');
    expect(agent.heard('acknowledge')).toHaveLength(1);
    expect(test.master.state.agents()[0]?.allocated).toEqual([]);
  });

  it('is written before any task is ended, and tried again while the store is away', async () => {
    const test = await TestMaster.started();
    const agent = await test.agent();
    const scheduler = await test.subscribed();
    await scheduler.launch('t1');
    test.store.setAvailable(false);
    scheduler.call({ type: 'TEARDOWN' });
    await test.settle();
    expect(agent.heard('shutdown-framework')).toEqual([]);
    test.store.setAvailable(true);
    await test.clock.run(1_000);
    expect(agent.heard('shutdown-framework')).toHaveLength(1);
  });
});

describe('UPDATE_FRAMEWORK', () => {
  it('answers 200, and rescinds the offers of a role that was given up', async () => {
    const test = await TestMaster.started();
    await test.agent();
    const scheduler = await test.subscribed();
    const [offer] = await scheduler.offers();
    const info = { ...scheduler.info, roles: ['db'] };
    expect(scheduler.call({ type: 'UPDATE_FRAMEWORK', update_framework: { framework_info: info } }).status).toBe(200);
    expect(scheduler.of('RESCIND')[0]?.rescind.offer_id).toEqual(offer?.id);
    expect((await scheduler.offers())[0]?.allocation_info?.role).toBe('db');
  });

  it.each([[{ user: 'other' }], [{ checkpoint: true }], [{ principal: 'p' }], [{ roles: ['..'] }]])('refuses %j with 400', async (change) => {
    const test = await TestMaster.started();
    const scheduler = await test.subscribed();
    const info = { ...scheduler.info, ...change };
    expect(scheduler.call({ type: 'UPDATE_FRAMEWORK', update_framework: { framework_info: info } }).status).toBe(400);
  });
});

it('speaks the old form to a framework without MULTI_ROLE: no allocation_info, and TASK_LOST for what it does not know', async () => {
  const test = await TestMaster.started();
  const { roles: _roles, ...old } = { user: 'root', name: 'old', roles: undefined };
  const scheduler = test.scheduler();
  scheduler.info = { ...old, failover_timeout: 60, capabilities: capabilities() };
  await scheduler.subscribe();
  await test.agent();
  const [offer] = await scheduler.offers();
  expect(JSON.stringify(offer)).not.toContain('allocation_info');
  expect(scheduler.reconcile({ id: 'nobody' })).toMatchObject([{ state: 'TASK_LOST', reason: 'REASON_RECONCILIATION' }]);
});
