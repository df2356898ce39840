/** What tasks use as text, the busiest first. Pure. */
import type { TaskUse, Statistics } from '../api/shapes.js';
import { shortTask } from './log-prefix.js';
import { table } from './table.js';

export const TOP_ORDERS = ['cpu', 'memory', 'io'] as const;
export type TopOrder = (typeof TOP_ORDERS)[number];

const HEAD = ['APP', 'INSTANCE', 'NODE', 'CPU', 'LIMIT', 'THROTTLED', 'MEMORY', 'LIMIT', 'PEAK', 'READ/s', 'WRITTEN/s'];

/** `rows`: lines of tasks that there is room for; the rest is counted. */
export function topText({ tasks, leftOut, unanswered }: Statistics, order: TopOrder, rows = Number.POSITIVE_INFINITY): string {
  const sorted = [...tasks].sort((a, b) => weight(b, order) - weight(a, order) || (a.taskId < b.taskId ? -1 : 1));
  const shown = sorted.slice(0, Math.max(1, rows));
  const more = leftOut + sorted.length - shown.length;
  return [
    tasks.length === 0 ? 'no task runs that could be measured' : table(HEAD, shown.map(row)),
    ...(more > 0 ? [`and ${more} more`] : []),
    ...unanswered.map(({ host, tasks: count, why }) => `no figures from ${host} (${count} ${count === 1 ? 'task' : 'tasks'}): ${why}`),
  ].join('\n');
}

/** The lines that are not tasks. */
export const linesBeside = ({ unanswered }: Statistics): number => unanswered.length + 2;

function row(use: TaskUse): string[] {
  const { cpu, memory, recent } = use;
  return [
    use.appId,
    shortInstance(use.taskId),
    use.host,
    recent === null ? '-' : recent.cpus.toFixed(2),
    cpu.limitCpus === null ? `- (${round(cpu.requestedCpus)})` : round(cpu.limitCpus),
    recent === null || recent.throttledShare === null ? '-' : `${Math.round(recent.throttledShare * 100)} %`,
    bytes(memory.workingSetBytes),
    memory.limitBytes === null ? `- (${bytes(memory.requestedBytes)})` : bytes(memory.limitBytes),
    bytes(memory.peakBytes),
    bytes(recent?.readBytesPerSec ?? null),
    bytes(recent?.writtenBytesPerSec ?? null),
  ];
}

/** `shop_web.5cb1d3a0` → `5cb1d3a0`: the app is in front of it. */
function shortInstance(taskId: string): string {
  const short = shortTask(taskId);
  return short === taskId ? taskId : short.slice(short.lastIndexOf('.') + 1);
}

function weight({ recent, memory }: TaskUse, order: TopOrder): number {
  if (order === 'memory') return memory.workingSetBytes;
  if (order === 'io') return (recent?.readBytesPerSec ?? 0) + (recent?.writtenBytesPerSec ?? 0);
  return recent?.cpus ?? 0;
}

const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];

/** `0`, `512 B`, `9.5 MiB`, `120 MiB`; `-` when it is not known. */
export function bytes(value: number | null): string {
  if (value === null) return '-';
  if (value === 0) return '0';
  let unit = 0;
  let amount = value;
  for (; amount >= 1024 && unit < UNITS.length - 1; unit += 1) amount /= 1024;
  return `${amount < 10 && unit > 0 ? Math.round(amount * 10) / 10 : Math.round(amount)} ${UNITS[unit]}`;
}

const round = (value: number): string => String(Math.round(value * 100) / 100);
