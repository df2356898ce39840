/** Whole lives of an app through the core: deployed, scaled, rolled, crashed, killed, deleted. */
import { appId } from '@ekiden/model';
import { Bench, FORCE, NO_FORCE, WEB } from './bench.js';

describe('an app', () => {
  it('is deployed: recorded, launched, running, and its deployment ends', async () => {
    const bench = await Bench.started();
    const result = await bench.put({ instances: 3 });
    expect(result.apps[0]?.created).toBe(true);
    await bench.quiet();
    expect(bench.running()).toHaveLength(3);
    expect(bench.master.alive()).toHaveLength(3);
    expect(bench.eventTypes()).toEqual(
      expect.arrayContaining([
        'api_post_event',
        'group_change_success',
        'deployment_info',
        'deployment_step_success',
        'deployment_success',
        'status_update_event',
        'instance_changed_event',
      ]),
    );
    expect(bench.events.map((event) => event.seq)).toEqual(bench.events.map((_event, index) => index + 1));
    const env = bench.master.alive()[0]?.info.command?.environment?.variables ?? [];
    expect(Object.fromEntries(env.map(({ name, value }) => [name, value]))).toMatchObject({
      MARATHON_APP_ID: '/web',
      PORT0: expect.any(String),
      HOST: 'host-agent-1',
      MARATHON_APP_RESOURCE_CPUS: '0.1',
    });
  });

  it('is scaled up and down', async () => {
    const bench = await Bench.started();
    await bench.put({ instances: 2 });
    await bench.quiet();
    await bench.patch(WEB, { instances: 5 });
    await bench.quiet();
    expect(bench.running()).toHaveLength(5);
    await bench.patch(WEB, { instances: 1 });
    await bench.quiet();
    expect(bench.master.alive()).toHaveLength(1);
    expect(bench.api.view.instances(WEB)).toHaveLength(1);
  });

  it('scales down to nothing while it still waits for offers', async () => {
    const bench = await Bench.started({}, 0);
    await bench.put({ instances: 4 });
    expect(bench.api.view.queue()[0]).toMatchObject({ count: 4, delayMs: 0 });
    await bench.patch(WEB, { instances: 0 }, FORCE);
    await bench.quiet();
    expect(bench.api.view.instances(WEB)).toHaveLength(0);
  });

  it('is rolled to a new version without falling below its minimum', async () => {
    const bench = await Bench.started();
    await bench.put({ instances: 4, upgradeStrategy: { minimumHealthCapacity: 1, maximumOverCapacity: 0 } });
    await bench.quiet();
    const before = new Set(bench.running().map((instance) => instance.id));
    let lowest = Infinity;
    bench.api.onChange(() => (lowest = Math.min(lowest, bench.running().filter((instance) => instance.stop === null).length)));
    await bench.patch(WEB, { cmd: 'sleep 2000' });
    await bench.quiet();
    expect(lowest).toBe(4);
    expect(bench.running()).toHaveLength(4);
    expect(bench.running().some((instance) => before.has(instance.id))).toBe(false);
    expect(bench.master.alive().every((task) => task.info.command?.value === 'sleep 2000')).toBe(true);
  });

  it('is not restarted by an edit of policy', async () => {
    const bench = await Bench.started();
    await bench.put({ instances: 2 });
    await bench.quiet();
    const launches = bench.master.launched.length;
    await bench.patch(WEB, { backoffSeconds: 7, killSelection: 'OLDEST_FIRST' });
    await bench.quiet();
    expect(bench.master.launched).toHaveLength(launches);
  });

  it('comes back after a crash with the same instance, and waits longer each time', async () => {
    const bench = await Bench.started();
    await bench.put({ instances: 1, backoffSeconds: 2, backoffFactor: 3 });
    await bench.quiet();
    const [instance] = bench.running();
    for (const waitMs of [2_000, 6_000, 18_000]) {
      const launches = bench.master.launched.length;
      bench.master.move(bench.taskOf(), 'TASK_FAILED');
      await bench.clock.run(waitMs - 100);
      expect(bench.master.launched).toHaveLength(launches);
      await bench.clock.run(200);
      expect(bench.running()[0]?.id).toBe(instance?.id);
    }
    expect(bench.api.view.failure(WEB)?.state).toBe('TASK_FAILED');
  });

  it('is replaced within a few round trips when back-off is off', async () => {
    const bench = await Bench.started();
    await bench.put({ instances: 3, backoffSeconds: 0 });
    await bench.quiet();
    await bench.clock.run(5_000);
    bench.master.move(bench.taskOf(), 'TASK_FAILED');
    const crashed = bench.clock.now();
    await bench.clock.until('replaced', () => bench.master.launched.length === 4);
    expect(bench.clock.now() - crashed).toBeLessThanOrEqual(8);
  });

  it('asks for offers while a crash is being recorded, and launches only afterwards', async () => {
    const bench = await Bench.started();
    await bench.put({ instances: 1, backoffSeconds: 0 });
    await bench.quiet();
    await bench.clock.run(5_000);
    const commit = bench.store.commit.bind(bench.store);
    bench.store.commit = async (...args) => {
      await new Promise<void>((resolve) => bench.clock.after(100, resolve));
      return commit(...args);
    };
    const callsBefore = bench.master.calls.length;
    bench.master.move(bench.taskOf(), 'TASK_FAILED');
    await bench.clock.run(90);
    expect(bench.master.calls.slice(callsBefore).map(({ type }) => type)).toEqual(['REVIVE']);
    expect(bench.running()).toHaveLength(1);
    // The launch is recorded in the next commit: no third one waits for an offer.
    await bench.clock.run(10 + 100 + 10);
    expect(bench.master.launched).toHaveLength(2);
  });

  it('keeps a killed instance, unless it is wiped or scaled away', async () => {
    const bench = await Bench.started();
    await bench.put({ instances: 3 });
    await bench.quiet();
    const [first, second, third] = bench.running().map((instance) => instance.id);
    const killed = await bench.settle(bench.api.killTasks([bench.taskOf(0)], { scale: false, wipe: false, force: false }));
    expect(killed.kind === 'killed' && killed.instances.map((instance) => instance.id)).toEqual([first]);
    await bench.clock.run(5_000);
    expect(new Set(bench.running().map((instance) => instance.id))).toEqual(new Set([first, second, third]));
    await bench.settle(bench.api.killTasks([second ?? ''], { scale: false, wipe: true, force: false }));
    await bench.clock.run(5_000);
    expect(bench.running()).toHaveLength(3);
    expect(bench.running().some((instance) => instance.id === second)).toBe(false);
    const scaled = await bench.settle(bench.api.killTasks([third ?? ''], { scale: true, wipe: false, force: false }));
    expect(scaled.kind).toBe('deployment');
    await bench.quiet();
    expect(bench.running()).toHaveLength(2);
    expect(bench.running().some((instance) => instance.id === third)).toBe(false);
  });

  it('is announced as stopping for drainSeconds before its KILL', async () => {
    const bench = await Bench.started();
    await bench.put({ instances: 1, drainSeconds: 5 });
    await bench.quiet();
    await bench.settle(bench.api.deleteApp(WEB, { force: true }));
    const kills = () => bench.master.calls.filter((call) => call.type === 'KILL').length;
    await bench.clock.run(4_000);
    expect(kills()).toBe(0);
    expect(bench.events.some((event) => event.payload['taskStatus'] === 'TASK_KILLING')).toBe(true);
    await bench.quiet();
    expect(kills()).toBe(1);
  });

  it('is deleted: its rows go when its last task has ended', async () => {
    const bench = await Bench.started();
    await bench.put({ instances: 2 });
    await bench.quiet();
    await bench.settle(bench.api.deleteApp(WEB, { force: true }));
    await bench.quiet();
    expect(bench.master.alive()).toHaveLength(0);
    expect(bench.api.view.app(WEB)).toBeNull();
    expect(bench.database.apps.size).toBe(0);
    expect(bench.eventTypes()).toContain('app_terminated_event');
    await expect(bench.settle(bench.api.deleteApp(WEB, { force: true }))).rejects.toMatchObject({ code: 'app-not-found' });
  });

  it('starts after what it depends on', async () => {
    const bench = await Bench.started();
    const db = appId('/db');
    const changes = [
      { id: WEB, body: { cmd: 'web', dependencies: ['/db'] }, partial: false, expect: 'any' as const },
      { id: db, body: { cmd: 'db' }, partial: false, expect: 'any' as const },
    ];
    await bench.settle(bench.api.changeApps(changes, NO_FORCE));
    await bench.quiet();
    expect(bench.master.launched[0]).toMatch(/^db\./);
    expect(bench.master.launched).toHaveLength(2);
    await expect(bench.patch(db, { dependencies: ['/web'] })).rejects.toMatchObject({ code: 'invalid-object' });
  });

  it('restarts every task when asked to', async () => {
    const bench = await Bench.started();
    await bench.put({ instances: 2 });
    await bench.quiet();
    await bench.settle(bench.api.restartApp(WEB, { force: false }));
    await bench.quiet();
    expect(bench.master.launched).toHaveLength(4);
    expect(bench.running()).toHaveLength(2);
  });

  it('gives the same definition a finished deployment and no new version', async () => {
    const bench = await Bench.started();
    const first = await bench.put({ instances: 1 });
    await bench.quiet();
    const again = await bench.put({ instances: 1 });
    expect(again.apps[0]?.version.version).toBe(first.apps[0]?.version.version);
    expect(bench.api.view.deployments()).toHaveLength(0);
  });
});

describe('a deployment', () => {
  it('locks its app, and gives way to force', async () => {
    const bench = await Bench.started({}, 0);
    const first = await bench.put({ instances: 1 });
    await expect(bench.patch(WEB, { cpus: 0.2 })).rejects.toMatchObject({ code: 'app-locked', fields: { deployments: [first.deploymentId] } });
    await bench.patch(WEB, { cpus: 0.2 }, FORCE);
    expect(bench.api.view.deployments()).toHaveLength(1);
    expect(bench.eventTypes()).toContain('deployment_failed');
    bench.master.addAgent('late', { cpusMilli: 4000, memMib: 4096, diskMib: 0, gpus: 0, ports: [{ begin: 31_000, end: 31_099 }] });
    await bench.quiet();
    expect(bench.running()).toHaveLength(1);
  });

  it('is rolled back: the former instances are kept, the new ones go', async () => {
    const bench = await Bench.started();
    await bench.put({ instances: 3, backoffSeconds: 60, maxLaunchDelaySeconds: 60 });
    await bench.quiet();
    const former = new Set(bench.running().map((instance) => instance.id));
    bench.master.autoRun = false;
    const bad = await bench.patch(WEB, { cmd: 'exit 1' });
    await bench.clock.run(1_000);
    expect(bench.api.view.instances(WEB).length).toBeGreaterThan(3);
    bench.master.autoRun = true;
    const undone = await bench.settle(bench.api.cancelDeployment(bad.deploymentId, { force: false }));
    expect(undone).not.toBeNull();
    await bench.quiet();
    expect(new Set(bench.running().map((instance) => instance.id))).toEqual(former);
    expect(bench.api.view.app(WEB)?.activeVersion).toBe(undone?.version);
    const history = await bench.api.deploymentHistory({ appId: WEB, limit: 10 });
    expect(history.find((row) => row.id === bad.deploymentId)?.state).toBe('rolled-back');
    expect(history[0]?.rollbackOf).toBe(bad.deploymentId);
  });

  it('is stopped in place: the mixture stays', async () => {
    const bench = await Bench.started();
    await bench.put({ instances: 2, upgradeStrategy: { minimumHealthCapacity: 1, maximumOverCapacity: 0 } });
    await bench.quiet();
    bench.master.autoRun = false;
    const next = await bench.patch(WEB, { cmd: 'other' });
    await bench.clock.run(1_000);
    expect(await bench.settle(bench.api.cancelDeployment(next.deploymentId, { force: true }))).toBeNull();
    await bench.clock.run(60_000);
    expect(bench.api.view.deployments()).toHaveLength(0);
    expect(bench.running().length).toBe(2);
  });

  it('that makes no progress is stuck with a reason, and undone where the app wants it', async () => {
    const bench = await Bench.started();
    await bench.put({ instances: 1, progressDeadlineSeconds: 60, backoffSeconds: 1, maxLaunchDelaySeconds: 5 });
    await bench.quiet();
    bench.master.autoRun = false;
    await bench.patch(WEB, { cmd: 'never up' });
    await bench.clock.run(59_000);
    expect(bench.api.view.deployments()[0]?.stuckSince).toBeNull();
    await bench.clock.run(2_000);
    expect(bench.api.view.deployments()[0]).toMatchObject({ stuckSince: expect.any(Number), reason: expect.stringContaining('starting') });
    await bench.patch(WEB, { cmd: 'never up either', rollbackWhenStuck: true }, FORCE);
    await bench.clock.run(61_000);
    bench.master.autoRun = true;
    await bench.clock.run(400_000);
    expect(bench.api.view.deployments()).toHaveLength(0);
  });

  it('does not get stuck while it waits for offers', async () => {
    const bench = await Bench.started({}, 0);
    await bench.put({ instances: 1, progressDeadlineSeconds: 10 });
    await bench.clock.run(120_000);
    expect(bench.api.view.deployments()[0]?.stuckSince).toBeNull();
    expect(bench.api.view.deployments()[0]?.reason).toContain('offer');
  });

  it('shows beforehand what it would do, and stores nothing', async () => {
    const bench = await Bench.started();
    await bench.put({ instances: 2 });
    await bench.quiet();
    const preview = bench.api.previewApps([{ id: WEB, body: { cmd: 'new' }, partial: true, expect: 'any' }]);
    expect(preview.apps[0]).toMatchObject({ action: 'restart', changedFields: ['cmd'], tasksToRestart: 2 });
    await bench.clock.run(1_000);
    expect(bench.master.launched).toHaveLength(2);
  });
});
