/**
 * Whether an agent is there: pings while it is connected, a wait for its return while it is not (reference: 3.4).
 *
 * A broken link alone ends nothing: offers are rescinded, tasks stay. Silence for too long, or too long a wait, make
 * it unreachable: the registry first, then its frameworks hear of each task.
 */
import { removeAgent, setAgent } from '@ekiden/allocator';
import { resourcesToModel } from '@ekiden/mesos';
import { isTerminal } from '@ekiden/model';
import { forgetTask } from '../cluster/tasks.js';
import { count, isConnected, type Agent, type Core } from '../cluster/core.js';
import { tell, unreachableSince } from '../framework/status.js';
import { STORE_RETRY_MS } from '../framework/remove-framework.js';
import { rescind } from '../offers/offer-ledger.js';
import { entryOf, inTurn, writeEntry } from './registry.js';

/** Tasks remembered of one framework as unreachable; the oldest are forgotten beyond. */
export const MAX_UNREACHABLE_TASKS = 1_000;

export function startPings(core: Core, agent: Agent): void {
  agent.timer?.cancel();
  const { clock, config } = core.ports;
  agent.heardAt = clock.now();
  const { registration } = agent;
  let nonce = 0;
  const isOver = (): boolean => agent.registration !== registration || agent.connection === null;
  /** Null: it has been silent for too long, and is given up. */
  const leftMs = (): number | null => {
    const ms = agent.heardAt + config.agentTimeoutMs - clock.now();
    if (ms > 0) return ms;
    markUnreachable(core, agent, 'health check timed out');
    return null;
  };
  core.pings.join(agent, () => {
    const ms = isOver() ? null : leftMs();
    if (ms === null) return false;
    agent.connection?.send({ type: 'ping', nonce: nonce++ });
    // It may be too late before its next turn.
    if (ms < config.pingIntervalMs) agent.timer = clock.after(ms, () => void (isOver() || leftMs()));
    return true;
  });
}

/** Waits for an agent to register (again); unreachable when it does not. */
export function awaitReturn(core: Core, agent: Agent): void {
  agent.timer?.cancel();
  agent.timer = core.ports.clock.after(core.ports.config.reregisterTimeoutMs, () => markUnreachable(core, agent, 'did not come back in time'));
}

export function agentDisconnected(core: Core, agent: Agent): void {
  agent.connection = null;
  agent.state = 'disconnected';
  setAgent(core.allocator, { agentId: agent.agentId, total: resourcesToModel(agent.resources), active: false });
  rescindAll(core, agent);
  awaitReturn(core, agent);
  count(core, 'agent_disconnections');
  core.ports.log.warn('agent-disconnected', { agentId: agent.agentId, tasks: agent.tasks.size });
}

export function rescindAll(core: Core, agent: Agent): void {
  for (const offer of [...agent.offers.values()]) rescind(core, offer);
}

/** Records the agent as unreachable, then says so; tried again while the store is away. Void once it has registered anew. */
export function markUnreachable(core: Core, agent: Agent, why: string): void {
  const { registration } = agent;
  agent.timer?.cancel();
  agent.timer = null;
  inTurn(core, agent.agentId, async () => {
    if (agent.registration !== registration || agent.state === 'unreachable' || agent.state === 'gone') return;
    const since = core.ports.clock.now();
    if (await writeEntry(core, { ...entryOf(agent), state: 'unreachable', since })) loseAgent(core, agent, since, why);
    else if (core.isLeading) {
      agent.timer?.cancel();
      agent.timer = core.ports.clock.after(STORE_RETRY_MS, () => markUnreachable(core, agent, why));
    }
  });
}

function loseAgent(core: Core, agent: Agent, since: number, why: string): void {
  agent.timer?.cancel();
  agent.timer = null;
  agent.state = 'unreachable';
  agent.since = since;
  const { connection } = agent;
  agent.connection = null;
  agent.awaitedKills.clear();
  connection?.close(why);
  count(core, 'agents_unreachable');
  core.ports.log.warn('agent-unreachable', { agentId: agent.agentId, why, tasks: agent.tasks.size });
  for (const task of agent.tasks) {
    const framework = core.frameworks.get(task.frameworkId);
    forgetTask(core, task);
    if (framework === undefined || framework.removed) continue;
    framework.unreachable.set(task.taskId, agent.agentId);
    const oldest = framework.unreachable.size > MAX_UNREACHABLE_TASKS ? framework.unreachable.keys().next() : null;
    if (oldest && !oldest.done) framework.unreachable.delete(oldest.value);
    if (isTerminal(task.state)) continue; // Its end is at the agent; nobody is told anything less.
    const message = `Agent ${agent.agentId} (${agent.hostname}) is unreachable: ${why}`;
    tell(core, framework, {
      taskId: task.taskId,
      agentId: agent.agentId,
      state: 'TASK_UNREACHABLE',
      reason: 'REASON_AGENT_REMOVED',
      message,
      more: unreachableSince(since),
    });
  }
  rescindAll(core, agent);
  removeAgent(core.allocator, agent.agentId);
  for (const framework of core.frameworks.values())
    if (isConnected(framework)) framework.session?.send({ type: 'FAILURE', failure: { agent_id: { value: agent.agentId } } });
}
