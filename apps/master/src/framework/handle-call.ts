/**
 * Every scheduler call but SUBSCRIBE: judged in Mesos' order (reference: 1.1, rows 12 to 17), then done.
 *
 * 202 means "queued": what goes wrong later comes as an event, or not at all.
 */
import { revive, suppress } from '@ekiden/allocator';
import { EKIDEN_BATCH_ACKNOWLEDGE, EKIDEN_RESIZE, type SchedulerCall } from '@ekiden/mesos';
import { assertNever, type Role } from '@ekiden/model';
import { count, isAnyAwaited, type Agent, type AwaitedKill, type Core, type Framework } from '../cluster/core.js';
import type { HttpAnswer } from '../master-ports.js';
import { rescind } from '../offers/offer-ledger.js';
import { accept, decline } from './accept.js';
import { acknowledge } from './forward-status.js';
import { judgeFrameworkInfo, withId } from './framework-info.js';
import { explain, reconcile } from './reconcile.js';
import { removeFramework } from './remove-framework.js';
import { resize } from './resize.js';
import { tellAllocator } from './subscribe.js';

type Call = Exclude<SchedulerCall, { type: 'SUBSCRIBE' }>;

/** Kills that wait for one agent's return; more are dropped, and asked for again. */
export const MAX_AWAITED_KILLS = 10_000;

const EXTENSIONS: ReadonlySet<Call['type']> = new Set([EKIDEN_BATCH_ACKNOWLEDGE, EKIDEN_RESIZE]);

const ACCEPTED: HttpAnswer = { status: 202, text: '' };

export function handleCall(core: Core, streamId: string | null, call: Call): HttpAnswer {
  if (EXTENSIONS.has(call.type) && !core.ports.config.extensions) return { status: 501, text: `Call '${call.type}' is not supported` };
  const framework = core.frameworks.get(call.framework_id.value);
  const refusal = judgeCaller(framework, streamId, call.framework_id.value);
  if (refusal !== null || framework === undefined) return refusal ?? ACCEPTED;
  count(core, `calls_${call.type.toLowerCase()}`);
  if (call.type === 'UPDATE_FRAMEWORK') return updateFramework(core, framework, call.update_framework);
  if (call.type === EKIDEN_RESIZE) return resize(core, framework, call.resize);
  handle(core, framework, call);
  return ACCEPTED;
}

function judgeCaller(framework: Framework | undefined, streamId: string | null, frameworkId: string): HttpAnswer | null {
  if (framework === undefined || framework.removed) return { status: 400, text: 'Framework cannot be found' };
  if (framework.session === null) return { status: 403, text: 'Framework is not subscribed' };
  if (streamId === null) return { status: 400, text: "All non-subscribe calls should include the 'Mesos-Stream-Id' header" };
  if (streamId === framework.session.streamId) return null;
  const text = `The stream ID '${streamId}' included in this request didn't match the stream ID currently associated with framework ID ${frameworkId}`;
  return { status: 400, text };
}

function handle(core: Core, framework: Framework, call: Exclude<Call, { type: 'UPDATE_FRAMEWORK' | typeof EKIDEN_RESIZE }>): void {
  switch (call.type) {
    case 'TEARDOWN':
      return removeFramework(core, framework, 'teardown');
    case 'ACCEPT':
      return accept(core, framework, call.accept);
    case 'DECLINE':
      return decline(
        core,
        framework,
        (call.decline.offer_ids ?? []).map(({ value }) => value),
        call.decline.filters,
      );
    case 'REVIVE':
      return reviveRoles(core, framework, call.revive?.roles ?? []);
    case 'SUPPRESS':
      return suppressRoles(core, framework, call.suppress?.roles ?? []);
    case 'KILL':
      return kill(core, framework, call.kill);
    case 'ACKNOWLEDGE':
      return acknowledge(core, framework, call.acknowledge);
    case EKIDEN_BATCH_ACKNOWLEDGE:
      for (const one of call.batch_acknowledge.acknowledgements) acknowledge(core, framework, one);
      return;
    case 'RECONCILE':
      return reconcile(core, framework, call.reconcile.tasks ?? []);
    case 'MESSAGE':
      return relayMessage(core, framework, call.message);
    case 'SHUTDOWN':
      core.ports.log.info('call-ignored', { frameworkId: framework.frameworkId, call: 'SHUTDOWN', why: 'tasks have no executor of their own' });
      return;
    case 'REQUEST':
      return; // As in Mesos: taken and ignored.
  }
  assertNever(call);
}

/** No roles: all of the framework's. One foreign role spoils the call. */
function rolesOf(core: Core, framework: Framework, names: readonly string[], call: string): readonly Role[] | null {
  if (names.length === 0) return framework.roles;
  const roles = framework.roles.filter((role) => names.includes(role));
  if (roles.length === new Set(names).size) return roles;
  core.ports.log.warn('call-dropped', { frameworkId: framework.frameworkId, call, why: `not all of these are its roles: ${names.join(', ')}` });
  return null;
}

function reviveRoles(core: Core, framework: Framework, names: readonly string[]): void {
  const roles = rolesOf(core, framework, names, 'REVIVE');
  if (roles === null) return;
  revive(core.allocator, framework.frameworkId, roles);
  framework.suppressed = new Set([...framework.suppressed].filter((role) => !roles.includes(role)));
  core.look(null);
}

function suppressRoles(core: Core, framework: Framework, names: readonly string[]): void {
  const roles = rolesOf(core, framework, names, 'SUPPRESS');
  if (roles === null) return;
  suppress(core.allocator, framework.frameworkId, roles);
  framework.suppressed = new Set([...framework.suppressed, ...roles]);
}

function kill(core: Core, framework: Framework, { task_id: id, agent_id: agentId, kill_policy: policy }: Extract<Call, { type: 'KILL' }>['kill']): void {
  const task = framework.tasks.get(id.value);
  if (task === undefined) {
    const awaited = agentId === undefined ? undefined : core.agents.get(agentId.value);
    if (awaited?.state === 'recovering') return awaitKill(awaited, id.value, { frameworkId: framework.frameworkId, policy: policy ?? null });
    return explain(core, framework, id.value, agentId?.value ?? null, isAnyAwaited(core));
  }
  if (agentId !== undefined && agentId.value !== task.agentId) return; // Somebody else's idea of where it runs.
  task.kill = { policy: policy ?? null };
  core.agents.get(task.agentId)?.connection?.send({ type: 'kill', frameworkId: framework.frameworkId, taskId: task.taskId, killPolicy: policy ?? null });
}

/** Nobody says anything of an agent that is still awaited; its framework should not have to ask again. */
function awaitKill(agent: Agent, taskId: string, kill: AwaitedKill): void {
  if (agent.awaitedKills.size < MAX_AWAITED_KILLS || agent.awaitedKills.has(taskId)) agent.awaitedKills.set(taskId, kill);
}

function relayMessage(
  core: Core,
  framework: Framework,
  { agent_id: agentId, executor_id: executorId, data }: Extract<Call, { type: 'MESSAGE' }>['message'],
): void {
  const agent = core.agents.get(agentId.value);
  agent?.connection?.send({ type: 'message', frameworkId: framework.frameworkId, executorId: executorId.value, data });
}

function updateFramework(core: Core, framework: Framework, update: Extract<Call, { type: 'UPDATE_FRAMEWORK' }>['update_framework']): HttpAnswer {
  const { framework_info: info, suppressed_roles: suppressedRoles = [] } = update;
  const judged = judgeFrameworkInfo(info, suppressedRoles);
  if (judged.kind === 'problem') return { status: 400, text: judged.text };
  for (const field of ['principal', 'user', 'checkpoint'] as const)
    if ((info[field] || null) !== (framework.info[field] || null)) return { status: 400, text: `Updating 'FrameworkInfo.${field}' is not supported` };
  framework.info = withId(info, framework.frameworkId);
  framework.roles = judged.roles;
  framework.suppressed = judged.suppressed;
  tellAllocator(core, framework);
  for (const offer of [...framework.offers.values()]) if (!judged.roles.includes(offer.role)) rescind(core, offer);
  core.look(null);
  return { status: 200, text: '' };
}
