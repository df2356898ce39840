/** The machines as text: what each has, and how much of it is used. Pure. */
import type { Node } from '../api/shapes.js';
import { table } from './table.js';

export function nodesText(nodes: readonly Node[]): string {
  if (nodes.length === 0) return 'No agents. Start one: ekiden agent --master http://<master>:5050';
  return table(
    ['AGENT', 'ADDRESS', 'STATE', 'TASKS', 'CPUS', 'MEM (MiB)', 'ATTRIBUTES'],
    nodes.map((node) => [
      node.hostname,
      node.address,
      node.state + shortage(node.deficit),
      String(node.tasks),
      share(node.used?.cpus, node.resources?.cpus),
      share(node.used?.mem, node.resources?.mem),
      Object.entries(node.attributes)
        .map(([name, value]) => `${name}=${value}`)
        .join(' '),
    ]),
  );
}

/** Under each machine its ways to run tasks, each with what it cannot give there. */
export function runtimesText(nodes: readonly Node[]): string {
  return nodes
    .map(({ hostname, runtimes }) =>
      [
        `${hostname}:`,
        ...(runtimes.length === 0 ? ['  its runtimes are not known: the agent is away, or of an older version'] : []),
        ...runtimes.flatMap(({ name, isUsed, reasons }) => [`  ${name}: ${isUsed ? 'used' : 'not used'}`, ...reasons.map((reason) => `    - ${reason}`)]),
      ].join('\n'),
    )
    .join('\n');
}

/** Of an agent that came back smaller than what runs on it: no task is launched there until enough have ended. */
function shortage(deficit: Node['deficit']): string {
  const parts = [
    ...((deficit?.cpus ?? 0) > 0 ? [`${round(deficit?.cpus)} cpus`] : []),
    ...((deficit?.mem ?? 0) > 0 ? [`${round(deficit?.mem)} MiB`] : []),
    ...((deficit?.disk ?? 0) > 0 ? [`${round(deficit?.disk)} MiB disk`] : []),
  ];
  return parts.length === 0 ? '' : `, ${parts.join(', ')} short`;
}

const share = (used: number | undefined, total: number | undefined): string => `${round(used)}/${round(total)}`;
const round = (value: number | undefined): string => (value === undefined ? '?' : String(Math.round(value * 100) / 100));
