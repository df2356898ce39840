/** Promise 2: what runs and should not is gone in its time. */
import { liveTask, type TaskId } from '@ekiden/model';
import type { Invariant } from './invariant.js';
import { Patience } from './patience.js';
import type { Sight } from './sight.js';

/** Killed within 10 s of its agent's return; its own grace (3 s) and the way there and back come on top. */
const SURPLUS_LIMIT_MS = 14_000;
/** Where calls get lost: found by a sweep or by the next repetition of its KILL, within a minute; then its grace. */
const UNSAFE_SURPLUS_LIMIT_MS = 66_000;
/** A sweep each 30 s, and what it kills is gone at once. */
const UNKNOWN_LIMIT_MS = 60_000;

const isWanted = (sight: Sight, taskId: TaskId): boolean => {
  if (!sight.isOurs(taskId)) return true;
  const instance = sight.instanceOf(taskId);
  return instance !== undefined && liveTask(instance)?.taskId === taskId;
};

/** Machine of each process that runs. */
class Running {
  readonly hosts = new Map<TaskId, string>();

  started(taskId: TaskId, host: string): void {
    this.hosts.set(taskId, host);
  }

  ended(taskId: TaskId): void {
    this.hosts.delete(taskId);
  }
}

export const surplusIsKilled: Invariant = {
  id: '2e',
  name: 'a surplus task is killed',
  sentence: 'a process of a task that no instance has is gone within 14 s in which nothing stands in the way (66 s where calls get lost)',
  begin: (sight, report) => {
    const running = new Running();
    const patience = new Patience<TaskId>(sight, {
      limitMs: () => (sight.scene.areCallsSafe ? SURPLUS_LIMIT_MS : UNSAFE_SURPLUS_LIMIT_MS),
      isOpen: (taskId) => running.hosts.has(taskId) && !isWanted(sight, taskId),
      late: (taskId, host, ms) => {
        const instance = sight.instanceOf(taskId);
        report(`${taskId} runs on ${host}, for ${ms} ms without need; its instance is ${instance === undefined ? 'not recorded' : instance.condition.kind}`);
      },
    });
    const look = (taskId: TaskId): void => {
      const host = running.hosts.get(taskId);
      if (host !== undefined && !isWanted(sight, taskId)) patience.expect(taskId, host);
    };
    return {
      on: {
        'process-started': ({ host, process: { taskId } }) => {
          running.started(taskId, host);
          look(taskId);
        },
        'process-ended': ({ process: { taskId } }) => {
          running.ended(taskId);
          patience.over(taskId);
        },
        committed: ({ before }) => {
          for (const was of before.instances.values()) {
            const task = was === null ? null : liveTask(was);
            if (task !== null) look(task.taskId);
          }
        },
      },
      scan: () => {
        for (const host of sight.scene.hosts) {
          for (const { taskId } of host.machine.alive()) {
            running.started(taskId, host.name);
            look(taskId);
          }
        }
      },
    };
  },
};

export const agentsKnowTheirProcesses: Invariant = {
  id: '2f',
  name: 'every process is known to its agent',
  sentence: 'while an agent runs, a process on its machine that is of none of its tasks is gone within a minute',
  begin: (sight, report) => {
    /** Task → the agent's process that did not know it at the last look, and when it was first seen so. */
    const unknown = new Map<TaskId, { readonly process: object; readonly since: number }>();
    return {
      scan: () => {
        const seen = new Set<TaskId>();
        for (const { name, machine, process, agent } of sight.scene.hosts) {
          if (process === null || agent === null) continue;
          const known = agent.tasks();
          let at = 0;
          for (const { taskId } of machine.alive()) {
            // Both are in the order in which they came: mostly the next one is the one.
            if (known[at]?.task.task_id.value !== taskId) at = known.findIndex((record) => record.task.task_id.value === taskId);
            if (at >= 0) {
              at += 1;
              continue;
            }
            seen.add(taskId);
            const before = unknown.get(taskId);
            if (before?.process !== process) unknown.set(taskId, { process, since: sight.now() });
            else if (sight.now() - before.since >= UNKNOWN_LIMIT_MS)
              report(`${taskId} runs on ${name}, its agent has run for ${sight.now() - before.since} ms and does not know it`);
          }
        }
        for (const taskId of unknown.keys()) if (!seen.has(taskId)) unknown.delete(taskId);
      },
    };
  },
};

/** The stated time of promise 5: it covers an agent that never comes back (75 s), and the reconciliation that follows. */
const UNLEARNT_LIMIT_MS = 150_000;

export const everyEndIsLearnt: Invariant = {
  id: '5a',
  name: 'every end is learnt',
  sentence: 'when a process has ended, its instance has another task or none within 150 s in which nothing stands in the way',
  begin: (sight, report) => {
    const isUnlearnt = (taskId: TaskId): boolean => {
      const instance = sight.instanceOf(taskId);
      return instance !== undefined && liveTask(instance)?.taskId === taskId && instance.condition.kind !== 'unreachable';
    };
    const patience = new Patience<TaskId>(sight, {
      limitMs: () => UNLEARNT_LIMIT_MS,
      isOpen: isUnlearnt,
      late: (taskId, host, ms) =>
        report(`${taskId} ended on ${host} more than ${ms} ms ago, its instance is still ${sight.instanceOf(taskId)?.condition.kind}`),
    });
    return {
      on: {
        'process-ended': ({ host, process: { taskId } }) => {
          if (isUnlearnt(taskId)) patience.expect(taskId, host);
        },
      },
    };
  },
};
