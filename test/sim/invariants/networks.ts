/** Networks of tasks' own: ports lead to one task, and are led nowhere before its end is told. */
import { isTerminal, type TaskId } from '@ekiden/model';
import type { Invariant } from './invariant.js';

export const portsLeadToOneTask: Invariant = {
  id: 'net-a',
  name: 'a port leads to one task',
  sentence: 'no port of a machine leads to two tasks at a time, and an end is told only when none leads to it any more',
  begin: (_sight, report) => {
    const hosts = new Map<string, Map<TaskId, readonly number[]>>();
    const of = (host: string): Map<TaskId, readonly number[]> => {
      let attached = hosts.get(host);
      if (attached === undefined) hosts.set(host, (attached = new Map()));
      return attached;
    };
    return {
      on: {
        'network-attached': ({ host, taskId, ports }) => {
          for (const [other, taken] of of(host)) {
            const both = ports.find((port) => taken.includes(port));
            if (both !== undefined && other !== taskId) report(`port ${both} of ${host} leads to ${taskId}, and to ${other}`);
          }
          of(host).set(taskId, ports);
        },
        'network-detached': ({ host, taskId }) => void of(host).delete(taskId),
        'agent-sent': ({ host, message }) => {
          if (message.type !== 'status' || !isTerminal(message.status.state)) return;
          for (const taskId of of(host).keys())
            if (taskId === message.status.task_id.value) report(`${host} says ${message.status.state} of ${taskId}, whose network is still there`);
        },
      },
    };
  },
};

export const networksBelongToTasks: Invariant = {
  id: 'net-b',
  name: 'no network is left',
  sentence: 'at rest every network of a task is that of one that runs',
  begin: (sight, report) => {
    const attached = new Map<string, { readonly host: string; readonly taskId: TaskId }>();
    return {
      on: {
        'network-attached': ({ host, taskId }) => void attached.set(`${host} ${taskId}`, { host, taskId }),
        'network-detached': ({ host, taskId }) => void attached.delete(`${host} ${taskId}`),
      },
      atRest: () => {
        for (const { host, taskId } of attached.values()) {
          const runs = sight.host(host)?.machine.alive().some((process) => process.taskId === taskId) === true; // prettier-ignore
          if (!runs) report(`the network of ${taskId} is left on ${host}`);
        }
      },
    };
  },
};
