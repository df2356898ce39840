import type { AgentPorts } from '../agent-ports.js';
import { AgentBench } from '../../test/agent-bench.js';

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
    expect(bench.link.statuses().at(-1)).toMatchObject({
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
