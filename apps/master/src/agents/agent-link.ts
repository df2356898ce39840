/**
 * What comes over an agent's connection, and to whom it goes. Only the newest connection of an agent is heard.
 */
import type { AgentMessage, MasterMessage } from '@ekiden/agent-link';
import { assertNever } from '@ekiden/model';
import { isConnected, type Agent, type Core } from '../cluster/core.js';
import { forwardStatus } from '../framework/forward-status.js';
import type { AgentLinkHandle } from '../master-ports.js';
import type { AgentConnection } from './agent-connection.js';
import { agentDisconnected } from './liveness.js';
import { registerAgent } from './register-agent.js';

/** An agent registers at once; a connection over which nobody has begun to may have nobody at its other end. */
const REGISTER_WITHIN_MS = 30_000;

export function openAgentLink(core: Core, link: { send(message: MasterMessage): void; close(why: string): void }): AgentLinkHandle {
  const connection: AgentConnection = {
    claimedBy: null,
    agentId: null,
    isClosed: false,
    waits: core.ports.clock.after(REGISTER_WITHIN_MS, () => {
      if (connection.claimedBy === null) connection.close(`nobody has registered within ${REGISTER_WITHIN_MS} ms`);
    }),
    send: (message) => {
      if (!connection.isClosed) link.send(message);
    },
    close: (why) => {
      if (connection.isClosed) return;
      closed(core, connection);
      link.close(why);
    },
  };
  core.connections.add(connection);
  return {
    message: (message) => {
      if (!connection.isClosed && core.isLeading) receive(core, connection, message);
    },
    closed: () => closed(core, connection),
  };
}

function closed(core: Core, connection: AgentConnection): void {
  if (connection.isClosed) return;
  connection.isClosed = true;
  connection.waits.cancel();
  core.connections.delete(connection);
  const agent = agentOf(core, connection);
  if (agent !== null && core.isLeading) agentDisconnected(core, agent);
}

function receive(core: Core, connection: AgentConnection, message: AgentMessage): void {
  if (message.type === 'register') return registerAgent(core, connection, message);
  const agent = agentOf(core, connection);
  if (agent === null) {
    core.ports.log.warn('agent-message-ignored', { agentId: connection.agentId, message: message.type, why: 'not registered over this connection' });
    return;
  }
  agent.heardAt = core.ports.clock.now(); // Whatever it says, it is there.
  switch (message.type) {
    case 'status':
      return forwardStatus(core, agent, message);
    case 'executor-message': {
      const framework = core.frameworks.get(message.frameworkId);
      if (framework === undefined || !isConnected(framework)) return; // Best effort, as in Mesos.
      framework.session?.send({
        type: 'MESSAGE',
        message: { agent_id: { value: agent.agentId }, executor_id: { value: message.executorId }, data: message.data },
      });
      return;
    }
    case 'pong':
      return;
  }
  assertNever(message);
}

/** The agent that this connection is the newest of, or null. */
function agentOf(core: Core, connection: AgentConnection): Agent | null {
  const agent = connection.agentId === null ? undefined : core.agents.get(connection.agentId);
  return agent?.connection === connection ? agent : null;
}
