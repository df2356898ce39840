/**
 * Decides who is offered the free resources of some agents, and marks them as offered.
 *
 * Event-driven: the caller names the agents that changed (a task ended, an offer came back, a filter ended), and a run
 * costs what those agents cost, not what the cluster costs. The whole free remainder of an agent goes to the first
 * framework in the order of fairness (role-tree.ts) that has not refused it; shares move after each one. Same input, same
 * answer: candidates are visited in the order given. Absent for now: reservations and quota; `role` is in the shape.
 * Behaviour follows Mesos' hierarchical allocator (docs: allocation modules), without its one-second cycle.
 */
import type { AgentId, Instant, Resources } from '@ekiden/model';
import { endFilters, isRefused } from './refuse-filters.js';
import { countServed, firstClient } from './role-tree.js';
import { freeOf, MIN_ALLOCATABLE_CPUS_MILLI, MIN_ALLOCATABLE_MEM_MIB, offer, type AllocatorState, type Slot } from './state.js';

export interface Allocation extends Slot {
  readonly resources: Resources;
}

/** Unknown and inactive agents are skipped. Each allocation is in the state as `offered` when this returns. */
export function allocate(state: AllocatorState, candidates: Iterable<AgentId>, now: Instant): Allocation[] {
  const allocations: Allocation[] = [];
  if (state.roles.root.active === 0) return allocations;
  for (const agentId of candidates) {
    const agent = state.agents.get(agentId);
    if (agent === undefined || !agent.active) continue;
    const free = freeOf(agent);
    if (!isAllocatable(free)) continue;
    const client = firstClient(state.roles, state.total, ({ frameworkId, role }) => {
      if (agent.total.gpus > 0 && state.frameworks.get(frameworkId)?.takesGpus !== true) return false;
      return !isRefused(state.filters, frameworkId, role, agentId, free, now);
    });
    if (client === null) continue;
    const slot = { agentId, frameworkId: client.frameworkId, role: client.role };
    offer(state, slot, free);
    countServed(state.roles, client);
    allocations.push({ ...slot, resources: free });
  }
  return allocations;
}

/** When the next filter ends, or null: look again then, at what `takeEndedFilters` answers. */
export const nextFilterEnd = (state: AllocatorState): Instant | null => state.filters.earliest;

/** Removes the filters that have ended; the agents that may be offered again. */
export const takeEndedFilters = (state: AllocatorState, now: Instant): AgentId[] => endFilters(state.filters, now);

/** Either quantity suffices, as in Mesos. */
export const isAllocatable = (free: Resources): boolean => free.cpusMilli >= MIN_ALLOCATABLE_CPUS_MILLI || free.memMib >= MIN_ALLOCATABLE_MEM_MIB;
