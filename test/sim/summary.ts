/** The plain figures of many runs: how much was simulated, and how often each kind of thing happened. */
import type { RunResult } from './simulate.js';

const KIND_WIDTH = 50;
const COUNT_WIDTH = 9;
/** Facts that are no kinds of happenings. */
const FIGURES: ReadonlySet<string> = new Set(['steps', 'commits', 'events', 'processes', 'acknowledged']);

export function summary(results: readonly RunResult[], realSeconds: number): string {
  const hours = results.reduce((sum, one) => sum + one.virtualMs, 0) / 3_600_000;
  const sums = new Map<string, number>();
  for (const { facts } of results) for (const [name, count] of Object.entries(facts)) sums.set(name, (sums.get(name) ?? 0) + count);
  const figure = (name: string): number => sums.get(name) ?? 0;
  const kinds = [...sums].filter(([name]) => !FIGURES.has(name)).sort(([a], [b]) => (a < b ? -1 : 1));
  return [
    '',
    ...kinds.map(([name, count]) => `${String(count).padStart(COUNT_WIDTH)}  ${name.padEnd(KIND_WIDTH)}`.trimEnd()),
    '',
    `${results.length} seeds, ${hours.toFixed(1)} virtual hours in ${realSeconds.toFixed(0)} s (${((hours * 3600) / realSeconds).toFixed(0)} times real time)`,
    `${figure('steps')} steps, ${figure('commits')} commits, ${figure('events')} events, ${figure('acknowledged')} requests acknowledged, ${figure('processes')} processes of tasks started`,
  ].join('\n');
}
