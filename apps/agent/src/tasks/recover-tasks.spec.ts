import { NO_RESOURCES, taskId } from '@ekiden/model';
import type { AgentPorts } from '../agent-ports.js';
import { SWEEP_INTERVAL_MS } from '../create-agent.js';
import { AgentBench, aFramework, aHealthCheck, aTask, ekidenData, FRAMEWORK } from '../../test/agent-bench.js';

const T = taskId('t1');

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
    expect(bench.link.statuses().at(-1)).toMatchObject({ state: 'TASK_FAILED', message: 'Command exited with status 3' });
  });

  it('waits for who knows of a task, and does then what was asked meanwhile', async () => {
    const bench = new AgentBench();
    await bench.start();
    await bench.launch('t1');
    bench.kill();
    const runtime = bench.machine.runtime();
    let answer: () => void = () => undefined;
    const away = new Promise<void>((resolve) => (answer = resolve));
    const recover: AgentPorts['runtime']['recover'] = (id, runDir) => {
      const settled = away.then(async () => {
        const found = await runtime.recover(id, runDir);
        return found.kind === 'undecided' ? { kind: 'never-started' as const } : found;
      });
      return Promise.resolve({ kind: 'undecided', settled });
    };
    await bench.start({ runtime: { ...runtime, recover } });
    expect(bench.link.register()).toMatchObject({ tasks: [{ task: { task_id: { value: 't1' } } }] });
    bench.link.say({ type: 'kill', frameworkId: FRAMEWORK, taskId: T, killPolicy: null });
    await bench.clock.run(10_000);
    expect(bench.machine.alive()).toHaveLength(1);
    expect(bench.link.states()).not.toContain('TASK_KILLED');
    answer();
    await bench.clock.run(5_000);
    expect(bench.link.statuses().at(-1)).toMatchObject({ state: 'TASK_KILLED' });
    expect(bench.machine.alive()).toHaveLength(0);
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
    expect(bench.link.statuses().at(-1)).toMatchObject({ state: 'TASK_ERROR', message: expect.stringContaining('--allow-capabilities NET_ADMIN') });
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
    expect(bench.link.statuses().at(-1)).toMatchObject({ state: 'TASK_FINISHED' });
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
    const said = bench.link.statuses().at(-1)?.state;
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
    expect(bench.link.statuses().at(-1)).toMatchObject({ state: 'TASK_KILLED' });
  });

  it('after a restart of the host: everything is over', async () => {
    const bench = new AgentBench();
    await bench.start();
    await bench.launch('t1');
    bench.kill();
    bench.machine.end(T, { code: 0 });
    bench.machine.bootId = 'boot-2';
    await bench.start();
    expect(bench.link.statuses().at(-1)).toMatchObject({ state: 'TASK_GONE', message: 'host restarted' });
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

  it('registers, and goes on looking for strays, while a network of an earlier task cannot be given back', async () => {
    const bench = new AgentBench();
    let looks = 0;
    const runtime = bench.machine.runtime();
    const hangs = (): Promise<never> => new Promise(() => undefined);
    const networks = { attach: hangs, detach: hangs, find: () => null, sweep: hangs, traffic: () => new Map() };
    await bench.start({
      networks,
      runtime: {
        ...runtime,
        sweep: (known) => {
          looks += 1;
          return runtime.sweep(known);
        },
      },
    });
    await bench.clock.run(3 * SWEEP_INTERVAL_MS);
    expect(bench.link.register()).toMatchObject({ type: 'register' });
    expect(looks).toBeGreaterThan(2);
  });
});
