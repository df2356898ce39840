/**
 * Other limits of cpus and memory for a container that runs: its engine writes them into the container's groups.
 *
 * What it holds is looked at before, since some kernels would end it for a limit below that. While the engine is away it is asked again: what
 * it has done by then is not known, and asking twice changes nothing.
 */
import { type TaskLimits, holdsMore, memLimitMib, MIB } from '../cgroup-driver.js';
import { reasonOf } from '../reason-of.js';
import type { ResizeResult } from '../runtime.js';
import { createBackOff } from './back-off.js';
import { containerGroup } from './container-group.js';
import { type SizeRequest, sizeRequest } from './container-request.js';
import { EngineAway, type EngineClient, fieldIn, numberIn } from './engine-client.js';
import type { EngineTask } from './engine-task.js';

/** Null: the task has ended, or this agent closes. */
export async function resizeContainer(task: EngineTask, limits: TaskLimits, stop: AbortSignal): Promise<ResizeResult | null> {
  const backOff = createBackOff();
  while (!stop.aborted && task.state === 'running') {
    try {
      const most = memLimitMib(limits);
      const held = await heldBytes(task);
      if (most !== 'unlimited' && held > most * MIB) return { kind: 'refused', reason: holdsMore(held, most) };
      await update(task.client, task.container, sizeRequest(limits));
      return { kind: 'resized' };
    } catch (error) {
      if (!(error instanceof EngineAway)) return { kind: 'refused', reason: reasonOf(error) };
      await backOff.wait();
    }
  }
  return null;
}

/** From its groups where they are on this machine, else as the engine tells. */
async function heldBytes({ pid, client, container }: EngineTask): Promise<number> {
  const group = containerGroup(pid);
  if (group !== null) return group.heldBytes();
  const memory = fieldIn(await client.call('GET', `/containers/${container}/stats?stream=false&one-shot=true`), 'memory_stats');
  return heldIn(fieldIn(memory, 'stats'));
}

/** Pure. `stats`: the numbers of `memory.stat`, of either version of control groups. */
export const heldIn = (stats: unknown): number => {
  const first = ['total_rss', 'anon'].map((name) => numberIn(stats, name)).find((value) => value > 0) ?? 0;
  return first + (['total_shmem', 'shmem'].map((name) => numberIn(stats, name)).find((value) => value > 0) ?? 0);
};

async function update(client: EngineClient, container: string, size: SizeRequest): Promise<void> {
  const isPodman = (await client.program()) === 'podman';
  await client.send('POST', updatePath(isPodman, container), 'application/json', Buffer.from(JSON.stringify(isPodman ? resourcesOf(size) : size)));
}

/** podman has it beside what it has of Docker, from 4.3 on. */
const updatePath = (isPodman: boolean, container: string): string => `${isPodman ? '/libpod' : ''}/containers/${container}/update`;

/** As the OCI runtime specification writes them. Pure. */
export const resourcesOf = ({ CpuShares, CpuPeriod, CpuQuota, Memory, MemorySwap, MemoryReservation }: SizeRequest): unknown => ({
  cpu: { shares: CpuShares, ...(CpuQuota === undefined ? {} : { period: CpuPeriod, quota: CpuQuota }) },
  memory: {
    ...(Memory === undefined ? {} : { limit: Memory, swap: MemorySwap }),
    ...(MemoryReservation === undefined ? {} : { reservation: MemoryReservation }),
  },
});

/** Null: it can. Otherwise why not: an older podman cannot. */
export async function refuseResizes(client: EngineClient): Promise<string | null> {
  if ((await client.program()) === 'docker') return null;
  try {
    await client.send('POST', updatePath(true, 'ekiden-no-container'), 'application/json', Buffer.from('{}'));
    return null;
  } catch (error) {
    return /no such container/i.test(reasonOf(error)) ? null : 'a change of size while it runs: podman has it from version 4.3 on';
  }
}
