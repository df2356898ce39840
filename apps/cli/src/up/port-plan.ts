/**
 * Which address and which ports every part of a local Ekiden gets. Pure: what the system allows comes in as an argument.
 *
 * Agent i listens on 127.0.0.i at the agent port and is known by that address, so that it looks like a machine of its own
 * and what is written in `host` can be connected to (decision 24). Where the system has 127.0.0.1 only, agents differ by
 * port and name.
 */
export const TASK_PORTS = { first: 31_000, width: 1_000, last: 65_535 } as const;

/** As many blocks of task ports as there are. */
export const MAX_AGENTS = Math.floor((TASK_PORTS.last - TASK_PORTS.first + 1) / TASK_PORTS.width);

export interface AgentPlace {
  /** From 1. */
  readonly index: number;
  readonly hostname: string;
  readonly ip: string;
  readonly port: number;
  readonly taskPorts: { readonly begin: number; readonly end: number };
}

export interface PortWishes {
  readonly agents: number;
  readonly agentPort: number;
  /** The system lets us listen on 127.0.0.2 and up. */
  readonly manyLoopbacks: boolean;
  /** First ports of the blocks that belong to this data directory, one an agent. */
  readonly blocks: readonly number[];
}

/** Both ends included. */
export interface PortRange {
  readonly first: number;
  readonly last: number;
}

export function planAgents(wishes: PortWishes): readonly AgentPlace[] {
  return wishes.blocks.slice(0, wishes.agents).map((begin, i) => ({
    index: i + 1,
    hostname: wishes.manyLoopbacks || i === 0 ? `127.0.0.${i + 1}` : `agent-${i + 1}.localhost`,
    ip: wishes.manyLoopbacks ? `127.0.0.${i + 1}` : '127.0.0.1',
    port: wishes.manyLoopbacks ? wishes.agentPort : wishes.agentPort + i,
    taskPorts: { begin, end: begin + TASK_PORTS.width - 1 },
  }));
}

/**
 * The blocks to try, in order: those this data directory had before (its tasks may still hold ports there), then the
 * lowest of those from which the kernel takes no ports for outgoing connections (`ephemeral`: such a port is taken for a
 * moment, and its task not started), then the lowest. `busy` is a port somebody listens on; a block with one is not taken anew.
 */
export function candidateBlocks(saved: readonly number[], busy: ReadonlySet<number>, ephemeral: PortRange | null): readonly number[] {
  const all = Array.from({ length: MAX_AGENTS }, (_, i) => TASK_PORTS.first + i * TASK_PORTS.width);
  const own = saved.filter((begin) => all.includes(begin));
  const isFree = (begin: number): boolean => ![...busy].some((port) => port >= begin && port < begin + TASK_PORTS.width);
  const isQuiet = (begin: number): boolean => ephemeral === null || begin > ephemeral.last || begin + TASK_PORTS.width <= ephemeral.first;
  const free = all.filter((begin) => !own.includes(begin) && isFree(begin));
  return [...own, ...free.filter(isQuiet), ...free.filter((begin) => !isQuiet(begin))];
}
