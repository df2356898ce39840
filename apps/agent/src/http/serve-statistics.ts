/**
 * What the tasks of this agent use, over HTTP: in Mesos' words for what is written for Mesos, and in ours with the history.
 *
 *   GET /containers?container_id=            each task: Mesos' ContainerStatus and ResourceStatistics
 *   GET /monitor/statistics                  the same, without the container (both also below /slave(1), as Mesos has them)
 *   GET /ekiden/v1/statistics?idPrefix=      the tasks whose ids begin so; none given: all
 *   GET /ekiden/v1/tasks/{taskId}/statistics one task, now and over the last day; of one that has ended, the history alone
 *
 * Only what is measured is there: of the network what goes through a task's own, none of what it shares with the machine. Absent on purpose: commands and environments, which hold secrets.
 */
import { isoTime, taskId, type AgentId, type Instant } from '@ekiden/model';
import type { TaskSampler, TaskUse } from '../statistics/task-sampler.js';
import { rounded, type Series } from '../statistics/task-history.js';
import { decode, json, type Answer } from './answer.js';

export interface StatisticsSource {
  readonly sampler: Pick<TaskSampler, 'look' | 'history'>;
  /** A task that says nothing of it gets no more cpu than it asked for. */
  readonly hardCpus: boolean;
  agentId(): AgentId | null;
}

type Json = Readonly<Record<string, unknown>>;

/** Tasks in one answer of `/ekiden/v1/statistics`; how many more there are is said. */
export const MAX_LISTED_TASKS = 5_000;
/** Of a task id (Mesos: 255). */
const MAX_ID_LENGTH = 255;
const MIB = 1024 * 1024;

/** Null: another path. */
export function serveStatistics(pathname: string, query: URLSearchParams, source: StatisticsSource): Answer | null {
  const path = pathname.replace(/^\/slave\(1\)/, '').replace(/\.json$/, '');
  if (path === '/monitor/statistics') return ok(allMonitored(source));
  if (path === '/containers') return ok(containers(query.get('container_id'), source));
  if (pathname === '/ekiden/v1/statistics') return listed(query.get('idPrefix') ?? '', source);
  const match = /^\/ekiden\/v1\/tasks\/([^/]+)\/statistics$/.exec(pathname);
  return match === null ? null : oneTask(match[1] ?? '', source);
}

function allMonitored(source: StatisticsSource): readonly Json[] {
  const { at, tasks } = source.sampler.look();
  return [...tasks.values()].map((use) => monitored(at, use, source));
}

const ok = (body: unknown): Answer => json(200, body);

function containers(wanted: string | null, source: StatisticsSource): readonly Json[] {
  const { at, tasks } = source.sampler.look();
  return [...tasks.values()].flatMap((use) => {
    const { taskId: id, pid } = use.task;
    const status = { container_id: { value: id }, ...(pid === null ? {} : { executor_pid: pid }) };
    return wanted === null || wanted === id ? [{ container_id: id, ...monitored(at, use, source), status }] : [];
  });
}

/** Each task is a container of its own, under the task's id; what runs it has, as Mesos' command executor, the id of its task. */
function monitored(at: Instant, use: TaskUse, source: StatisticsSource): Json {
  const { taskId: id, record } = use.task;
  return {
    framework_id: record.frameworkId,
    executor_id: id,
    executor_name: `Command Executor (Task: ${id})`,
    source: id,
    statistics: resourceStatistics(at, use, source),
  };
}

/** Mesos: ResourceStatistics. What is soft is what was asked for; without a limit Mesos' own limit is that as well. */
function resourceStatistics(at: Instant, { task, statistics, traffic }: TaskUse, source: StatisticsSource): Json {
  const { cpu, throttling, memory, io } = statistics;
  const { cpusMilli, memMib } = task.plan.limits;
  return {
    timestamp: at / 1_000,
    processes: statistics.processes,
    threads: statistics.threads,
    cpus_user_time_secs: cpu.userSecs,
    cpus_system_time_secs: cpu.systemSecs,
    cpus_limit: limitCpus(task, source) ?? cpusMilli / 1_000,
    cpus_soft_limit: cpusMilli / 1_000,
    ...(throttling === null
      ? {}
      : { cpus_nr_periods: throttling.periods, cpus_nr_throttled: throttling.throttledPeriods, cpus_throttled_time_secs: throttling.throttledSecs }),
    mem_total_bytes: memory.totalBytes,
    mem_rss_bytes: memory.rssBytes,
    mem_anon_bytes: memory.rssBytes,
    mem_file_bytes: memory.cacheBytes,
    mem_cache_bytes: memory.cacheBytes,
    mem_swap_bytes: memory.swapBytes,
    mem_limit_bytes: memory.limitBytes ?? memMib * MIB,
    mem_soft_limit_bytes: memMib * MIB,
    ...(traffic === null
      ? {}
      : {
          net_rx_packets: traffic.receivedPackets,
          net_rx_bytes: traffic.receivedBytes,
          net_tx_packets: traffic.sentPackets,
          net_tx_bytes: traffic.sentBytes,
        }),
    ...(io === null ? {} : { blkio_statistics: { throttling: [{ io_service_bytes: blkioBytes(io.readBytes, io.writtenBytes) }] } }),
  };
}

const blkioBytes = (read: number, written: number): readonly Json[] => [
  { op: 'READ', value: read },
  { op: 'WRITE', value: written },
  { op: 'TOTAL', value: read + written },
];

/** Null: as much as the machine has to spare. */
function limitCpus({ plan }: TaskUse['task'], { hardCpus }: StatisticsSource): number | null {
  const { cpuLimitMilli, cpusMilli } = plan.limits;
  const limit = cpuLimitMilli ?? (hardCpus ? cpusMilli : 'unlimited');
  return limit === 'unlimited' ? null : limit / 1_000;
}

function listed(prefix: string, source: StatisticsSource): Answer {
  if (prefix.length > MAX_ID_LENGTH) return json(400, { message: `idPrefix has ${prefix.length} characters, at most ${MAX_ID_LENGTH} are in a task id` });
  const { at, tasks } = source.sampler.look();
  const wanted = [...tasks.values()].filter(({ task }) => task.taskId.startsWith(prefix));
  const shown = wanted.slice(0, MAX_LISTED_TASKS);
  return ok({
    agentId: source.agentId(),
    at: isoTime(at),
    tasks: shown.map((use) => renderUse(use, source)),
    leftOut: wanted.length - shown.length,
  });
}

function oneTask(encoded: string, source: StatisticsSource): Answer {
  const id = taskId(decode(encoded));
  const { at, tasks } = source.sampler.look();
  const use = tasks.get(id);
  const history = source.sampler.history(id);
  if (use === undefined && history === null)
    return json(404, { message: 'no such task runs on this agent, or has run within a day and long enough to be measured' });
  return ok({
    agentId: source.agentId(),
    at: isoTime(at),
    taskId: id,
    now: use === undefined ? null : renderUse(use, source),
    history: (history ?? []).map(renderSeries),
  });
}

/** `recent` is the average since the reading before, which is `recent.secs` long. */
function renderUse({ task, statistics, traffic, recent }: TaskUse, source: StatisticsSource): Json {
  const { record, plan } = task;
  const { cpu, throttling, memory, io, processes, threads } = statistics;
  return {
    taskId: task.taskId,
    frameworkId: record.frameworkId,
    name: record.task.name,
    startedAt: record.startedAt === null ? null : isoTime(record.startedAt),
    cpu: { ...cpu, requestedCpus: plan.limits.cpusMilli / 1_000, limitCpus: limitCpus(task, source) },
    throttling,
    memory: { ...memory, requestedBytes: plan.limits.memMib * MIB },
    io,
    network: traffic,
    processes,
    threads,
    recent:
      recent === null
        ? null
        : {
            secs: recent.secs,
            cpus: rounded(recent.cpus, 4),
            throttledShare: recent.throttledShare === null ? null : rounded(recent.throttledShare, 4),
            readBytesPerSec: recent.readBytesPerSec === null ? null : Math.round(recent.readBytesPerSec),
            writtenBytesPerSec: recent.writtenBytesPerSec === null ? null : Math.round(recent.writtenBytesPerSec),
          },
  };
}

const renderSeries = (series: Series): Json => ({ ...series, from: isoTime(series.from) });
