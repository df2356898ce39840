/** What is, for the operator API, metrics and the simulator's invariants: copies, in a stable order. */
import { deficitOf, freeOf, type AgentResources } from '@ekiden/allocator';
import { resourcesToWire, type MasterInfo } from '@ekiden/mesos';
import type { Resources } from '@ekiden/model';
import type { AgentBooks, MasterState } from '../master-ports.js';
import type { Agent, Core } from './core.js';

/** `core` null: not leading yet, nothing is known. */
export function viewOf(core: () => Core | null, masterInfo: () => MasterInfo | null): MasterState {
  return {
    agents: () => [...(core()?.agents.values() ?? [])].map((agent) => agentView(core(), agent)),
    books: (agentId) => booksOf(core(), agentId),
    frameworks: () =>
      [...(core()?.frameworks.values() ?? [])]
        .filter(({ removed }) => !removed)
        .map((framework) => ({
          frameworkId: framework.frameworkId,
          name: framework.info.name,
          connected: framework.session !== null,
          roles: framework.roles,
          tasks: framework.tasks.size,
          offers: framework.offers.size,
          info: framework.info,
          recovered: framework.registeredAt === null,
          registeredAt: framework.registeredAt,
        })),
    tasks: () =>
      [...(core()?.frameworks.values() ?? [])].flatMap((framework) =>
        [...framework.tasks.values()].map(({ taskId, frameworkId, agentId, name, state, resources }) => ({
          taskId,
          frameworkId,
          agentId,
          name,
          state,
          resources: resourcesToWire(resources),
        })),
      ),
    counters: () => Object.fromEntries(core()?.counters ?? []),
    sizes: () => sizesOf(core()),
    masterInfo,
  };
}

function booksOf(core: Core | null, agentId: string): AgentBooks | null {
  const agent = core?.agents.get(agentId);
  const held = agent === undefined ? undefined : core?.allocator.agents.get(agent.agentId);
  if (agent === undefined || held === undefined) return null;
  return new Books(agent, held);
}

/** As they are when this is made; what has to be written out, as it is when it is read: most only want to know one of it. */
class Books implements AgentBooks {
  readonly isConnected: boolean;
  readonly total: Resources;
  readonly allocated: Resources;
  readonly offered: Resources;

  constructor(
    private readonly agent: Agent,
    private readonly held: AgentResources,
  ) {
    this.isConnected = agent.connection !== null;
    this.total = held.total;
    this.allocated = held.allocated;
    this.offered = held.offered;
  }

  get free(): Resources {
    return freeOf(this.held);
  }

  get tasks(): AgentBooks['tasks'] {
    return [...this.agent.tasks].map(({ taskId, frameworkId, holds, resources }) => ({ taskId, frameworkId, holds, resources }));
  }

  get offers(): AgentBooks['offers'] {
    return [...this.agent.offers.values()].map(({ offerId, frameworkId, role, resources }) => ({ offerId, frameworkId, role, resources }));
  }
}

function sizesOf(core: Core | null): Readonly<Record<string, number>> {
  if (core === null) return {};
  const frameworks = [...core.frameworks.values()];
  return {
    agents: core.agents.size,
    frameworks: core.frameworks.size,
    offers: core.offers.size,
    tasks: frameworks.reduce((sum, { tasks }) => sum + tasks.size, 0),
    unreachableTasks: frameworks.reduce((sum, { unreachable }) => sum + unreachable.size, 0),
    connections: core.connections.size,
    registryWrites: core.registryWrites.size,
    allocatorAgents: core.allocator.agents.size,
    allocatorFrameworks: core.allocator.frameworks.size,
    holdings: [...core.allocator.agents.values()].reduce((sum, { holdings }) => sum + holdings.size, 0),
  };
}

function agentView(core: Core | null, agent: Agent): ReturnType<MasterState['agents']>[number] {
  const held = core?.allocator.agents.get(agent.agentId);
  return {
    agentId: agent.agentId,
    hostname: agent.hostname,
    address: agent.address,
    connected: agent.connection !== null,
    state: agent.state,
    attributes: agent.attributes,
    total: agent.resources,
    // Written out when they are read, as they are then, here too: most only want to know who is there.
    get allocated() {
      return held === undefined ? [] : resourcesToWire(held.allocated);
    },
    get offered() {
      return held === undefined ? [] : resourcesToWire(held.offered);
    },
    get deficit() {
      return held === undefined ? [] : resourcesToWire(deficitOf(held));
    },
    registeredAt: agent.registeredAt,
    version: agent.version,
    runtimes: agent.runtimes,
  };
}
