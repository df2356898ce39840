/**
 * What containers have used: from their control groups where they are on this machine, like any task's; else as their engine tells.
 *
 * An engine takes its time to tell: it is asked in the background, and what it said last is shown.
 */
import type { Log, TaskId } from '@ekiden/model';
import { reasonOf } from '../reason-of.js';
import type { TaskStatistics } from '../task-statistics.js';
import { type ContainerGroup, containerGroup } from './container-group.js';
import { fieldIn, numberIn, textIn } from './engine-client.js';
import type { EngineTask } from './engine-task.js';

const NANOS = 1e9;
/** Questions to engines under way at once. */
const MAX_CALLS = 8;

interface Known {
  readonly pid: number;
  readonly group: ContainerGroup | null;
  told: TaskStatistics | null;
  isAsking: boolean;
}

export function createStatistics(log: Log): (tasks: readonly EngineTask[]) => ReadonlyMap<TaskId, TaskStatistics> {
  const all = new WeakMap<EngineTask, Known>();
  let calls = 0;

  function knownOf(task: EngineTask): Known {
    const before = all.get(task);
    if (before?.pid === task.pid) return before;
    const known: Known = { pid: task.pid, group: containerGroup(task.pid), told: null, isAsking: false };
    all.set(task, known);
    return known;
  }

  async function ask({ taskId, client, container }: EngineTask, known: Known): Promise<void> {
    if (known.isAsking || calls >= MAX_CALLS) return;
    known.isAsking = true;
    calls += 1;
    try {
      known.told = readEngineStatistics(await client.call('GET', `/containers/${container}/stats?stream=false&one-shot=true`));
    } catch (error) {
      log.debug('statistics-not-read', { taskId, why: reasonOf(error) });
    } finally {
      known.isAsking = false;
      calls -= 1;
    }
  }

  return (tasks) => {
    const found = new Map<TaskId, TaskStatistics>();
    for (const task of tasks) {
      if (task.state !== 'running') continue;
      const known = knownOf(task);
      if (known.group === null) void ask(task, known);
      const statistics = known.group === null ? known.told : known.group.statistics();
      if (statistics !== null) found.set(task.taskId, statistics);
    }
    return found;
  };
}

/** Pure. From `GET /containers/NAME/stats?stream=false&one-shot=true`; null when it tells nothing, as of one that has ended. */
export function readEngineStatistics(answer: unknown): TaskStatistics | null {
  const cpu = fieldIn(answer, 'cpu_stats');
  const usage = fieldIn(cpu, 'cpu_usage');
  const memory = fieldIn(answer, 'memory_stats');
  const stats = fieldIn(memory, 'stats');
  const total = numberIn(memory, 'usage');
  if (total === 0) return null;
  const first = (...names: readonly string[]): number =>
    (names.map((name) => fieldIn(stats, name)).find((value) => typeof value === 'number') as number | undefined) ?? 0;
  const throttling = fieldIn(cpu, 'throttling_data');
  const periods = numberIn(throttling, 'periods');
  const processes = numberIn(fieldIn(answer, 'pids_stats'), 'current');
  return {
    cpu: {
      totalSecs: numberIn(usage, 'total_usage') / NANOS,
      userSecs: numberIn(usage, 'usage_in_usermode') / NANOS,
      systemSecs: numberIn(usage, 'usage_in_kernelmode') / NANOS,
    },
    throttling:
      periods === 0
        ? null
        : { periods, throttledPeriods: numberIn(throttling, 'throttled_periods'), throttledSecs: numberIn(throttling, 'throttled_time') / NANOS },
    memory: {
      rssBytes: first('total_rss', 'anon'),
      workingSetBytes: Math.max(0, total - first('total_inactive_file', 'inactive_file')),
      cacheBytes: first('total_cache', 'file'),
      totalBytes: total,
      swapBytes: first('total_swap'),
      peakBytes: numberIn(memory, 'max_usage') || null,
      limitBytes: numberIn(memory, 'limit') || null,
    },
    io: ioIn(fieldIn(fieldIn(answer, 'blkio_stats'), 'io_service_bytes_recursive')),
    processes,
    threads: processes,
  };
}

function ioIn(entries: unknown): TaskStatistics['io'] {
  if (!Array.isArray(entries)) return null;
  const sum = (kind: string): number =>
    entries.reduce((all: number, each: unknown) => (textIn(each, 'op').toLowerCase() === kind ? all + numberIn(each, 'value') : all), 0);
  return { readBytes: sum('read'), writtenBytes: sum('write') };
}
