/**
 * An agent registers: new, back after a broken link or a restart, back from being unreachable, or first seen by this master.
 *
 * The registry is written (or the lead confirmed) before it is admitted. The newest registration of an agent wins: older
 * links are closed, and carry an older epoch (decision 2). Its report is the truth about its tasks: ours are corrected.
 */
import { AGENT_LINK_VERSION, type RegisterMessage } from '@ekiden/agent-link';
import { setAgent } from '@ekiden/allocator';
import { resourcesToModel } from '@ekiden/mesos';
import { agentId as toAgentId, EkidenError, type AgentId } from '@ekiden/model';
import { count, type Agent, type Core } from '../cluster/core.js';
import type { AgentEntry } from '../master-ports.js';
import type { AgentConnection } from './agent-connection.js';
import { learnTasks } from './learn-tasks.js';
import { rescindAll, startPings } from './liveness.js';
import { agentOf, confirmLead, entryOf, inTurn, writeEntry } from './registry.js';

export function registerAgent(core: Core, connection: AgentConnection, message: RegisterMessage): void {
  const refuse = (why: string, permanent: boolean): void => {
    core.ports.log.warn('agent-refused', { agentId: message.agentId, hostname: message.hostname, why, permanent });
    connection.send({ type: 'refused', why, permanent });
    connection.close(why);
  };
  if (message.v !== AGENT_LINK_VERSION)
    return refuse(`this master speaks version ${AGENT_LINK_VERSION} of the agent link, the agent ${message.v}: upgrade the older one`, true);
  // A new agent that says it twice is one agent: its first message may still wait for the registry.
  const agentId = message.agentId === null && connection.claimedBy !== null ? connection.claimedBy : idOf(core, message);
  if (agentId === null) return refuse(`"${message.agentId}" is no agent id`, true);
  connection.claimedBy ??= agentId;
  if (connection.claimedBy !== agentId) return refuse(`this connection is of agent ${connection.claimedBy}: open another one`, true);
  inTurn(core, agentId, async () => {
    const known = core.agents.get(agentId);
    if (known?.state === 'gone') return refuse(`agent ${agentId} was marked as gone: give it a new state directory`, true);
    const entry = entryFrom(message, agentId);
    const isStored = known !== undefined && !known.isEntryInDoubt && isSameEntry(entryOf(known), entry);
    const isWritten = isStored ? await confirmLead(core) : await writeEntry(core, entry);
    if (connection.isClosed) return;
    if (!isWritten) return refuse('the registry could not be written; try again', false);
    admit(core, connection, message, known ?? agentOf(entry, 'recovering'));
  });
}

function admit(core: Core, connection: AgentConnection, message: RegisterMessage, agent: Agent): void {
  const { agentId } = agent;
  const wasUnreachable = agent.state === 'unreachable';
  if (agent.connection !== null && agent.connection !== connection) {
    const older = agent.connection;
    agent.connection = null;
    older.close('a newer connection of the same agent has registered');
  }
  connection.agentId = agentId;
  const entry = entryFrom(message, agentId);
  Object.assign(agent, { hostname: entry.hostname, address: entry.address, attributes: entry.attributes, resources: entry.resources });
  agent.region = message.region;
  agent.zone = message.zone;
  agent.version = message.version;
  agent.runtimes = message.runtimes ?? [];
  agent.abilities = message.abilities ?? [];
  agent.state = 'registered';
  agent.since = null;
  agent.connection = connection;
  agent.registration++;
  agent.registeredAt = core.ports.clock.now();
  core.agents.set(agentId, agent);
  rescindAll(core, agent);
  setAgent(core.allocator, { agentId, total: resourcesToModel(message.resources), active: true });
  const { config } = core.ports;
  connection.send({
    type: 'registered',
    v: AGENT_LINK_VERSION,
    agentId,
    masterId: core.masterId,
    masterEpoch: core.epoch,
    linkEpoch: ++core.nextLink,
    pingIntervalMs: config.pingIntervalMs,
  });
  learnTasks(core, agent, message, wasUnreachable);
  startPings(core, agent);
  core.look(agentId);
  count(core, 'agent_registrations');
  core.ports.log.info('agent-registered', { agentId, hostname: agent.hostname, address: agent.address, tasks: agent.tasks.size, wasUnreachable });
}

function idOf(core: Core, message: RegisterMessage): AgentId | null {
  if (message.agentId === null) return toAgentId(`${core.masterId}-S${core.nextAgent++}`);
  try {
    return toAgentId(message.agentId);
  } catch (error) {
    if (error instanceof EkidenError) return null;
    throw error;
  }
}

const entryFrom = (message: RegisterMessage, agentId: AgentId): AgentEntry => ({
  agentId,
  hostname: message.hostname,
  address: `${message.ip}:${message.port}`,
  attributes: message.attributes,
  resources: message.resources,
  state: 'admitted',
  since: null,
});

const isSameEntry = (a: AgentEntry, b: AgentEntry): boolean => JSON.stringify(a) === JSON.stringify(b);
