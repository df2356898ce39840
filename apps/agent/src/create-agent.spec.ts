import { decodeStatusData } from '@ekiden/mesos';
import { taskId } from '@ekiden/model';
import { CLEAN_UP_AGAIN_MS } from './tasks/clean-up.js';
import { AgentBench, aFramework, aTask, registered } from '../test/agent-bench.js';

const T = taskId('t1');

describe('launch', () => {
  it('starts the process and says TASK_RUNNING with the address of the agent', async () => {
    const bench = new AgentBench();
    await bench.start();
    await bench.launch('t1');
    expect(bench.machine.alive()).toHaveLength(1);
    expect(bench.machine.started[0]?.spec.env).toMatchObject({ PATH: '/bin', PORT0: '31000', MESOS_TASK_ID: 't1', MESOS_SANDBOX: '/sandboxes/t1' });
    expect(bench.link.statuses().at(-1)).toMatchObject({
      state: 'TASK_RUNNING',
      source: 'SOURCE_EXECUTOR',
      container_status: { network_infos: [{ ip_addresses: [{ ip_address: '10.0.0.1' }] }] },
    });
  });

  it('starts nothing twice, while the task runs and after its end was acknowledged', async () => {
    const bench = new AgentBench();
    await bench.start();
    await bench.launch('t1', { command: { value: 'exit 0 after 50' } });
    await bench.launch('t1');
    await bench.clock.run(1000);
    await bench.launch('t1');
    expect(bench.machine.started).toHaveLength(1);
    expect(bench.link.states()).toEqual(['TASK_RUNNING', 'TASK_FINISHED']);
    expect(bench.agent.tasks()).toEqual([]);
    expect(bench.machine.checkpointed()).toEqual([]);
  });

  it('has the record on disk before the fork, and writes at most once more', async () => {
    const bench = new AgentBench();
    const writes: string[] = [];
    const checkpoints = bench.machine.checkpoints(() => true);
    await bench.start({
      checkpoints: {
        ...checkpoints,
        saveTask: (record) => {
          writes.push(`${record.stage}, ${bench.machine.started.length} started`);
          return checkpoints.saveTask(record);
        },
      },
    });
    await bench.launch('t1');
    await bench.clock.run(5000);
    expect(writes).toEqual(['launching, 0 started', 'running, 1 started']);
  });

  it('tells the master anew what it can, on a new connection, and keeps its tasks', async () => {
    const bench = new AgentBench();
    let images = 'no: no engine';
    const config = {
      ...bench.config(),
      get attributes() {
        return { 'ekiden-images': images };
      },
    };
    await bench.start({ config });
    await bench.launch('t1');
    images = 'docker';
    bench.agent.registerAnew();
    await bench.clock.run(1_000);
    expect(bench.links).toHaveLength(2);
    expect(bench.link.register()).toMatchObject({
      attributes: [{ name: 'ekiden-images', text: { value: 'docker' } }],
      tasks: [{ task: { task_id: { value: 't1' } } }],
    });
    expect(bench.machine.alive()).toHaveLength(1);
  });

  it('says why a task cannot run here', async () => {
    const bench = new AgentBench();
    await bench.start();
    await bench.launch('t1', { command: { value: 'run', user: 'mallory' } });
    await bench.launch('t2', { container: { type: 'DOCKER' } });
    expect(bench.machine.started).toEqual([]);
    expect(bench.link.statuses()).toMatchObject([
      { state: 'TASK_ERROR', reason: 'REASON_TASK_INVALID', message: expect.stringContaining('--allow-user mallory') },
      { state: 'TASK_ERROR', message: expect.stringContaining('container') },
    ]);
  });

  it('survives what a master should never send, and starts the others', async () => {
    const bench = new AgentBench();
    await bench.start();
    const wrong = { ...aTask('t1'), command: { value: 'run', uris: 'http://x' } };
    const tasks = JSON.parse(JSON.stringify([null, {}, wrong, aTask('t2')]));
    bench.link.say({ type: 'launch', framework: aFramework(), tasks });
    bench.link.say(JSON.parse('{"type":"reconcile-tasks","frameworkId":"f","taskIds":7}'));
    await bench.clock.run(50);
    expect(bench.link.statuses()).toMatchObject([
      { task_id: { value: 't1' }, state: 'TASK_ERROR', message: expect.stringContaining('cannot be read') },
      { task_id: { value: 't2' }, state: 'TASK_RUNNING' },
    ]);
  });

  it('starts nothing when the disk is full, says so, and lives on', async () => {
    const bench = new AgentBench();
    await bench.start();
    bench.machine.disk.fill();
    await bench.launch('t1');
    expect(bench.machine.started).toEqual([]);
    expect(bench.link.statuses().at(-1)).toMatchObject({ state: 'TASK_FAILED', message: expect.stringContaining('no space') });
    bench.machine.disk.mend();
    await bench.launch('t2');
    expect(bench.link.statuses().at(-1)).toMatchObject({ state: 'TASK_RUNNING' });
  });

  it('leaves nothing of a task that ended while its disk was full, once the disk has room', async () => {
    const bench = new AgentBench();
    await bench.start();
    await bench.launch('t1');
    bench.machine.disk.fill();
    bench.machine.end(T, { code: 0 });
    await bench.clock.run(CLEAN_UP_AGAIN_MS);
    expect(bench.agent.tasks()).toEqual([]);
    bench.machine.disk.mend();
    await bench.clock.run(CLEAN_UP_AGAIN_MS);
    expect(bench.machine.checkpointed()).toEqual([]);
  });

  it('says how the process ended', async () => {
    const bench = new AgentBench();
    await bench.start();
    await bench.launch('t1', { command: { value: 'exit 7 after 10' } });
    await bench.launch('t2');
    bench.machine.end(taskId('t2'), { signal: 'SIGKILL', oomKilled: true, oomKills: 1, memPeakBytes: 32 << 20 });
    await bench.launch('t3');
    bench.machine.end(taskId('t3'), { code: 3, oomKills: 2 });
    await bench.clock.run(10);
    const [seven, oom, child] = bench.link.statuses().filter((status) => status.state === 'TASK_FAILED');
    expect(seven).toMatchObject({ message: 'Command exited with status 7' });
    expect(decodeStatusData(seven?.data)?.exit).toEqual({ code: 7, signal: null, oomKilled: false });
    expect(oom?.message).toBe('Memory limit exceeded: Command terminated with signal SIGKILL; it held up to 32 MiB');
    expect(child?.message).toContain('exited with status 3; before, the kernel killed 2 of its processes');
    expect(oom).toMatchObject({ reason: 'REASON_CONTAINER_LIMITATION_MEMORY', limitation: { resources: [{ name: 'mem', scalar: { value: 32 } }] } });
  });
});

describe('statuses', () => {
  it('go out one at a time, again after 10 s, and at once over a new link', async () => {
    const bench = new AgentBench();
    bench.acknowledges = false;
    await bench.start();
    await bench.launch('t1', { command: { value: 'exit 1 after 100' } });
    await bench.clock.run(9_000);
    expect(bench.link.states()).toEqual(['TASK_RUNNING']);
    await bench.clock.run(2_000);
    expect(bench.link.states()).toEqual(['TASK_RUNNING', 'TASK_RUNNING']);
    bench.link.cut();
    await bench.clock.run(50);
    expect(bench.links).toHaveLength(2);
    expect(bench.link.register()?.tasks).toMatchObject([{ state: 'TASK_FAILED', latest: { state: 'TASK_FAILED' } }]);
    expect(bench.link.states()).toEqual(['TASK_RUNNING']);
    bench.acknowledges = true;
    bench.link.acknowledge(bench.link.statuses()[0]!);
    bench.link.acknowledge(bench.link.statuses()[0]!); // doubled
    await bench.clock.run(50);
    expect(bench.link.states()).toEqual(['TASK_RUNNING', 'TASK_FAILED']);
    expect(bench.agent.tasks()).toEqual([]);
  });

  it('carry the newest state beside the one in flight', async () => {
    const bench = new AgentBench();
    bench.acknowledges = false;
    await bench.start();
    await bench.launch('t1', { command: { value: 'exit 1 after 100' } });
    await bench.clock.run(12_000);
    expect(bench.link.heard.at(-1)).toMatchObject({ type: 'status', status: { state: 'TASK_RUNNING' }, latestState: 'TASK_FAILED' });
  });
});

describe('the link', () => {
  it('does not follow a master of an older epoch, also after a restart', async () => {
    const bench = new AgentBench();
    bench.registersBy = registered(5);
    await bench.start();
    bench.kill();
    bench.registersBy = registered(4);
    await bench.start();
    expect(bench.agent.view().registered).toBe(false);
    expect(bench.link.isOpen).toBe(false);
    bench.registersBy = registered(6);
    await bench.clock.until('registered', () => bench.agent.view().registered, 10_000);
    expect(bench.agent.view().masterEpoch).toBe(6);
  });

  it('drops what an older link still says', async () => {
    const bench = new AgentBench();
    await bench.start();
    const old = bench.link;
    old.cut();
    await bench.clock.run(50);
    old.say({ type: 'launch', framework: aFramework(), tasks: [aTask('t1')] });
    await bench.clock.run(50);
    expect(bench.machine.started).toEqual([]);
  });

  it('is opened anew when no ping comes', async () => {
    const bench = new AgentBench();
    bench.registersBy = { ...registered(1), pingIntervalMs: 1000 } as typeof bench.registersBy;
    await bench.start();
    bench.link.say({ type: 'ping', nonce: 9 });
    await bench.clock.run(4_000);
    expect(bench.link.heard).toContainEqual({ type: 'pong', nonce: 9 });
    expect(bench.links).toHaveLength(1);
    await bench.clock.run(1_500);
    expect(bench.links.length).toBeGreaterThan(1);
  });
});
