import { decodeStatusData, type TaskStatus } from '@ekiden/mesos';
import { NO_RESOURCES, taskId } from '@ekiden/model';
import { CLEAN_UP_AGAIN_MS } from './tasks/clean-up.js';
import { PROGRESS_AFTER_MS, PROGRESS_EVERY_MS } from './tasks/progress.js';
import { MAX_FETCHING_LAUNCHES } from './tasks/task-runner.js';
import type { AgentPorts, SandboxPort } from './agent-ports.js';
import { AgentBench, aFramework, aHealthCheck, aTask, ekidenData, FRAMEWORK, registered } from '../test/agent-bench.js';

const T = taskId('t1');
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
const last = (statuses: readonly TaskStatus[]): TaskStatus | undefined => statuses[statuses.length - 1];

describe('launch', () => {
  it('starts the process and says TASK_RUNNING with the address of the agent', async () => {
    const bench = new AgentBench();
    await bench.start();
    await bench.launch('t1');
    expect(bench.machine.alive()).toHaveLength(1);
    expect(bench.machine.started[0]?.spec.env).toMatchObject({ PATH: '/bin', PORT0: '31000', MESOS_TASK_ID: 't1', MESOS_SANDBOX: '/sandboxes/t1' });
    expect(last(bench.link.statuses())).toMatchObject({
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
    expect(last(bench.link.statuses())).toMatchObject({ state: 'TASK_FAILED', message: expect.stringContaining('no space') });
    bench.machine.disk.mend();
    await bench.launch('t2');
    expect(last(bench.link.statuses())).toMatchObject({ state: 'TASK_RUNNING' });
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

describe('disk', () => {
  const DISK = [
    { name: 'mem', type: 'SCALAR' as const, scalar: { value: 32 } },
    { name: 'disk', type: 'SCALAR' as const, scalar: { value: 10 } },
  ];
  async function measured(policy: 'warn' | 'kill', usedMib: () => number): Promise<{ readonly bench: AgentBench; readonly looks: string[] }> {
    const bench = new AgentBench();
    const looks: string[] = [];
    const disk: AgentPorts['disk'] = {
      usedKib: (sandbox) => {
        looks.push(sandbox);
        return Promise.resolve(usedMib() * 1024);
      },
    };
    await bench.start({ config: { ...bench.config(), diskPolicy: policy, diskCheckMs: 1_000 }, disk });
    await bench.launch('t1', { resources: DISK });
    await bench.launch('t2');
    return { bench, looks };
  }

  it('over its limit twice in a row ends a task, by the operator’s policy, and says how much it was', async () => {
    let used = 11;
    const { bench, looks } = await measured('kill', () => used);
    await bench.clock.run(1_500);
    used = 9;
    await bench.clock.run(1_000);
    used = 12;
    await bench.clock.run(1_000);
    expect(bench.machine.alive()).toHaveLength(2);
    await bench.clock.run(2_000);
    expect(bench.machine.alive().map(({ taskId: id }) => id)).toEqual(['t2']);
    expect(last(bench.link.statuses())).toMatchObject({
      state: 'TASK_FAILED',
      reason: 'REASON_CONTAINER_LIMITATION_DISK',
      message: expect.stringMatching(/^Disk usage \(12 MiB\) exceeds the limit \(10 MiB\).*stopped by itself/),
      limitation: { resources: [{ name: 'disk', scalar: { value: 10 } }] },
    });
    expect(new Set(looks)).toEqual(new Set(['/sandboxes/t1']));
  });

  it('is only said where the policy is to warn, and once', async () => {
    const { bench } = await measured('warn', () => 64);
    await bench.clock.run(10_000);
    expect(bench.machine.alive()).toHaveLength(2);
    expect(bench.link.statuses().filter(({ message }) => message?.includes('Disk usage (64 MiB)'))).toMatchObject([{ state: 'TASK_RUNNING' }]);
  });
});

describe('kill', () => {
  it('ends as TASK_KILLED, by SIGTERM, then after the grace by SIGKILL', async () => {
    const bench = new AgentBench();
    await bench.start();
    await bench.launch('t1', { command: { value: 'ignore-term' } });
    bench.link.say({ type: 'kill', frameworkId: FRAMEWORK, taskId: T, killPolicy: { grace_period: { nanoseconds: 5e9 } } });
    await bench.clock.run(4_900);
    expect(bench.machine.alive()).toHaveLength(1);
    await bench.clock.run(200);
    expect(bench.link.states()).toEqual(['TASK_RUNNING', 'TASK_KILLED']);
    expect(last(bench.link.statuses())?.message).toContain('Command terminated with signal SIGKILL; did not stop within 5.0 s of SIGTERM: SIGKILL to');
    expect(decodeStatusData(last(bench.link.statuses())?.data)?.stop).toMatchObject({ signal: 'SIGKILL', graceMs: 5000 });
  });

  it('tells how the stop of a task went that ends by itself, also when an agent of later hears of it', async () => {
    const bench = new AgentBench();
    await bench.start();
    await bench.launch('t1', { command: { value: 'stops in 700' } });
    await bench.launch('t2', { command: { value: 'stops in 700' } });
    const kill = { type: 'kill', frameworkId: FRAMEWORK, killPolicy: { grace_period: { nanoseconds: 5e9 } } } as const;
    bench.link.say({ ...kill, taskId: T });
    bench.link.say({ ...kill, taskId: taskId('t2') });
    await bench.clock.run(100);
    bench.kill();
    await bench.clock.run(1_000);
    await bench.start();
    await bench.clock.run(5_000);
    const ends = bench.link.statuses().filter(({ state }) => state === 'TASK_KILLED');
    expect(ends.map(({ message }) => message)).toEqual(Array(2).fill(expect.stringMatching(/SIGTERM; stopped by itself \d\.\d s after SIGTERM$/)));
    expect(decodeStatusData(ends[0]?.data)?.stop).toMatchObject({ signal: 'SIGTERM', graceMs: 5000, killedProcesses: null });
  });

  it('says TASK_KILLING to a framework that knows it; a second KILL may only shorten', async () => {
    const bench = new AgentBench();
    await bench.start();
    await bench.launch('t1', { command: { value: 'ignore-term' } }, { capabilities: [{ type: 'TASK_KILLING_STATE' }] });
    const kill = (seconds: number): void =>
      bench.link.say({ type: 'kill', frameworkId: FRAMEWORK, taskId: T, killPolicy: { grace_period: { nanoseconds: seconds * 1e9 } } });
    kill(60);
    await bench.clock.run(100);
    kill(600);
    await bench.clock.run(100);
    kill(1);
    await bench.clock.run(1_100);
    expect(bench.link.states()).toEqual(['TASK_RUNNING', 'TASK_KILLING', 'TASK_KILLED']);
  });

  it('before the fork: nothing is started', async () => {
    const bench = new AgentBench();
    await bench.start();
    bench.link.say({ type: 'launch', framework: aFramework(), tasks: [aTask('t1')] });
    bench.link.say({ type: 'kill', frameworkId: FRAMEWORK, taskId: T, killPolicy: null });
    await bench.clock.run(50);
    expect(bench.machine.started).toEqual([]);
    expect(bench.link.statuses()).toMatchObject([{ state: 'TASK_KILLED', reason: 'REASON_TASK_KILLED_DURING_LAUNCH' }]);
  });

  it('ends a fetch, which holds up no task that fetches nothing', async () => {
    const bench = new AgentBench();
    const stops: AbortSignal[] = [];
    const fetch: SandboxPort['fetch'] = (_sandbox, _artifacts, _user, { stop }) =>
      new Promise((_resolve, reject) => {
        stops.push(stop);
        stop.addEventListener('abort', () => reject(new Error('stopped')));
      });
    await bench.start({ sandboxes: { ...bench.machine.sandboxes(), fetch } });
    const slow = (id: string): Promise<void> => bench.launch(id, { command: { value: 'run', uris: [{ value: 'http://slow/x' }] } });
    for (let n = 0; n <= MAX_FETCHING_LAUNCHES; n++) await slow(`slow${n}`);
    expect(stops).toHaveLength(MAX_FETCHING_LAUNCHES);
    await bench.launch('t1');
    expect(bench.machine.started).toHaveLength(1);
    const kill = (id: string): void => bench.link.say({ type: 'kill', frameworkId: FRAMEWORK, taskId: taskId(id), killPolicy: null });
    kill(`slow${MAX_FETCHING_LAUNCHES}`); // waits for its turn
    kill('slow0');
    await bench.clock.run(50);
    expect(bench.link.statuses().slice(1)).toMatchObject([
      { task_id: { value: `slow${MAX_FETCHING_LAUNCHES}` }, state: 'TASK_KILLED' },
      { task_id: { value: 'slow0' }, state: 'TASK_KILLED', reason: 'REASON_TASK_KILLED_DURING_LAUNCH' },
    ]);
    expect(bench.machine.started).toHaveLength(1);
  });

  it('says how far a long fetch is, at a bounded rate, and only the newest when nobody listened', async () => {
    const bench = new AgentBench();
    await bench.start();
    await bench.launch('t1', { command: { value: 'run', uris: [{ value: 'http://slow/20000' }] } });
    await bench.clock.run(PROGRESS_AFTER_MS + PROGRESS_EVERY_MS);
    const told = (): string[] => bench.link.statuses().map(({ state, message }) => `${state} ${message ?? ''}`);
    expect(told()).toEqual(['TASK_STARTING fetching http://slow/20000: 1500 of 20000', 'TASK_STARTING fetching http://slow/20000: 6500 of 20000']);
    bench.acknowledges = false;
    await bench.clock.run(20_000);
    // The third is on its way; what was to follow it is worth nothing by now.
    expect(bench.agent.tasks()[0]?.unacknowledged.map(({ state }) => state)).toEqual(['TASK_STARTING', 'TASK_RUNNING']);
  });

  it('of an unknown task, and a question for one, are answered without a uuid', async () => {
    const bench = new AgentBench();
    await bench.start();
    bench.link.say({ type: 'kill', frameworkId: FRAMEWORK, taskId: T, killPolicy: null });
    bench.link.say({ type: 'reconcile-tasks', frameworkId: FRAMEWORK, taskIds: [taskId('t2')] });
    await bench.clock.run(10);
    expect(bench.link.statuses()).toMatchObject([{ state: 'TASK_DROPPED' }, { state: 'TASK_DROPPED', task_id: { value: 't2' } }]);
    expect(bench.link.statuses().every((status) => status.uuid === undefined)).toBe(true);
  });

  it('of a whole framework needs no acknowledgement', async () => {
    const bench = new AgentBench();
    bench.acknowledges = false;
    await bench.start();
    await bench.launch('t1');
    bench.link.say({ type: 'shutdown-framework', frameworkId: FRAMEWORK });
    await bench.clock.run(100);
    expect(bench.machine.alive()).toEqual([]);
    expect(bench.agent.tasks()).toEqual([]);
    expect(bench.machine.checkpointed()).toEqual([]);
    expect(last(bench.link.statuses())).toMatchObject({ state: 'TASK_KILLED' });
  });
});

describe('a restart of the agent', () => {
  it('finds running tasks again and registers with them', async () => {
    const bench = new AgentBench();
    await bench.start();
    await bench.launch('t1');
    bench.kill();
    await bench.start();
    expect(bench.machine.started).toHaveLength(1);
    expect(bench.link.register()).toMatchObject({ agentId: 'agent-1', tasks: [{ task: { task_id: { value: 't1' } } }] });
    bench.machine.end(T, { code: 3 });
    await bench.clock.run(10);
    expect(last(bench.link.statuses())).toMatchObject({ state: 'TASK_FAILED', message: 'Command exited with status 3' });
  });

  it('goes on with capabilities that are not allowed any more; a new task that asks for them is refused with the option', async () => {
    const bench = new AgentBench();
    const data = ekidenData({ isolation: { capabilities: ['NET_ADMIN'], namespaces: ['pid'], privateTmp: true, pids: 9 } });
    await bench.start({ config: { ...bench.config(), allowedCapabilities: ['NET_ADMIN'] } });
    await bench.launch('t1', { data });
    expect(bench.machine.started[0]?.spec).toMatchObject({
      security: { capabilities: ['NET_ADMIN'] },
      namespaces: ['pid'],
      privateTmp: true,
      limits: { pids: 9 },
    });
    bench.kill();
    await bench.start({ config: { ...bench.config(), allowedCapabilities: [] } });
    await bench.launch('t2', { data });
    expect(last(bench.link.statuses())).toMatchObject({ state: 'TASK_ERROR', message: expect.stringContaining('--allow-capabilities NET_ADMIN') });
    expect(bench.machine.alive()).toHaveLength(1);
  });

  it('with another configuration: what runs goes on as it was accepted, and the master is told the new size', async () => {
    const bench = new AgentBench();
    const config = { ...bench.config(), taskUser: 'web', allowedUsers: ['db'] };
    await bench.start({ config });
    const check = { ...aHealthCheck({ protocol: 'COMMAND', port: null, command: 'true' }) };
    const data = ekidenData({ healthChecks: [check] });
    const ports = [{ name: 'ports', type: 'RANGES' as const, ranges: { range: [{ begin: 31_005, end: 31_005 }] } }];
    await bench.launch('t1', { data, resources: ports });
    await bench.launch('t2', { data, command: { value: 'run', user: 'db' } });
    bench.kill();
    const asked: (string | null)[] = [];
    const probe: AgentPorts['probe'] = {
      ...bench.machine.probe(),
      command: ({ user }) => {
        asked.push(user);
        return Promise.resolve({ ok: true, cause: null, response: null });
      },
    };
    const changed = { ...config, taskUser: null, allowedUsers: [], resources: NO_RESOURCES, attributes: { rack: 'other' } };
    await bench.start({ config: changed, probe });
    await bench.clock.run(5_000);
    expect(bench.machine.alive()).toHaveLength(2);
    expect(bench.link.register()).toMatchObject({
      attributes: [{ name: 'rack', text: { value: 'other' } }],
      tasks: [{ state: 'TASK_RUNNING' }, { state: 'TASK_RUNNING' }],
    });
    const resources = bench.link.register()?.resources ?? [];
    expect(resources.every(({ scalar }) => (scalar?.value ?? 0) === 0)).toBe(true);
    // Once "as the agent" would have been said, a check of a task of `web` had the rights of the agent.
    expect(new Set(asked)).toEqual(new Set(['web', 'db']));
  });

  it('learns the end of one which ended meanwhile', async () => {
    const bench = new AgentBench();
    await bench.start();
    await bench.launch('t1');
    bench.kill();
    bench.machine.end(T, { code: 0 });
    await bench.start();
    expect(last(bench.link.statuses())).toMatchObject({ state: 'TASK_FINISHED' });
    expect(bench.machine.checkpointed()).toEqual([]);
  });

  it.each([1, 2, 3, 4, 5, 6])('after %d ms of a launch: runs once or is known never to have run', async (ms) => {
    const bench = new AgentBench();
    await bench.start();
    bench.link.say({ type: 'launch', framework: aFramework(), tasks: [aTask('t1')] });
    await bench.clock.run(ms);
    bench.kill();
    await bench.clock.run(50);
    await bench.start();
    const said = last(bench.link.statuses())?.state;
    if (bench.machine.alive().length === 1) expect(said).toBe('TASK_RUNNING');
    else expect(said === undefined || said === 'TASK_DROPPED').toBe(true); // undefined: never on disk; the master asks
    expect(bench.machine.started.length).toBeLessThanOrEqual(1);
  });

  it('goes on with a kill that was under way', async () => {
    const bench = new AgentBench();
    await bench.start();
    await bench.launch('t1', { command: { value: 'ignore-term' } });
    bench.link.say({ type: 'kill', frameworkId: FRAMEWORK, taskId: T, killPolicy: { grace_period: { nanoseconds: 10e9 } } });
    await bench.clock.run(1000);
    bench.kill();
    await bench.start();
    expect(bench.machine.alive()).toHaveLength(1);
    await bench.clock.run(9_500);
    expect(last(bench.link.statuses())).toMatchObject({ state: 'TASK_KILLED' });
  });

  it('after a restart of the host: everything is over', async () => {
    const bench = new AgentBench();
    await bench.start();
    await bench.launch('t1');
    bench.kill();
    bench.machine.end(T, { code: 0 });
    bench.machine.bootId = 'boot-2';
    await bench.start();
    expect(last(bench.link.statuses())).toMatchObject({ state: 'TASK_GONE', message: 'host restarted' });
    expect(bench.machine.agentRecord()).toMatchObject({ bootId: 'boot-2', agentId: 'agent-1' });
  });

  // The simulator, seed 310: its tasks were taken for lost with a boot that was over long ago, and started twice.
  it('after a restart of the host that a full disk kept from being written down: tasks of this boot run on', async () => {
    const bench = new AgentBench();
    await bench.start();
    bench.kill();
    bench.machine.bootId = 'boot-2';
    bench.machine.disk.fill();
    await bench.start();
    bench.machine.disk.mend();
    await bench.launch('t1');
    bench.kill();
    expect(bench.machine.agentRecord()).toMatchObject({ bootId: 'boot-1' });
    await bench.start();
    expect(bench.agent.tasks()).toMatchObject([{ stage: 'running' }]);
  });

  it('sends an end that was not acknowledged again', async () => {
    const bench = new AgentBench();
    bench.acknowledges = false;
    await bench.start();
    await bench.launch('t1', { command: { value: 'exit 5 after 10' } });
    await bench.clock.run(2_000);
    bench.kill();
    bench.acknowledges = true;
    await bench.start();
    await bench.clock.run(100);
    expect(bench.link.states()).toEqual(['TASK_RUNNING', 'TASK_FAILED']);
    expect(bench.machine.checkpointed()).toEqual([]);
  });

  it('sets damaged checkpoints aside and starts all the same', async () => {
    const bench = new AgentBench();
    await bench.start({
      checkpoints: { ...bench.machine.checkpoints(() => true), load: () => Promise.resolve({ agent: null, tasks: [], damaged: ['t9.json: torn'] }) },
    });
    expect(bench.agent.view()).toMatchObject({ registered: true, damaged: ['t9.json: torn'] });
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
    expect(decodeStatusData(last(bench.link.statuses())?.data)?.checks[0]).toMatchObject({
      alive: false,
      lastFailureCause: expect.stringContaining('unescaped'),
    });
    expect(decodeStatusData(last(bench.link.statuses())?.data)?.readiness).toMatchObject({ ready: false });
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
    expect(last(bench.link.statuses())).toMatchObject({ state: 'TASK_KILLED', healthy: false, message: expect.stringContaining('2 times in a row') });
  });

  it('goes on from what was reported when the agent restarts, and says once what it sees now', async () => {
    const bench = new AgentBench();
    await bench.start();
    await bench.launch('t1', checked());
    await bench.clock.run(2_000);
    const before = decodeStatusData(last(bench.link.statuses())?.data)?.checks[0];
    bench.kill();
    await bench.start();
    await bench.clock.run(3_000);
    expect(bench.link.register()?.tasks[0]?.latest?.healthy).toBe(true);
    expect(bench.link.statuses()).toMatchObject([{ state: 'TASK_RUNNING', healthy: true }]);
    expect(decodeStatusData(last(bench.link.statuses())?.data)?.checks[0]).toMatchObject({ alive: true, firstSuccess: before?.firstSuccess });
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
