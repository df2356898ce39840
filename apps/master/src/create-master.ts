/**
 * The master, built from its ports: no Nest, no sockets, no clock of its own. The simulator calls the same function.
 *
 * `start` waits for the lead, loads the registry, and begins: every agent in it is awaited, none of their tasks is known
 * (reference: 3.6). When somebody else leads it stops at once; the process is then of no more use and ends.
 */
import { setWeights } from '@ekiden/allocator';
import { EkidenError, invariant, type Timer } from '@ekiden/model';
import { openAgentLink } from './agents/agent-link.js';
import { awaitReturn } from './agents/liveness.js';
import { agentOf } from './agents/registry.js';
import { newCore, type Core } from './cluster/core.js';
import { viewOf } from './cluster/view.js';
import { handleCall } from './framework/handle-call.js';
import { frameworkDisconnected } from './framework/remove-framework.js';
import { masterInfo, subscribe } from './framework/subscribe.js';
import type { HttpAnswer, Master, MasterPorts, MasterSnapshot } from './master-ports.js';
import { AllocationLoop } from './offers/allocation-loop.js';

/** How often a leader proves to the store that it leads. */
export const CONFIRM_INTERVAL_MS = 2_000;

const NOT_LEADING: HttpAnswer = { status: 503, text: 'No leader elected' };

/** `deposed` is called once, when somebody else has taken the lead: the process should end. */
export function createMaster(ports: MasterPorts, deposed: (why: string) => void = () => undefined): Master {
  let core: Core | null = null;
  let confirming: Timer | null = null;
  let isStopped = false;
  const leader = (): Core | null => (core?.isLeading === true ? core : null);
  const loop = new AllocationLoop(() => {
    invariant(core !== null, 'allocation before the lead');
    return core;
  });

  const resign = (why: string): void => {
    if (core?.isLeading !== true) return;
    core.isLeading = false;
    confirming?.cancel();
    loop.stop();
    end(core, why);
  };
  const stepDown = (why: string): void => {
    if (core?.isLeading !== true) return;
    ports.log.error('master-deposed', { epoch: core.epoch, why });
    resign(why);
    deposed(why);
  };
  const confirm = (): void => {
    const { epoch } = leader() ?? {};
    if (epoch === undefined) return;
    ports.store
      .confirm(epoch)
      .catch((error: unknown) => {
        if (error instanceof EkidenError && error.code === 'stale-leader') stepDown(error.message);
        else ports.log.warn('lead-unconfirmed', { epoch, error });
      })
      .finally(() => {
        if (leader() !== null) confirming = ports.clock.after(CONFIRM_INTERVAL_MS, confirm);
      });
  };

  return {
    async start() {
      const { config, store, log } = ports;
      const { epoch, snapshot } = await store.lead(`${config.hostname}:${config.port}`);
      if (isStopped) return store.release(epoch);
      core = newCore({ ports, masterId: snapshot.masterId, epoch, look: (agentId) => loop.look(agentId), stepDown });
      load(core, snapshot);
      confirming = ports.clock.after(CONFIRM_INTERVAL_MS, confirm);
      log.info('master-leads', { masterId: snapshot.masterId, epoch, agents: snapshot.agents.length });
    },
    async stop() {
      isStopped = true;
      const led = leader();
      if (led === null) return;
      resign('the master stops');
      try {
        await ports.store.release(led.epoch);
      } catch (error) {
        ports.log.debug('lead-not-released', { epoch: led.epoch, error }); // its session ends with the process, and the lock with it
      }
    },
    get isLeading() {
      return leader() !== null;
    },
    subscribe(call, sink) {
      const led = leader();
      if (led === null) return { kind: 'refused', answer: NOT_LEADING };
      if (call.type !== 'SUBSCRIBE') return { kind: 'refused', answer: { status: 400, text: `Expecting a SUBSCRIBE call, not ${call.type}` } };
      return subscribe(led, call, sink);
    },
    disconnected(streamId) {
      const led = leader();
      if (led === null) return;
      for (const framework of led.frameworks.values()) if (framework.session?.streamId === streamId) return frameworkDisconnected(led, framework);
    },
    call(streamId, call) {
      const led = leader();
      if (led === null) return NOT_LEADING;
      if (call.type === 'SUBSCRIBE') return { status: 400, text: 'A SUBSCRIBE call opens a stream of its own' };
      return handleCall(led, streamId, call);
    },
    agentConnected(link) {
      const led = leader();
      if (led !== null) return openAgentLink(led, link);
      link.send({ type: 'refused', why: 'this master does not lead', permanent: false });
      link.close('this master does not lead');
      return { message: () => undefined, closed: () => undefined };
    },
    state: viewOf(
      () => core,
      () => (core === null ? null : masterInfo(core.masterId, ports.config)),
    ),
  };
}

function load(core: Core, snapshot: MasterSnapshot): void {
  setWeights(core.allocator, snapshot.weights);
  for (const frameworkId of snapshot.removedFrameworks) core.removedFrameworks.add(frameworkId);
  for (const entry of snapshot.agents) {
    const agent = agentOf(entry, entry.state === 'admitted' ? 'recovering' : entry.state);
    core.agents.set(entry.agentId, agent);
    const number = /-S(\d+)$/.exec(entry.agentId)?.[1];
    if (number !== undefined && entry.agentId.startsWith(core.masterId)) core.nextAgent = Math.max(core.nextAgent, Number(number) + 1);
    if (agent.state === 'recovering') awaitReturn(core, agent);
  }
}

/** Ends every stream and link: frameworks and agents look for the leader. */
function end(core: Core, why: string): void {
  for (const framework of core.frameworks.values()) {
    framework.failover?.cancel();
    framework.session?.end(null);
    framework.session = null;
  }
  core.pings.stop();
  for (const agent of core.agents.values()) agent.timer?.cancel();
  for (const offer of core.offers.values()) offer.expiry?.cancel();
  for (const connection of core.connections) connection.close(why);
}
