/**
 * What the allocator knows, and the small changes that it can be told.
 *
 * The state is one mutable cell with one owner (the master's cluster); it changes in place, because a copy would cost the
 * size of the cluster at every task. Every change touches one agent and one path in the tree of roles. Of each agent:
 * `allocated` is in use by tasks, `offered` is out in offers, and what is free follows (promise 3).
 */
import {
  addResources,
  containsResources,
  isNoResources,
  NO_RESOURCES,
  subtractResources,
  type AgentId,
  type FrameworkId,
  type Instant,
  type Resources,
  type Role,
} from '@ekiden/model';
import { addFilter, dropAgentFilters, dropFilters, noFilters, type RefuseFilters } from './refuse-filters.js';
import { changeAmount, changeUsage, forgetClient, newRoleTree, noAmount, setClientActive, setRoleWeights, type Amount, type RoleTree } from './role-tree.js';

/** An offer smaller than both is not worth anybody's time. */
export const MIN_ALLOCATABLE_CPUS_MILLI = 10;
export const MIN_ALLOCATABLE_MEM_MIB = 32;

/** Who holds resources of which agent. */
export interface Slot {
  readonly agentId: AgentId;
  readonly frameworkId: FrameworkId;
  readonly role: Role;
}

export interface AgentResources {
  readonly agentId: AgentId;
  total: Resources;
  allocated: Resources;
  offered: Resources;
  /** Connected: may be offered. */
  active: boolean;
  /** Who holds what here, so that all of it can be given back when the agent goes. */
  readonly holdings: Map<string, { readonly slot: Slot; allocated: Resources; offered: Resources }>;
}

export interface FrameworkWishes {
  readonly frameworkId: FrameworkId;
  readonly roles: readonly Role[];
  readonly suppressed: ReadonlySet<Role>;
  /** Connected. Inactive: its filters are dropped and it gets nothing. */
  readonly active: boolean;
  /** Understands gpus; agents that have some are withheld from the others. */
  readonly takesGpus: boolean;
}

export interface AllocatorState {
  readonly agents: Map<AgentId, AgentResources>;
  readonly frameworks: Map<FrameworkId, FrameworkWishes>;
  readonly filters: RefuseFilters;
  readonly roles: RoleTree;
  readonly total: Amount;
}

export const newAllocatorState = (): AllocatorState => ({
  agents: new Map(),
  frameworks: new Map(),
  filters: noFilters(),
  roles: newRoleTree(),
  total: noAmount(),
});

/** Adds an agent, or tells its new size or that it may (not) be offered. What it holds stays. */
export function setAgent(state: AllocatorState, { agentId, total, active }: { agentId: AgentId; total: Resources; active: boolean }): void {
  const agent = state.agents.get(agentId);
  if (agent === undefined) {
    state.agents.set(agentId, { agentId, total, active, allocated: NO_RESOURCES, offered: NO_RESOURCES, holdings: new Map() });
  } else {
    changeAmount(state.total, agent.total, -1);
    agent.total = total;
    agent.active = active;
  }
  changeAmount(state.total, total, 1);
}

/** Forgets an agent with everything held on it, and the filters about it. */
export function removeAgent(state: AllocatorState, agentId: AgentId): void {
  const agent = state.agents.get(agentId);
  if (agent === undefined) return;
  for (const { slot, allocated, offered } of agent.holdings.values()) {
    changeUsage(state.roles, slot.role, slot.frameworkId, allocated, -1);
    changeUsage(state.roles, slot.role, slot.frameworkId, offered, -1);
  }
  changeAmount(state.total, agent.total, -1);
  state.agents.delete(agentId);
  dropAgentFilters(state.filters, agentId);
}

/** Adds a framework, or tells what it wants now. */
export function setFramework(state: AllocatorState, wishes: FrameworkWishes): void {
  const { frameworkId } = wishes;
  for (const role of state.frameworks.get(frameworkId)?.roles ?? []) if (!wishes.roles.includes(role)) setClientActive(state.roles, role, frameworkId, false);
  for (const role of wishes.roles) setClientActive(state.roles, role, frameworkId, wishes.active && !wishes.suppressed.has(role));
  state.frameworks.set(frameworkId, wishes);
  if (!wishes.active) dropFilters(state.filters, frameworkId, null);
}

/** Forgets a framework, which must hold nothing any more. */
export function removeFramework(state: AllocatorState, frameworkId: FrameworkId): void {
  for (const role of state.frameworks.get(frameworkId)?.roles ?? []) forgetClient(state.roles, role, frameworkId);
  state.frameworks.delete(frameworkId);
  dropFilters(state.filters, frameworkId, null);
}

export const setWeights = (state: AllocatorState, weights: Readonly<Record<string, number>>): void => setRoleWeights(state.roles, weights);

/** Resources come into use by a task: launched from an offer already taken back, or learnt from an agent's report. */
export const use = (state: AllocatorState, slot: Slot, resources: Resources): void => change(state, slot, 'allocated', resources, 1);

/** A task's resources are free again. */
export const release = (state: AllocatorState, slot: Slot, resources: Resources): void => change(state, slot, 'allocated', resources, -1);

/** Marks resources as out in an offer. */
export const offer = (state: AllocatorState, slot: Slot, resources: Resources): void => change(state, slot, 'offered', resources, 1);

/** An offer is over: accepted, declined, rescinded. */
export const takeBack = (state: AllocatorState, slot: Slot, resources: Resources): void => change(state, slot, 'offered', resources, -1);

/** The framework does not want these resources (or less of that agent) before `until`. */
export function refuse(state: AllocatorState, slot: Slot, refused: Resources, until: Instant): void {
  if (!isNoResources(refused)) addFilter(state.filters, slot.frameworkId, slot.role, slot.agentId, { refused, until });
}

/** Drops the filters of these roles and un-suppresses them. The caller makes every agent a candidate. */
export function revive(state: AllocatorState, frameworkId: FrameworkId, roles: readonly Role[]): void {
  for (const role of roles) dropFilters(state.filters, frameworkId, role);
  changeSuppressed(state, frameworkId, (suppressed) => new Set([...suppressed].filter((role) => !roles.includes(role))));
}

/** These roles get no offers until they are revived; offers that are out stay out. */
export const suppress = (state: AllocatorState, frameworkId: FrameworkId, roles: readonly Role[]): void =>
  changeSuppressed(state, frameworkId, (suppressed) => new Set([...suppressed, ...roles]));

/** max(0, total − allocated − offered); nothing at all while more is held than the agent has (it came back smaller). */
export function freeOf(agent: AgentResources): Resources {
  const held = addResources(agent.allocated, agent.offered);
  return containsResources(agent.total, held) ? subtractResources(agent.total, held) : NO_RESOURCES;
}

/** What is held beyond the agent's size: shown to operators, never offered; it shrinks as tasks end. */
export const deficitOf = (agent: AgentResources): Resources => subtractResources(addResources(agent.allocated, agent.offered), agent.total);

function change(state: AllocatorState, slot: Slot, bucket: 'allocated' | 'offered', resources: Resources, sign: 1 | -1): void {
  const agent = state.agents.get(slot.agentId);
  if (agent === undefined) return; // The agent went, and everything held on it with it.
  const key = `${slot.frameworkId} ${slot.role}`;
  let holding = agent.holdings.get(key);
  if (holding === undefined) {
    if (sign === -1) return;
    agent.holdings.set(key, (holding = { slot, allocated: NO_RESOURCES, offered: NO_RESOURCES }));
  }
  const add = sign === 1 ? addResources : subtractResources;
  agent[bucket] = add(agent[bucket], resources);
  holding[bucket] = add(holding[bucket], resources);
  if (isNoResources(holding.allocated) && isNoResources(holding.offered)) agent.holdings.delete(key);
  changeUsage(state.roles, slot.role, slot.frameworkId, resources, sign);
}

function changeSuppressed(state: AllocatorState, frameworkId: FrameworkId, next: (suppressed: ReadonlySet<Role>) => ReadonlySet<Role>): void {
  const wishes = state.frameworks.get(frameworkId);
  if (wishes !== undefined) setFramework(state, { ...wishes, suppressed: next(wishes.suppressed) });
}
