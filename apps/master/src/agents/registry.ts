/**
 * What the store knows of an agent: written before anybody is told (decision 5), one write at a time for each agent.
 *
 * Whatever decides on an agent (register, mark unreachable) does so inside its turn, on the state that the turn before left.
 */
import { EkidenError, type AgentId } from '@ekiden/model';
import type { Agent, Core } from '../cluster/core.js';
import type { AgentEntry } from '../master-ports.js';

/** Runs `work` after the agent's earlier turns. A `stale-leader` in it ends this master's lead. */
export function inTurn(core: Core, agentId: AgentId, work: () => Promise<void>): void {
  const turn = (core.registryWrites.get(agentId) ?? Promise.resolve())
    .then(() => (core.isLeading ? work() : undefined))
    .catch((error: unknown) => {
      if (error instanceof EkidenError && error.code === 'stale-leader') return core.stepDown(error.message);
      throw error;
    })
    .finally(() => {
      if (core.registryWrites.get(agentId) === turn) core.registryWrites.delete(agentId);
    });
  core.registryWrites.set(agentId, turn);
}

/** Writes an agent's entry. False: the store did not take it, nothing may follow from it. Rejects with `stale-leader`. */
export async function writeEntry(core: Core, entry: AgentEntry): Promise<boolean> {
  try {
    await core.ports.store.saveAgent(core.epoch, entry);
    setDoubt(core, entry.agentId, false);
    return core.isLeading;
  } catch (error) {
    if (error instanceof EkidenError && error.code === 'stale-leader') throw error;
    setDoubt(core, entry.agentId, true);
    core.ports.log.warn('store-refused', { what: 'agent', agentId: entry.agentId, state: entry.state, error });
    return false;
  }
}

function setDoubt(core: Core, agentId: AgentId, isEntryInDoubt: boolean): void {
  const agent = core.agents.get(agentId);
  if (agent !== undefined) agent.isEntryInDoubt = isEntryInDoubt;
}

/** Proves that this master still leads, before it acts on an agent whose entry needs no write. */
export async function confirmLead(core: Core): Promise<boolean> {
  try {
    await core.ports.store.confirm(core.epoch);
    return core.isLeading;
  } catch (error) {
    if (error instanceof EkidenError && error.code === 'stale-leader') throw error;
    core.ports.log.warn('store-refused', { what: 'confirm', error });
    return false;
  }
}

export const entryOf = (agent: Agent): AgentEntry => ({
  agentId: agent.agentId,
  hostname: agent.hostname,
  address: agent.address,
  attributes: agent.attributes,
  resources: agent.resources,
  state: agent.state === 'unreachable' || agent.state === 'gone' ? agent.state : 'admitted',
  since: agent.since,
});

/** An agent as the registry has it, or as a first registration makes it. */
export const agentOf = (entry: AgentEntry, state: Agent['state']): Agent => ({
  agentId: entry.agentId,
  hostname: entry.hostname,
  address: entry.address,
  region: null,
  zone: null,
  version: '',
  runtimes: [],
  abilities: [],
  attributes: entry.attributes,
  resources: entry.resources,
  state,
  isEntryInDoubt: false,
  since: entry.since,
  connection: null,
  registration: 0,
  registeredAt: null,
  tasks: new Set(),
  awaitedKills: new Map(),
  offers: new Map(),
  timer: null,
  heardAt: 0,
});
