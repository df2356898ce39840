/** What the core does when things go wrong at the worst moment. Each task of the fake master may be launched once only. */
import { EkidenError, isTerminal } from '@ekiden/model';
import { Bench, BIG, NO_FORCE, WEB } from './bench.js';

/** Every running instance has one task, and every task that runs belongs to one. */
function expectConsistent(bench: Bench, count: number): void {
  expect(bench.running()).toHaveLength(count);
  expect(new Set(bench.running().map((_one, index) => bench.taskOf(index)))).toEqual(new Set(bench.master.alive().map((task) => task.id)));
}

describe('a launch', () => {
  it('is recorded before its ACCEPT leaves', async () => {
    const bench = await Bench.started();
    const call = bench.master.call.bind(bench.master);
    const recorded: boolean[] = [];
    bench.master.call = (streamId, sent) => {
      if (sent.type === 'ACCEPT') recorded.push([...bench.database.instances.values()].some((instance) => instance.condition.kind === 'provisioned'));
      return call(streamId, sent);
    };
    await bench.put({ instances: 1 });
    await bench.quiet();
    expect(recorded).toEqual([true]);
  });

  it.each(['lose-request', 'lose-answer', 'refuse'] as const)('survives an ACCEPT with the fault %s: one task in the end', async (fault) => {
    const bench = await Bench.started();
    bench.master.acceptFaults.push(fault);
    await bench.put({ instances: 2 });
    await bench.quiet();
    expectConsistent(bench, 2);
    expect(bench.master.launched).toHaveLength(2);
  });

  it('is not given up because a master does not know it yet over the same stream', async () => {
    const bench = await Bench.started();
    bench.master.autoRun = false;
    await bench.put({ instances: 1 });
    await bench.clock.until('provisioned', () => bench.api.view.instances(WEB)[0]?.condition.kind === 'provisioned');
    const { condition } = bench.api.view.instances(WEB)[0] ?? {};
    const taskId = condition?.kind === 'provisioned' ? condition.task.taskId : '';
    bench.master.say({ task_id: { value: taskId }, state: 'TASK_UNKNOWN', reason: 'REASON_RECONCILIATION' });
    await bench.clock.run(1_000);
    expect(bench.api.view.instances(WEB)[0]?.condition.kind).toBe('provisioned');
    expect(bench.master.launched).toEqual([taskId]);
  });

  // Seed 391129: it was still waited for when its roll-out had long been stuck.
  it('whose end the master told while the store was away is given up, and made again', async () => {
    const bench = await Bench.started({ launchTimeoutMs: 3_600_000 });
    bench.master.autoRun = false;
    await bench.put({ instances: 1 });
    await bench.clock.until('taken', () => bench.master.launched.length === 1);
    await bench.clock.run(100);
    const [lost] = bench.master.launched;
    bench.store.failNextCommit('before');
    bench.master.autoRun = true;
    bench.master.drop(lost!);
    await bench.quiet();
    expectConsistent(bench, 1);
    expect(bench.master.launched).toHaveLength(2);
  });

  it('that stays without a word is killed and made again', async () => {
    const bench = await Bench.started({ launchTimeoutMs: 10_000 });
    bench.master.autoRun = false;
    await bench.put({ instances: 1 });
    await bench.clock.run(5_000);
    bench.master.autoRun = true;
    await bench.quiet();
    expectConsistent(bench, 1);
    expect(bench.master.launched).toHaveLength(2);
  });
});

describe('a leader whose store is away before it has loaded anything', () => {
  const withAbsentLoad = (failures: number): Bench => {
    const bench = new Bench();
    bench.master.addAgent('agent-1', BIG);
    const load = bench.store.load.bind(bench.store);
    let left = failures;
    bench.store.load = () => (left-- > 0 ? Promise.reject(new EkidenError('store-unavailable', 'it ended the session')) : load());
    return bench;
  };

  it('waits for it, and leads (chaos, seed 10)', async () => {
    const bench = withAbsentLoad(5);
    await bench.start();
    await bench.put({ instances: 1 });
    await bench.quiet();
    expectConsistent(bench, 1);
  });

  it('gives the lead back when it is told to stop meanwhile', async () => {
    const bench = withAbsentLoad(Number.POSITIVE_INFINITY);
    const started = bench.api.start();
    await bench.clock.run(1_000);
    await bench.settle(bench.api.stop());
    await bench.settle(started);
    expect(bench.database.leader).toBeNull();
  });
});

it('a change that waits when the lead ends is refused as one to send again (chaos, seed 10)', async () => {
  const bench = await Bench.started();
  const change = bench.api.changeApps([{ id: WEB, body: { cmd: 'sleep 1' }, partial: false, expect: 'any' }], NO_FORCE);
  void bench.api.stop();
  await expect(bench.settle(change)).rejects.toMatchObject({ code: 'stale-leader' });
});

describe('paas-api dies', () => {
  it('at any moment of a deployment, and the next process ends it', async () => {
    for (let afterMs = 0; afterMs <= 14; afterMs += 1) {
      const bench = await Bench.started();
      void bench.api.changeApps([{ id: WEB, body: { cmd: 'sleep 1', instances: 3 }, partial: false, expect: 'any' }], NO_FORCE).catch(() => undefined);
      await bench.clock.run(afterMs);
      await bench.restart();
      if (bench.api.view.app(WEB) === null) continue; // It died before the commit: nobody was promised anything.
      await bench.quiet(`the deployment ends after a death at ${afterMs} ms`);
      expectConsistent(bench, 3);
    }
  });

  it('between the record of a launch and its ACCEPT: nothing runs, so it is launched anew', async () => {
    const bench = await Bench.started();
    const commit = bench.store.commit.bind(bench.store);
    let died = false;
    bench.store.commit = async (epoch, writes) => {
      await commit(epoch, writes);
      if (died || !writes.some((write) => write.kind === 'put-instance' && write.row.condition.kind === 'provisioned')) return;
      died = true;
      bench.crash();
    };
    await bench.put({ instances: 1 });
    await bench.clock.until('it died', () => died);
    expect(bench.master.launched).toHaveLength(0);
    await bench.start();
    await bench.quiet();
    expectConsistent(bench, 1);
    expect(bench.running()[0]?.incarnation).toBe(2);
  });

  it('in the middle of a roll-out, and keeps to its steps', async () => {
    for (const afterMs of [3, 5, 7, 9, 11, 13]) {
      const bench = await Bench.started();
      await bench.put({ instances: 4, upgradeStrategy: { minimumHealthCapacity: 0.5, maximumOverCapacity: 0 } });
      await bench.quiet();
      await bench.patch(WEB, { cmd: 'new' });
      await bench.clock.run(afterMs);
      await bench.restart();
      await bench.quiet();
      expectConsistent(bench, 4);
      expect(bench.master.alive().every((task) => task.info.command?.value === 'new')).toBe(true);
    }
  });

  it('while a task ends: its status comes again and is learnt', async () => {
    const bench = await Bench.started();
    await bench.put({ instances: 1, backoffSeconds: 0 });
    await bench.quiet();
    const taskId = bench.taskOf();
    bench.crash();
    bench.master.move(taskId, 'TASK_FAILED');
    await bench.start();
    await bench.clock.until('replaced', () => bench.running().length === 1 && bench.taskOf() !== taskId);
    expect(bench.api.view.failure(WEB)?.taskId).toBe(taskId);
    expect(bench.master.tasks.get(taskId)?.open).toHaveLength(0);
  });
});

describe('the store', () => {
  it.each(['before', 'after'] as const)('fails a commit (%s writing): the change is refused, what is written holds', async (fault) => {
    const bench = await Bench.started();
    bench.store.failNextCommit(fault);
    await expect(bench.put({ instances: 2 })).rejects.toMatchObject({ code: 'store-unavailable' });
    await bench.clock.run(10_000);
    expect(bench.running()).toHaveLength(fault === 'after' ? 2 : 0);
    expect(bench.events.map((event) => event.seq)).toEqual(bench.events.map((_event, index) => index + 1));
  });

  it.each(['before', 'after'] as const)('fails the record of a launch (%s writing): one task in the end', async (fault) => {
    const bench = await Bench.started();
    const commit = bench.store.commit.bind(bench.store);
    let failed = false;
    bench.store.commit = (epoch, writes) => {
      if (!failed && writes.some((write) => write.kind === 'put-instance' && write.row.condition.kind === 'provisioned')) {
        failed = true;
        bench.store.failNextCommit(fault);
      }
      return commit(epoch, writes);
    };
    await bench.put({ instances: 2 });
    await bench.quiet();
    expect(failed).toBe(true);
    expectConsistent(bench, 2);
    expect(bench.master.launched).toHaveLength(2);
  });

  it('is away for a minute: nothing is lost, and statuses are acknowledged only when they are recorded', async () => {
    const bench = await Bench.started();
    await bench.put({ instances: 2, backoffSeconds: 0 });
    await bench.quiet();
    const taskId = bench.taskOf();
    bench.store.setAvailable(false);
    bench.master.move(taskId, 'TASK_FAILED');
    await bench.clock.run(60_000);
    expect(bench.master.tasks.get(taskId)?.open).toHaveLength(1);
    // Offers were asked for while it was still thought that the crash would be recorded; others can use them.
    expect(bench.master.calls.slice(-2).map(({ type }) => type)).toEqual(['DECLINE', 'SUPPRESS']);
    bench.store.setAvailable(true);
    bench.master.repeat(taskId);
    await bench.clock.until('replaced', () => bench.running().length === 2 && bench.master.launched.length === 3);
    await bench.clock.run(1_000);
    expectConsistent(bench, 2);
  });

  it("loses a status of the master's own, which is sent once: it asks, and learns it", async () => {
    const bench = await Bench.started();
    await bench.put({ instances: 1, backoffSeconds: 0 });
    await bench.quiet();
    const taskId = bench.taskOf();
    const agent = bench.master.tasks.get(taskId)?.agent ?? '';
    bench.master.tasks.delete(taskId);
    bench.store.failNextCommit('before');
    bench.master.say({ task_id: { value: taskId }, agent_id: { value: agent }, state: 'TASK_GONE', reason: 'REASON_AGENT_REMOVED' });
    await bench.clock.until('replaced', () => bench.running().length === 1 && bench.taskOf() !== taskId, 5_000);
  });

  it('is not loaded again by a leader that was deposed while it was away (chaos, seed 10)', async () => {
    const bench = await Bench.started();
    await bench.put({ instances: 1 });
    await bench.quiet();
    const [old, store] = [bench.api, bench.store];
    store.setAvailable(false);
    await expect(bench.settle(old.restartApp(WEB, { force: true }))).rejects.toMatchObject({ code: 'store-unavailable' });
    bench.database.leader = null;
    bench.store = (await import('../src/store/memory-store.js')).createMemoryPaasStore(bench.database);
    bench.api = bench.build();
    await bench.start();
    store.setAvailable(true);
    await bench.settle(old.stopped);
    expect(bench.logged.map(({ event }) => event)).not.toContain('loaded again');
    expect(bench.api.isConnected).toBe(true);
    expectConsistent(bench, 1);
  });

  it('refuses a stale leader, which then stops speaking', async () => {
    const bench = await Bench.started();
    await bench.put({ instances: 1 });
    await bench.quiet();
    const old = bench.api;
    bench.database.leader = null; // Its session is gone, and it does not know.
    bench.store = (await import('../src/store/memory-store.js')).createMemoryPaasStore(bench.database);
    bench.api = bench.build();
    void bench.api.start();
    await expect(bench.settle(old.restartApp(WEB, { force: true }))).rejects.toMatchObject({ code: 'stale-leader' });
    await expect(bench.settle(old.stopped)).resolves.toMatchObject({ why: expect.any(String) });
    await bench.clock.until('the new one leads', () => bench.api.isConnected);
    await bench.clock.run(30_000);
    expect(old.isConnected).toBe(false);
    await expect(old.restartApp(WEB, { force: true })).rejects.toBeInstanceOf(EkidenError);
    expectConsistent(bench, 1);
  });
});

describe('a status', () => {
  it('that comes twice changes nothing the second time', async () => {
    const bench = await Bench.started();
    await bench.put({ instances: 1 });
    await bench.quiet();
    const seen = bench.events.length;
    bench.master.repeat(bench.taskOf());
    await bench.clock.run(1_000);
    expect(bench.events).toHaveLength(seen);
  });

  it('of a task that belongs to nobody kills it', async () => {
    const bench = await Bench.started();
    await bench.put({ instances: 1 });
    await bench.quiet();
    const stray = 'old_app.instance-00000000-0000-1000-8000-00000000000f._app.1';
    bench.master.say({ task_id: { value: stray }, agent_id: { value: 'agent-1' }, state: 'TASK_RUNNING' });
    await bench.clock.run(100);
    expect(bench.master.calls.some((call) => call.type === 'KILL' && call.kill.task_id.value === stray)).toBe(true);
  });

  it('of health is kept, told, and restarts the task when its check is exhausted', async () => {
    const bench = await Bench.started();
    await bench.put({ instances: 2, healthChecks: [{ protocol: 'TCP', portIndex: 0 }] });
    const check = (alive: boolean, exhausted = false) => ({
      ekiden: 1 as const,
      checks: [
        {
          alive,
          consecutiveFailures: alive ? 0 : 3,
          firstSuccess: null,
          lastSuccess: null,
          lastFailure: null,
          lastFailureCause: alive ? null : 'refused',
          exhausted,
        },
      ],
      readiness: null,
      exit: null,
    });
    await bench.clock.until('both run', () => bench.running().length === 2);
    expect(bench.api.view.deployments()).toHaveLength(1);
    for (const index of [0, 1]) bench.master.move(bench.taskOf(index), 'TASK_RUNNING', check(true));
    await bench.quiet();
    expect(bench.api.view.counts(WEB)).toEqual({ staged: 0, running: 2, healthy: 2, unhealthy: 0 });
    const sick = bench.taskOf(0);
    bench.master.move(sick, 'TASK_RUNNING', check(false, true));
    await bench.clock.until('killed', () => isTerminal(bench.master.tasks.get(sick)?.state ?? 'TASK_RUNNING'));
    expect(bench.eventTypes()).toEqual(
      expect.arrayContaining(['health_status_changed_event', 'instance_health_changed_event', 'failed_health_check_event', 'unhealthy_instance_kill_event']),
    );
    await bench.clock.until('its end is recorded', () => bench.api.view.failure(WEB) !== null);
    expect(bench.api.view.failure(WEB)).toMatchObject({
      taskId: sick,
      state: 'TASK_KILLED',
      message: 'Task was killed since health check failed. Reason: refused',
    });
  });

  it('of an unreachable task replaces it, and the returned one is killed', async () => {
    const bench = await Bench.started({}, 2);
    await bench.put({ instances: 2, unreachableStrategy: { inactiveAfterSeconds: 5, expungeAfterSeconds: 60 } });
    await bench.quiet();
    const taskId = bench.taskOf();
    const task = bench.master.tasks.get(taskId);
    bench.master.say({ task_id: { value: taskId }, agent_id: { value: task?.agent ?? '' }, state: 'TASK_UNREACHABLE' });
    await bench.clock.run(4_000);
    expect(bench.master.launched).toHaveLength(2);
    await bench.clock.run(2_000);
    expect(bench.master.launched).toHaveLength(3);
    await bench.clock.run(60_000);
    expect(bench.api.view.instances(WEB)).toHaveLength(2);
    bench.master.say({ task_id: { value: taskId }, agent_id: { value: task?.agent ?? '' }, state: 'TASK_RUNNING' });
    await bench.clock.until('killed', () => isTerminal(bench.master.tasks.get(taskId)?.state ?? 'TASK_RUNNING'));
    expectConsistent(bench, 2);
  });
});

describe('the master', () => {
  it('goes away and comes back: subscribed again, everything as it was', async () => {
    const bench = await Bench.started();
    await bench.put({ instances: 2 });
    await bench.quiet();
    bench.master.isUp = false;
    bench.master.cut();
    await bench.clock.run(60_000);
    expect(bench.api.isConnected).toBe(false);
    bench.master.isUp = true;
    await bench.clock.until('subscribed', () => bench.api.isConnected, 6_000);
    await bench.clock.run(5_000);
    expectConsistent(bench, 2);
    expect(bench.master.launched).toHaveLength(2);
  });

  it('does not hear a KILL: it is repeated', async () => {
    const bench = await Bench.started({ killRetryMs: 10_000 });
    await bench.put({ instances: 1 });
    await bench.quiet();
    bench.master.deafToKills = true;
    await bench.settle(bench.api.deleteApp(WEB, { force: true }));
    await bench.clock.run(25_000);
    expect(bench.master.calls.filter((call) => call.type === 'KILL')).toHaveLength(3);
    bench.master.deafToKills = false;
    await bench.quiet();
    expect(bench.master.alive()).toHaveLength(0);
  });

  it('is left alone while nothing happens', async () => {
    const bench = await Bench.started();
    await bench.put({ instances: 3 });
    await bench.quiet();
    await bench.clock.run(10_000);
    const calls = bench.master.calls.length;
    await bench.clock.run(300_000);
    expect(bench.master.calls).toHaveLength(calls);
  });
});
