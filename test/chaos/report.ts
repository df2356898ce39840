/** What a person reads of a run: a line now and then, and the table at its end. */
import type { Balancer } from './balancer.js';
import type { Storm } from './storm.js';
import type { TaskWatch } from './task-watch.js';
import type { Users } from './users.js';

const MAX_SHOWN = 30;

export interface Verdict {
  readonly minutes: number;
  readonly faults: ReadonlyMap<string, number>;
  readonly requests: Balancer['counts'];
  readonly fewest: ReadonlyMap<string, number>;
  readonly stories: readonly string[];
  readonly users: Users['counts'];
  readonly commits: number;
  readonly started: number;
  readonly ends: ReadonlyMap<string, number>;
  readonly slowestEndMs: number;
  readonly slowestEnd: string;
  /** Milliseconds after the last fault; null: never. */
  readonly converged: number | null | 'not awaited';
  readonly lostTasks: readonly string[];
  readonly breaches: readonly string[];
  /** Faults that could not be carried out: the run itself is to be mended. */
  readonly problems: readonly string[];
}

const total = (counts: ReadonlyMap<string, number>): number => [...counts.values()].reduce((sum, count) => sum + count, 0);
const listed = (counts: ReadonlyMap<string, number>): string =>
  [...counts]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, count]) => `${name} ${count}`)
    .join(', ');

export function liveLine(ms: number, storm: Storm, balancer: Balancer, watch: TaskWatch, users: Users): string {
  const { served, retried, lost, lostToUs } = balancer.counts;
  const alive = watch.alive().length;
  const now = storm.running.size === 0 ? 'calm' : [...storm.running].join(' ');
  return (
    `${(ms / 1000).toFixed(0).padStart(4)} s  faults ${total(storm.injected)}  requests ${served} served, ${retried} at the second try, ${lost} lost, ${lostToUs} lost to our kills` +
    `  tasks ${alive} run, ${watch.lives.size - alive} ended  users ${users.counts.acknowledged}/${users.counts.asked}  breaches ${users.breaches.length + watch.breaches.length}  now: ${now}`
  );
}

export function printVerdict(verdict: Verdict): void {
  const { requests, users } = verdict;
  const rows: readonly (readonly [string, string])[] = [
    ['faults injected', `${total(verdict.faults)} (${listed(verdict.faults)})`],
    ['requests served', `${requests.served} in ${verdict.minutes.toFixed(1)} minutes, ${requests.retried} of them at the second try`],
    ['requests lost to our own kills of tasks', `${requests.lostToUs}`],
    ['requests lost', `${requests.lost}`],
    ['changes asked for by users', `${users.asked}: ${users.acknowledged} acknowledged, ${users.refused} refused, ${users.unknown} without an answer`],
    ['commits judged', `${verdict.commits}`],
    ['events heard', `${requests.events}; of ${requests.looks} looks at the tasks ${requests.blindLooks} without an answer`],
    ['fewest backends seen', listed(verdict.fewest)],
    ['tasks started', `${verdict.started}`],
    ['tasks ended', `${total(verdict.ends)} (${listed(verdict.ends)})`],
    ['slowest end to be learnt', `${(verdict.slowestEndMs / 1000).toFixed(1)} s ${verdict.slowestEnd}`],
    ['right again after', typeof verdict.converged === 'number' ? `${(verdict.converged / 1000).toFixed(1)} s` : (verdict.converged ?? 'never')],
    ['tasks lost', `${verdict.lostTasks.length}`],
    ['promises broken', `${verdict.breaches.length}`],
  ];
  const width = Math.max(...rows.map(([name]) => name.length));
  console.log('');
  for (const [name, value] of rows) console.log(`${name.padEnd(width)}  ${value}`);
  for (const [title, lines] of [
    ['requests', verdict.stories],
    ['tasks lost', verdict.lostTasks],
    ['promises broken', verdict.breaches],
    ['faults that failed', verdict.problems],
  ] as const) {
    if (lines.length > 0)
      console.log(
        `\n${title}:\n${lines
          .slice(0, MAX_SHOWN)
          .map((line) => `  ${line}`)
          .join('\n')}`,
      );
    if (lines.length > MAX_SHOWN) console.log(`  … and ${lines.length - MAX_SHOWN} more`);
  }
  console.log('');
}
