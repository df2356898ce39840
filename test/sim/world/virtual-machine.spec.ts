/** What a simulated machine must not do that no real one does. */
import { taskId } from '@ekiden/model';
import { VirtualClock } from './virtual-clock.js';
import { VirtualMachine } from './virtual-machine.js';

it('does not make up after a reboot for a start that was under way', async () => {
  // Seed 1041193: the next agent said that the task was over, and a process of it ran.
  const clock = new VirtualClock();
  const machine = new VirtualMachine(clock, 'agent-1', 1);
  const launched = machine.runtime().launch({
    taskId: taskId('web.1'),
    sandbox: '/sandboxes/web.1',
    runDir: '/runs/web.1',
    command: { kind: 'shell', line: 'run' },
    env: {},
    user: null,
    limits: { cpusMilli: 100, memMib: 32 },
  });
  machine.reboot('boot-2');
  await clock.run(1_000);
  expect(await launched).toEqual({ kind: 'failed', reason: 'host restarted' });
  expect(machine.alive()).toEqual([]);
});
