/** The operator's reads as Mesos shapes them (reference: 5.3), from a view of the state. Pure. */
import type { MasterState } from '../master-ports.js';
import { MESOS_VERSION } from '../framework/subscribe.js';
import { splitAddress } from '../offers/wire-offer.js';

type Json = Readonly<Record<string, unknown>>;

const nanoseconds = (ms: number): Json => ({ nanoseconds: ms * 1e6 });

/** The response to a call of this type; null: no such call, or not supported. */
export function answerOperator(state: MasterState, times: { readonly startedAtMs: number }, type: string): Json | null {
  switch (type) {
    case 'GET_HEALTH':
      return { type, get_health: { healthy: true } };
    case 'GET_VERSION':
      return { type, get_version: { version_info: { version: MESOS_VERSION } } };
    case 'GET_AGENTS':
      return { type, get_agents: getAgents(state) };
    case 'GET_FRAMEWORKS':
      return { type, get_frameworks: getFrameworks(state) };
    case 'GET_TASKS':
      return { type, get_tasks: getTasks(state) };
    case 'GET_STATE':
      return { type, get_state: { get_tasks: getTasks(state), get_executors: {}, get_frameworks: getFrameworks(state), get_agents: getAgents(state) } };
    case 'GET_MASTER': {
      const start = nanoseconds(times.startedAtMs);
      return { type, get_master: { master_info: state.masterInfo(), start_time: start, elected_time: start } };
    }
    default:
      return null;
  }
}

/** Agents that are there or expected back; unreachable and gone ones are left out, awaited ones come as `recovered_agents`. */
function getAgents(state: MasterState): Json {
  const present = state.agents().filter((agent) => agent.state === 'registered' || agent.state === 'disconnected');
  const recovering = state.agents().filter((agent) => agent.state === 'recovering');
  return {
    agents: present.map((agent) => {
      const { ip, port } = splitAddress(agent.address);
      return {
        agent_info: agentInfo(agent),
        active: agent.connected,
        deactivated: false,
        version: MESOS_VERSION,
        pid: `slave(1)@${ip}:${port}`,
        ...(agent.registeredAt === null ? {} : { registered_time: nanoseconds(agent.registeredAt) }),
        total_resources: agent.total,
        allocated_resources: agent.allocated,
        offered_resources: agent.offered,
        // An extension: how it runs tasks, and what it cannot give them.
        ...(agent.runtimes.length > 0 ? { ekiden_runtimes: agent.runtimes } : {}),
        // An extension: what runs beyond the size with which the agent came back (promise 3).
        ...(agent.deficit.length > 0 ? { ekiden_deficit: agent.deficit } : {}),
        capabilities: [{ type: 'MULTI_ROLE' }, { type: 'HIERARCHICAL_ROLE' }],
      };
    }),
    ...(recovering.length > 0 ? { recovered_agents: recovering.map(agentInfo) } : {}),
  };
}

function agentInfo(agent: ReturnType<MasterState['agents']>[number]): Json {
  return {
    hostname: agent.hostname,
    port: splitAddress(agent.address).port,
    resources: agent.total,
    ...(agent.attributes.length > 0 ? { attributes: agent.attributes } : {}),
    id: { value: agent.agentId },
  };
}

function getFrameworks(state: MasterState): Json {
  return {
    frameworks: state.frameworks().map((framework) => ({
      framework_info: framework.info,
      active: framework.connected,
      connected: framework.connected,
      recovered: framework.recovered,
      ...(framework.registeredAt === null ? {} : { registered_time: nanoseconds(framework.registeredAt) }),
    })),
  };
}

function getTasks(state: MasterState): Json {
  return {
    tasks: state.tasks().map((task) => ({
      name: task.name,
      task_id: { value: task.taskId },
      framework_id: { value: task.frameworkId },
      agent_id: { value: task.agentId },
      state: task.state,
      resources: task.resources,
    })),
  };
}
