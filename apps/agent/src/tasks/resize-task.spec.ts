import { decodeStatusData, type ResizeReport } from '@ekiden/mesos';
import { frameworkId, taskId, type TaskSize } from '@ekiden/model';
import type { AgentPorts } from '../agent-ports.js';
import { AgentBench, FRAMEWORK } from '../../test/agent-bench.js';

const size = (cpus: number, memMib: number): TaskSize => ({ cpusMilli: cpus * 1000, memMib });
const resources = (cpus: number, mem: number) => [
  { name: 'cpus', type: 'SCALAR' as const, scalar: { value: cpus } },
  { name: 'mem', type: 'SCALAR' as const, scalar: { value: mem } },
];

async function aTaskRuns(command = 'run'): Promise<AgentBench> {
  const bench = new AgentBench();
  await bench.start();
  await bench.launch('t1', { resources: resources(1, 64), command: { value: command } });
  return bench;
}

const order = (bench: AgentBench, revision: number, to: TaskSize): void =>
  bench.link.say({ type: 'resize', frameworkId: frameworkId(FRAMEWORK), taskId: taskId('t1'), revision, size: to });
const reports = (bench: AgentBench): (ResizeReport | undefined)[] => bench.link.statuses().map(({ data }) => decodeStatusData(data)?.resize);
const process = (bench: AgentBench) => bench.machine.alive()[0];

describe('a change of size', () => {
  it('is told to the master as something that this agent can', async () => {
    expect((await aTaskRuns()).link.register()?.abilities).toEqual(['resize']);
  });

  it('is written down, done, and in every status from then on; the process stays', async () => {
    const bench = await aTaskRuns();
    const { pid } = process(bench)!;
    order(bench, 1, size(2, 128));
    await bench.clock.run(50);
    expect(process(bench)).toMatchObject({ pid, size: size(2, 128) });
    expect(bench.link.statuses().at(-1)).toMatchObject({ state: 'TASK_RUNNING', message: 'resized in place: 2 cpus, 128 MiB' });
    expect(reports(bench).at(-1)).toEqual({ revision: 1, ...size(2, 128), refused: null });
    bench.machine.end(taskId('t1'), { code: 1 });
    await bench.clock.run(50);
    expect(reports(bench).at(-1)).toMatchObject({ revision: 1, cpusMilli: 2000 });
  });

  it('that the machine refuses leaves everything as it was, and says why', async () => {
    const bench = await aTaskRuns('run holds 50');
    order(bench, 1, size(2, 32));
    await bench.clock.run(50);
    expect(process(bench)?.size).toEqual(size(1, 64));
    expect(reports(bench).at(-1)).toMatchObject({ revision: 1, ...size(1, 64), refused: expect.stringContaining('holds 50 MiB') });
    expect(bench.agent.tasks()[0]?.task.resources).toMatchObject(resources(1, 64));
  });

  it('is on disk, with the larger of both sizes, before any limit changes', async () => {
    const bench = new AgentBench();
    const saved: string[] = [];
    const checkpoints = bench.machine.checkpoints(() => true);
    await bench.start({
      checkpoints: {
        ...checkpoints,
        saveTask: (record) => {
          const resize = record.resize === undefined ? 'none' : record.resize.outcome === null ? 'begun' : 'done';
          const { resources: asked } = record.task;
          saved.push(`${resize}, ${asked?.map(({ scalar }) => scalar?.value).join('/')}, limited to ${process(bench)?.size.cpusMilli ?? 0}`);
          return checkpoints.saveTask(record);
        },
      },
    });
    await bench.launch('t1', { resources: resources(1, 64) });
    await bench.clock.run(1_000);
    order(bench, 1, size(0.5, 128));
    await bench.clock.run(1_000);
    expect(saved.slice(2)).toEqual(['begun, 1/128, limited to 1000', 'done, 0.5/128, limited to 500']);
  });

  it('is done by the highest revision, whatever comes late, and what is repeated is answered again', async () => {
    const bench = await aTaskRuns();
    order(bench, 2, size(2, 128));
    order(bench, 1, size(3, 256));
    await bench.clock.run(50);
    expect(process(bench)?.size).toEqual(size(2, 128));
    const before = reports(bench).length;
    order(bench, 2, size(2, 128));
    await bench.clock.run(50);
    expect(reports(bench).slice(before)).toEqual([{ revision: 2, ...size(2, 128), refused: null }]);
  });

  it('goes on after a crash between the record and the limits, and stays after one that comes later', async () => {
    const bench = await aTaskRuns();
    await bench.clock.run(1_000);
    let isCut = false;
    const runtime = bench.machine.runtime();
    bench.kill();
    await bench.start({
      runtime: {
        ...runtime,
        resize: () => {
          isCut = true;
          bench.kill();
          return { kind: 'refused', reason: 'nobody hears this' };
        },
      },
    });
    order(bench, 1, size(2, 128));
    await bench.clock.until('the crash', () => isCut);
    await bench.start();
    await bench.clock.run(50);
    expect(process(bench)?.size).toEqual(size(2, 128));
    expect(reports(bench).at(-1)).toEqual({ revision: 1, ...size(2, 128), refused: null });
    await bench.clock.run(1_000);
    bench.kill();
    await bench.start();
    expect(bench.link.register()?.tasks[0]?.task.resources).toMatchObject(resources(2, 128));
    order(bench, 1, size(4, 512));
    await bench.clock.run(50);
    expect(process(bench)?.size).toEqual(size(2, 128));
  });

  it('is done one after the other where it takes its time, each from what is in force by then', async () => {
    const bench = new AgentBench();
    const runtime = bench.machine.runtime();
    const asked: number[] = [];
    const answers: ((isDone: boolean) => void)[] = [];
    const resize: AgentPorts['runtime']['resize'] = (_, { memMib }) => {
      asked.push(memMib);
      return new Promise((resolve) => answers.push((isDone) => resolve(isDone ? { kind: 'resized' } : { kind: 'refused', reason: 'no' })));
    };
    await bench.start({ runtime: { ...runtime, resize } });
    await bench.launch('t1', { resources: resources(1, 64) });
    order(bench, 1, size(1, 128));
    await bench.clock.run(50);
    order(bench, 2, size(1, 32));
    order(bench, 3, size(1, 48));
    await bench.clock.run(50);
    expect(asked).toEqual([128]);
    expect(bench.agent.tasks()[0]?.task.resources).toMatchObject(resources(1, 128));
    answers[0]?.(true);
    await bench.clock.run(50);
    expect(asked).toEqual([128, 48]);
    expect(bench.agent.tasks()[0]?.task.resources).toMatchObject(resources(1, 128));
    answers[1]?.(false);
    await bench.clock.run(50);
    expect(reports(bench).at(-1)).toEqual({ revision: 3, ...size(1, 128), refused: 'no' });
    expect(bench.agent.tasks()[0]?.task.resources).toMatchObject(resources(1, 128));
  });

  it('is refused where it cannot be written down, or goes beyond a limit of the task', async () => {
    const bench = new AgentBench();
    await bench.start();
    await bench.launch('t1', { resources: resources(1, 64), limits: { mem: { value: 100 } } });
    order(bench, 1, size(1, 128));
    await bench.clock.run(50);
    expect(reports(bench).at(-1)?.refused).toContain('limit of 100 MiB');
    bench.machine.disk.fill();
    order(bench, 2, size(1, 32));
    await bench.clock.run(50);
    expect(reports(bench).at(-1)).toMatchObject({ revision: 2, memMib: 64, refused: expect.stringContaining('no space') });
    expect(process(bench)?.size).toEqual(size(1, 64));
  });

  it('is nothing to a task that is being stopped, and answered for one that is not here', async () => {
    const bench = await aTaskRuns('run ignore-term');
    bench.link.say({ type: 'kill', frameworkId: frameworkId(FRAMEWORK), taskId: taskId('t1'), killPolicy: null });
    order(bench, 1, size(2, 128));
    await bench.clock.run(50);
    expect(process(bench)?.size).toEqual(size(1, 64));
    bench.link.say({ type: 'resize', frameworkId: frameworkId(FRAMEWORK), taskId: taskId('t9'), revision: 1, size: size(1, 1) });
    await bench.clock.run(50);
    expect(bench.link.statuses().at(-1)).toMatchObject({ task_id: { value: 't9' }, state: 'TASK_DROPPED' });
  });
});
