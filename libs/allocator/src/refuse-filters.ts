/**
 * What frameworks said no to, and until when.
 *
 * A filter belongs to framework × role × agent and remembers the resources refused: an offer contained in them is not made
 * again before the filter ends; a larger one is. REVIVE, disconnection and the agent's removal end filters early.
 */
import { containsResources, type AgentId, type FrameworkId, type Instant, type Resources, type Role } from '@ekiden/model';

/** Filters kept of one framework, role and agent; the one that ends first gives way. */
export const MAX_FILTERS_PER_AGENT = 8;

export interface RefuseFilter {
  readonly refused: Resources;
  readonly until: Instant;
}

export interface RefuseFilters {
  readonly byFramework: Map<FrameworkId, Map<Role, Map<AgentId, RefuseFilter[]>>>;
  /** No filter ends before it; null: there is none. */
  earliest: Instant | null;
}

export const noFilters = (): RefuseFilters => ({ byFramework: new Map(), earliest: null });

export function addFilter(filters: RefuseFilters, frameworkId: FrameworkId, role: Role, agentId: AgentId, filter: RefuseFilter): void {
  const byRole = getOrAdd(filters.byFramework, frameworkId, () => new Map<Role, Map<AgentId, RefuseFilter[]>>());
  const byAgent = getOrAdd(byRole, role, () => new Map<AgentId, RefuseFilter[]>());
  const kept = (byAgent.get(agentId) ?? []).filter((old) => old.until > filter.until || !containsResources(filter.refused, old.refused));
  kept.push(filter);
  if (kept.length > MAX_FILTERS_PER_AGENT) kept.sort((a, b) => b.until - a.until).pop();
  byAgent.set(agentId, kept);
  if (filters.earliest === null || filter.until < filters.earliest) filters.earliest = filter.until;
}

export function isRefused(filters: RefuseFilters, frameworkId: FrameworkId, role: Role, agentId: AgentId, free: Resources, now: Instant): boolean {
  const kept = filters.byFramework.get(frameworkId)?.get(role)?.get(agentId);
  return kept !== undefined && kept.some((filter) => filter.until > now && containsResources(filter.refused, free));
}

/** `role` null: of all roles. */
export function dropFilters(filters: RefuseFilters, frameworkId: FrameworkId, role: Role | null): void {
  if (role === null) filters.byFramework.delete(frameworkId);
  else filters.byFramework.get(frameworkId)?.delete(role);
}

export function dropAgentFilters(filters: RefuseFilters, agentId: AgentId): void {
  for (const byRole of filters.byFramework.values()) for (const byAgent of byRole.values()) byAgent.delete(agentId);
}

/** Removes the filters that have ended and answers the agents that they were about. */
export function endFilters(filters: RefuseFilters, now: Instant): AgentId[] {
  if (filters.earliest === null || filters.earliest > now) return [];
  const ended = new Set<AgentId>();
  let earliest: Instant | null = null;
  for (const byRole of filters.byFramework.values()) {
    for (const byAgent of byRole.values()) {
      for (const [agentId, kept] of byAgent) {
        const left = kept.filter((filter) => filter.until > now);
        if (left.length < kept.length) ended.add(agentId);
        if (left.length === 0) byAgent.delete(agentId);
        else if (left.length < kept.length) byAgent.set(agentId, left);
        for (const { until } of left) if (earliest === null || until < earliest) earliest = until;
      }
    }
  }
  filters.earliest = earliest;
  return [...ended];
}

function getOrAdd<K, V>(map: Map<K, V>, key: K, make: () => V): V {
  let value = map.get(key);
  if (value === undefined) map.set(key, (value = make()));
  return value;
}
