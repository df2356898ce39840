/**
 * Looks whether the ports of a task are free before the start: somebody outside of Ekiden may listen there.
 *
 * Last before the launch. Such a task would fail by itself, or worse: run, while its clients and health checks speak with a
 * stranger. A scheduler that may choose takes another port at the next launch.
 */
import type { PortForward } from '@ekiden/isolation';
import type { TaskInfo } from '@ekiden/mesos';
import type { HostPort, HostPorts } from '../../agent-ports.js';
import type { TaskHook } from './task-hook.js';

export function portsHook(hostPorts: HostPorts): TaskHook {
  return {
    name: 'ports',
    preStart: async (task) => {
      const wanted = portsOf(
        task.record.task,
        (task.plan.container?.networks ?? []).flatMap(({ ports }) => ports),
      );
      if (wanted.length === 0) return;
      const taken = await hostPorts.taken(wanted);
      if (taken[0] === undefined) return;
      const names = taken.map(({ port, protocol }) => `${port}/${protocol}`).join(', ');
      throw new Error(`port ${names} is taken by a process that is no task of this agent: end it, or leave the port out of --ports`);
    },
  };
}

/** Those that the task holds; TCP unless its mappings or its discovery info say otherwise. */
function portsOf({ resources, discovery }: TaskInfo, mapped: readonly PortForward[]): readonly HostPort[] {
  const wanted: HostPort[] = [];
  for (const resource of resources ?? []) {
    if (resource.name !== 'ports') continue;
    for (const { begin, end } of resource.ranges?.range ?? []) {
      for (let port = begin; port <= end; port += 1) {
        const told = (discovery?.ports?.ports ?? []).filter(({ number }) => number === port).map(({ protocol }) => protocol);
        const said = [...mapped.filter(({ hostPort }) => hostPort === port).map(({ protocol }) => protocol), ...told];
        const isUdp = said.length > 0 && said.every((protocol) => protocol === 'udp');
        if (!isUdp) wanted.push({ port, protocol: 'tcp' });
        if (said.includes('udp')) wanted.push({ port, protocol: 'udp' });
      }
    }
  }
  return wanted;
}
