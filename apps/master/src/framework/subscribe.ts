/**
 * SUBSCRIBE: a framework's stream begins, for the first time, again, or instead of an older one.
 *
 * Problems of the framework are no HTTP errors: the stream opens, its only event is ERROR, and it ends (reference: 1.5).
 */
import { setFramework } from '@ekiden/allocator';
import { EKIDEN_BATCH_ACKNOWLEDGE, EKIDEN_RESIZE, EKIDEN_TASK_DATA, type FrameworkInfo, type MasterInfo, type SchedulerCall } from '@ekiden/mesos';
import { frameworkId, type FrameworkId } from '@ekiden/model';
import { count, hasCapability, type Core, type Framework } from '../cluster/core.js';
import type { EventSink, MasterConfig, SubscribeAnswer } from '../master-ports.js';
import { withdrawAll } from '../offers/offer-ledger.js';
import { repeatUnacknowledged } from './forward-status.js';
import { judgeFrameworkInfo, withId } from './framework-info.js';
import { Session } from './session.js';

export function subscribe(core: Core, call: Extract<SchedulerCall, { type: 'SUBSCRIBE' }>, sink: EventSink): SubscribeAnswer {
  const { framework_info: info, suppressed_roles: suppressedRoles = [] } = call.subscribe;
  const { clock, config, ids, log } = core.ports;
  const session = new Session(ids.uuid(), sink, clock, config.heartbeatIntervalMs);
  const opened: SubscribeAnswer = { kind: 'opened', streamId: session.streamId };
  const judged = judgeFrameworkInfo(info, suppressedRoles);
  const problem = judged.kind === 'problem' ? judged.text : refusalOf(core, info);
  if (judged.kind === 'problem' || problem !== null) {
    log.info('framework-refused', { frameworkId: info.id?.value, name: info.name, why: problem });
    session.end(problem);
    return opened;
  }
  const id = idOf(core, info);
  const known = core.frameworks.get(id);
  const framework = known ?? addFramework(core, id, info);
  if (known !== undefined) takeOver(core, known);
  framework.info = withId(known?.registeredAt ? { ...info, user: known.info.user } : info, id);
  framework.roles = judged.roles;
  framework.suppressed = judged.suppressed;
  framework.session = session;
  framework.registeredAt ??= clock.now();
  session.send({
    type: 'SUBSCRIBED',
    subscribed: { framework_id: { value: id }, heartbeat_interval_seconds: config.heartbeatIntervalMs / 1000, master_info: masterInfo(core.masterId, config) },
  });
  session.send({ type: 'HEARTBEAT' });
  repeatUnacknowledged(core, framework);
  tellAllocator(core, framework);
  core.look(null);
  count(core, 'subscribes');
  log.info('framework-subscribed', { frameworkId: id, name: info.name, roles: judged.roles, streamId: session.streamId, isNew: known === undefined });
  return opened;
}

/** A framework known by name only: from a first SUBSCRIBE, or from an agent's report. */
export function addFramework(core: Core, id: FrameworkId, info: FrameworkInfo): Framework {
  const framework: Framework = {
    frameworkId: id,
    info: withId(info, id),
    roles: [],
    suppressed: new Set(),
    session: null,
    removed: false,
    failover: null,
    tasks: new Map(),
    unreachable: new Map(),
    offers: new Map(),
    registeredAt: null,
  };
  core.frameworks.set(id, framework);
  return framework;
}

/** Tells the allocator what the framework wants now; the caller decides which agents to look at. */
export function tellAllocator(core: Core, framework: Framework): void {
  const { frameworkId: id, roles, suppressed, session } = framework;
  setFramework(core.allocator, { frameworkId: id, roles, suppressed, active: session !== null, takesGpus: hasCapability(framework, 'GPU_RESOURCES') });
}

export function masterInfo(masterId: string, config: MasterConfig): MasterInfo {
  const { hostname, ip, port } = config;
  const capabilities = ['AGENT_UPDATE', 'QUOTA_V2', ...(config.extensions ? [EKIDEN_TASK_DATA, EKIDEN_BATCH_ACKNOWLEDGE, EKIDEN_RESIZE] : [])];
  return {
    id: masterId,
    ip: littleEndian(ip),
    port,
    pid: `master@${ip}:${port}`,
    hostname,
    version: MESOS_VERSION,
    address: { hostname, ip, port },
    capabilities: capabilities.map((type) => ({ type })),
  };
}

/** What clients may rely on; our own version has a field of its own elsewhere. */
export const MESOS_VERSION = '1.11.0';

/** The four bytes of an IPv4 address, read as a little-endian integer: 127.0.0.1 is 16777343. */
const littleEndian = (ip: string): number => ip.split('.').reduce((sum, byte, index) => sum + (Number(byte) || 0) * 256 ** index, 0);

function refusalOf(core: Core, info: FrameworkInfo): string | null {
  const id = info.id?.value;
  if (id === undefined || id === '') return null;
  if (core.removedFrameworks.has(frameworkId(id))) return 'Framework has been removed';
  const known = core.frameworks.get(frameworkId(id));
  const isChanged = known !== undefined && known.registeredAt !== null && (known.info.principal ?? '') !== (info.principal ?? '');
  return isChanged ? "Changing framework's principal is not allowed." : null;
}

function idOf(core: Core, info: FrameworkInfo): FrameworkId {
  const chosen = info.id?.value;
  if (chosen !== undefined && chosen !== '') return frameworkId(chosen);
  // The epoch keeps ids of different leaders apart: a new one does not know the frameworks of the old one.
  return frameworkId(`${core.masterId}-${core.epoch}-${String(core.nextFramework++).padStart(4, '0')}`);
}

/** Ends what an older stream of the same framework has: its offers silently, the stream with an ERROR. */
function takeOver(core: Core, framework: Framework): void {
  framework.failover?.cancel();
  framework.failover = null;
  withdrawAll(core, framework);
  if (framework.session === null) return;
  count(core, 'framework_failovers');
  framework.session.end('Framework failed over');
  framework.session = null;
}
