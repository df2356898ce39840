import { decodeStatusData } from '@ekiden/mesos';
import { taskId } from '@ekiden/model';
import { PROGRESS_AFTER_MS, PROGRESS_EVERY_MS } from './progress.js';
import { MAX_FETCHING_LAUNCHES } from './task-runner.js';
import type { SandboxPort } from '../agent-ports.js';
import { AgentBench, aFramework, aTask, FRAMEWORK } from '../../test/agent-bench.js';

const T = taskId('t1');

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
    expect(bench.link.statuses().at(-1)?.message).toContain('Command terminated with signal SIGKILL; did not stop within 5.0 s of SIGTERM: SIGKILL to');
    expect(decodeStatusData(bench.link.statuses().at(-1)?.data)?.stop).toMatchObject({ signal: 'SIGKILL', graceMs: 5000 });
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
    expect(bench.link.statuses().at(-1)).toMatchObject({ state: 'TASK_KILLED' });
  });
});
