/**
 * What tasks use, as Prometheus' series with the labels `app` and `task`, taken when they are asked for.
 *
 * At most MAX_TASKS_SHOWN tasks, those that use most cpu time first, so that no machine drowns its Prometheus; how many are left out is a
 * series of its own.
 */
import { parseTaskId } from '@ekiden/model';
import type { Metrics } from '@ekiden/service';
import type { Look, TaskUse } from '../statistics/task-sampler.js';

/** Some 14 series each, 18 with a network of its own. */
export const MAX_TASKS_SHOWN = 1_000;

type Value = (use: TaskUse) => number | null | undefined;

const COUNTERS: readonly (readonly [name: string, help: string, value: Value])[] = [
  ['task_cpu_seconds_total', 'Cpu time that a task has used.', ({ statistics }) => statistics.cpu.totalSecs],
  ['task_cpu_user_seconds_total', 'The part of it in its own code.', ({ statistics }) => statistics.cpu.userSecs],
  ['task_cpu_system_seconds_total', 'The part of it in the kernel.', ({ statistics }) => statistics.cpu.systemSecs],
  ['task_cpu_periods_total', 'Periods of 100 ms in which a task with a hard limit wanted to run.', ({ statistics }) => statistics.throttling?.periods],
  ['task_cpu_throttled_periods_total', 'Those in which it was held back.', ({ statistics }) => statistics.throttling?.throttledPeriods],
  ['task_cpu_throttled_seconds_total', 'How long it was held back.', ({ statistics }) => statistics.throttling?.throttledSecs],
  ['task_io_read_bytes_total', 'Read from block devices.', ({ statistics }) => statistics.io?.readBytes],
  ['task_io_written_bytes_total', 'Written to block devices.', ({ statistics }) => statistics.io?.writtenBytes],
  ['task_network_received_bytes_total', 'Received by a task that has a network of its own.', ({ traffic }) => traffic?.receivedBytes],
  ['task_network_sent_bytes_total', 'Sent by it.', ({ traffic }) => traffic?.sentBytes],
  ['task_network_received_packets_total', 'Packets that it received.', ({ traffic }) => traffic?.receivedPackets],
  ['task_network_sent_packets_total', 'Packets that it sent.', ({ traffic }) => traffic?.sentPackets],
];

const GAUGES: readonly (readonly [name: string, help: string, value: Value])[] = [
  ['task_cpus_requested', 'The cpus that a task asked for.', ({ task }) => task.plan.limits.cpusMilli / 1_000],
  ['task_memory_rss_bytes', 'Anonymous memory of a task.', ({ statistics }) => statistics.memory.rssBytes],
  ['task_memory_working_set_bytes', 'Memory that cannot be taken back without swapping.', ({ statistics }) => statistics.memory.workingSetBytes],
  ['task_memory_cache_bytes', 'Files in memory.', ({ statistics }) => statistics.memory.cacheBytes],
  ['task_memory_peak_bytes', 'The most that it ever held.', ({ statistics }) => statistics.memory.peakBytes],
  ['task_memory_limit_bytes', 'Where the kernel ends it.', ({ statistics }) => statistics.memory.limitBytes],
  ['task_processes', 'Processes of a task.', ({ statistics }) => statistics.processes],
  ['task_threads', 'Threads of a task.', ({ statistics }) => statistics.threads],
];

/** Answers how the series are brought up to a look; null takes them away. */
export function taskMetrics(metrics: Metrics): (look: Look | null) => void {
  const labels = ['app', 'task'] as const;
  const counters = COUNTERS.map(([name, help, value]) => ({ metric: metrics.counter(name, help, labels), value }));
  const gauges = GAUGES.map(([name, help, value]) => ({ metric: metrics.gauge(name, help, labels), value }));
  const leftOut = metrics.gauge('tasks_without_series', `Tasks that are left out above, since there are more than ${MAX_TASKS_SHOWN}.`);
  return (look) => {
    for (const { metric } of [...counters, ...gauges]) metric.reset();
    const uses = [...(look?.tasks.values() ?? [])];
    const shown = uses.length <= MAX_TASKS_SHOWN ? uses : uses.sort(byCpuTime).slice(0, MAX_TASKS_SHOWN);
    for (const use of shown) {
      const task = use.task.taskId;
      const named = { app: parseTaskId(task)?.appId ?? use.task.record.task.name, task };
      for (const { metric, value } of counters) ifKnown(value(use), (known) => metric.inc(named, known));
      for (const { metric, value } of gauges) ifKnown(value(use), (known) => metric.set(named, known));
    }
    leftOut.set(uses.length - shown.length);
  };
}

const byCpuTime = (a: TaskUse, b: TaskUse): number => b.statistics.cpu.totalSecs - a.statistics.cpu.totalSecs;

function ifKnown(value: number | null | undefined, use: (known: number) => void): void {
  if (value !== null && value !== undefined) use(value);
}
