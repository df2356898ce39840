/** Promises 2, 3 and 6, seen from the machines: what runs there, what may, and who ended it. */
import { describeSize, liveTask, parseTaskId, type InstanceId, type Resources, type TaskId } from '@ekiden/model';
import type { SimProcess } from '../world/sim-process.js';
import type { Invariant } from './invariant.js';
import { amountsOf, amountsOnWire, excess, NOTHING, resizeIn, sumOf } from './quantities.js';
import type { HostScene, Sight } from './sight.js';

export const onlyRecordedTasksStart: Invariant = {
  id: '2a',
  name: 'recorded before it starts',
  sentence: 'a process starts only for a task that a commit gave to an instance, and on the agent that it names',
  begin: (sight, report) => {
    /** Task → its agent, as recorded. */
    const recorded = new Map<string, string>();
    return {
      on: {
        committed: ({ writes }) => {
          for (const write of writes) {
            const task = write.kind === 'put-instance' ? liveTask(write.row) : null;
            if (task !== null) recorded.set(task.taskId, task.agentId);
          }
        },
        'process-started': ({ host, process: { taskId } }) => {
          const agentId = recorded.get(taskId);
          const here = sight.agentIdOf(host);
          if (!sight.isOurs(taskId)) return;
          if (agentId === undefined) report(`${taskId} was started on ${host}, and was never recorded`);
          else if (here !== null && agentId !== here) report(`${taskId} was started on ${host} (${here}), it was recorded for agent ${agentId}`);
        },
      },
    };
  },
};

export const noTaskStartsTwice: Invariant = {
  id: '2b',
  name: 'started once',
  sentence: 'a task has one process in its life, on one machine',
  begin: (_sight, report) => {
    const started = new Map<TaskId, string>();
    return {
      on: {
        'process-started': ({ host, process: { taskId } }) => {
          const before = started.get(taskId);
          if (before !== undefined) report(`${taskId} was started on ${host}, it had been started on ${before} before`);
          started.set(taskId, host);
        },
      },
    };
  },
};

export const noInstanceRunsTwice: Invariant = {
  id: '2c',
  name: 'one process an instance',
  sentence: 'an instance never has two processes at a time',
  begin: (sight, report) => {
    const running = new Map<InstanceId, TaskId>();
    return {
      on: {
        'process-started': ({ host, process: { taskId } }) => {
          if (!sight.isOurs(taskId)) return;
          const instance = parseTaskId(taskId)?.instanceId;
          if (instance === undefined) return report(`${taskId} was started on ${host}: that is no task id of ours`);
          const twin = running.get(instance);
          if (twin !== undefined) report(`${taskId} was started on ${host} while ${twin} of the same instance runs`);
          running.set(instance, taskId);
        },
        'process-ended': ({ process: { taskId } }) => {
          const instance = parseTaskId(taskId)?.instanceId;
          if (instance !== undefined && running.get(instance) === taskId) running.delete(instance);
        },
      },
    };
  },
};

export const theEndedNeverStart: Invariant = {
  id: '2d',
  name: 'an end is for good',
  sentence: 'a task that was recorded as ended, or as never launched, is not started afterwards',
  begin: (sight, report) => {
    const over = new Set<TaskId>();
    return {
      on: {
        committed: ({ before }) => {
          for (const [id, was] of before.instances) {
            const task = was === null ? null : liveTask(was);
            if (was === null || task === null || was.condition.kind === 'unreachable') continue;
            const is = sight.database.instances.get(id);
            // A wanted instance that goes on with another task: this one is over. Forgotten ones may be out of reach.
            if (is !== undefined && liveTask(is)?.taskId !== task.taskId) over.add(task.taskId);
          }
        },
        'process-started': ({ host, process: { taskId } }) => {
          if (over.has(taskId)) report(`${taskId} was started on ${host} after it had been recorded as over; its instance is ${describe(sight, taskId)}`);
        },
      },
    };
  },
};

export const machinesAreNotOverCommitted: Invariant = {
  id: '3a',
  name: 'machines are not over-committed',
  sentence: 'when a process starts or grows, all that runs on its machine asks for no more cpus, memory and ports than the machine has, no port twice',
  begin: (sight, report) => {
    const judge = (name: string, what: string): void => {
      const host = sight.host(name);
      const problem = host === undefined ? null : excessOf(sight, host);
      if (problem !== null) report(`${name}: after ${what} its processes ask for ${problem}`);
    };
    return {
      on: {
        'process-started': ({ host, process: { taskId } }) => judge(host, `the start of ${taskId}`),
        'process-resized': ({ host, process: { taskId, size }, from }) => {
          if (size.cpusMilli > from.cpusMilli || size.memMib > from.memMib) judge(host, `the growth of ${taskId}`);
        },
      },
    };
  },
};

export const sizesAreHeld: Invariant = {
  id: '3b',
  name: 'what a task may use is held for it',
  sentence: 'the master holds for each task of a registered agent at least the cpus and the memory to which its process is limited',
  begin: (sight, report) => {
    const judge = (host: string, processes: readonly SimProcess[]): void => {
      const agentId = sight.agentIdOf(host);
      const books = agentId === null ? null : (sight.master()?.state.books(agentId) ?? null);
      if (books === null || !books.isConnected || processes.length === 0) return;
      const held = new Map<string, Resources>(books.tasks.flatMap(({ taskId, holds, resources }) => (holds ? [[taskId, resources]] : [])));
      for (const { taskId, size, exit } of processes) {
        const resources = exit === null ? held.get(taskId) : undefined;
        if (resources !== undefined && (resources.cpusMilli < size.cpusMilli || resources.memMib < size.memMib))
          report(`${taskId} on ${host} may use ${describeSize(size)}, the master holds ${describeSize(resources)} for it`);
      }
    };
    return {
      on: {
        'process-started': ({ host, process }) => judge(host, [process]),
        'process-resized': ({ host, process }) => judge(host, [process]),
        'master-got': ({ host, message }) => {
          const taskId = message.type === 'status' && resizeIn(message.status) !== null ? message.status.task_id.value : null;
          if (taskId !== null)
            judge(
              host,
              sight
                .host(host)
                ?.machine.alive()
                .filter((process) => process.taskId === taskId) ?? [],
            );
        },
      },
      scan: () => {
        for (const { name, machine } of sight.scene.hosts) judge(name, machine.alive());
      },
    };
  },
};

/** What the processes of a machine ask for beyond what it has, in words; null: nothing. */
function excessOf(sight: Sight, host: HostScene): string | null {
  const asked = host.machine.alive().map(({ taskId, size }) => {
    const { ports } = amountsOnWire(sight.checkpoints.get(taskId)?.task.resources ?? []);
    return { ...NOTHING, ...size, ports };
  });
  return excess(sumOf(asked), amountsOf(host.resources));
}

export const servicesOutliveEkiden: Invariant = {
  id: '6a',
  name: 'services outlive Ekiden',
  sentence: 'no part ends the process of a task that its instance still has and that nobody has recorded a stop of',
  begin: (sight, report) => ({
    on: {
      'process-ended': ({ host, process: { taskId, exit }, by }) => {
        if (by !== 'agent' || !sight.scene.hasExtensions) return; // Without them agents kill for failed health by themselves.
        const instance = sight.instanceOf(taskId);
        if (instance === undefined || liveTask(instance)?.taskId !== taskId || instance.stop !== null || instance.condition.kind === 'unreachable') return;
        report(`${taskId} on ${host} was ended by its agent (${exit?.signal}), its instance is ${instance.condition.kind} and nobody stopped it`);
      },
    },
  }),
};

const describe = (sight: Sight, taskId: string): string => {
  const instance = sight.instanceOf(taskId);
  return instance === undefined ? 'not recorded any more' : `${instance.condition.kind} with ${liveTask(instance)?.taskId ?? 'no task'}`;
};
