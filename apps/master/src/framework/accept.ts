/**
 * ACCEPT and DECLINE: offers are spent, tasks begin, left-overs go back with a filter (reference: 1.10).
 *
 * One bad offer spoils the whole call: the good ones go back without a filter and every task gets a status. One bad task
 * spoils only itself. All launches of a call travel to the agent in one message. Operations other than LAUNCH are refused.
 */
import { refuse } from '@ekiden/allocator';
import { decodeTaskData, type OfferOperation, type SchedulerCall, type TaskInfo, type WireFilters } from '@ekiden/mesos';
import { isNoResources, subtractResources, sumResources, taskId as toTaskId, type Resources } from '@ekiden/model';
import { addTask } from '../cluster/tasks.js';
import { count, type Agent, type Core, type Framework, type Offer } from '../cluster/core.js';
import { spend } from '../offers/offer-ledger.js';
import { tell } from './status.js';
import { validateTask } from './validate-task.js';

/** Mesos' default of `Filters.refuse_seconds`, for missing and negative ones. */
const DEFAULT_REFUSE_SECONDS = 5;
/** A year: longer refusals are cut to it. */
const MAX_REFUSE_SECONDS = 31_536_000;

type Accept = Extract<SchedulerCall, { type: 'ACCEPT' }>['accept'];

export function accept(core: Core, framework: Framework, { offer_ids: ids = [], operations = [], filters }: Accept): void {
  const offers = spendAll(
    core,
    framework,
    ids.map(({ value }) => value),
  );
  if (typeof offers === 'string') return refuseLaunches(core, framework, operations, offers);
  const first = offers[0];
  const agent = first === undefined ? undefined : core.agents.get(first.agentId);
  if (first === undefined || agent === undefined) return refuseLaunches(core, framework, operations, 'No offers specified');
  count(core, 'offers_accepted', offers.length);
  let pool = sumResources(offers.map(({ resources }) => resources));
  const launched: TaskInfo[] = [];
  for (const operation of operations) {
    if (operation.type !== 'LAUNCH') {
      core.ports.log.warn('operation-refused', { frameworkId: framework.frameworkId, operation: operation.type, why: 'only LAUNCH is supported' });
      continue;
    }
    for (const info of operation.launch.task_infos ?? []) {
      const used = launch(core, framework, agent, first.role, pool, info, operation.id !== undefined);
      if (used === null) continue;
      pool = subtractResources(pool, used);
      launched.push(completed(core, info, first.role));
    }
  }
  if (launched.length > 0) agent.connection?.send({ type: 'launch', framework: framework.info, tasks: launched });
  refuseRest(core, first, pool, filters);
}

export function decline(core: Core, framework: Framework, ids: readonly string[], filters: WireFilters | undefined): void {
  for (const id of ids) {
    const offer = spend(core, framework, id);
    if (offer === null) continue; // Rescinded meanwhile, or never ours: nothing to give back.
    count(core, 'offers_declined');
    refuseRest(core, offer, offer.resources, filters);
  }
}

/** All of them or, when one is bad, none (those that were good are given back) and the reason. */
function spendAll(core: Core, framework: Framework, ids: readonly string[]): readonly Offer[] | string {
  const offers: Offer[] = [];
  let why: string | null = ids.length === 0 ? 'No offers specified' : null;
  if (new Set(ids).size < ids.length) why = 'Duplicate offer in the list of offers';
  for (const id of new Set(ids)) {
    const offer = spend(core, framework, id);
    if (offer === null) why ??= `Offer ${id} is no longer valid`;
    else offers.push(offer);
  }
  const first = offers[0];
  if (first !== undefined && offers.some(({ agentId }) => agentId !== first.agentId)) why ??= 'Offers are of different agents';
  if (first !== undefined && offers.some(({ role }) => role !== first.role)) why ??= 'Offers are allocated to different roles';
  return why ?? offers;
}

function refuseLaunches(core: Core, framework: Framework, operations: readonly OfferOperation[], why: string): void {
  count(core, 'accepts_invalid');
  for (const operation of operations) {
    if (operation.type !== 'LAUNCH') continue;
    for (const { task_id: id, agent_id: agentId } of operation.launch.task_infos ?? []) {
      // The call came twice: its offers are spent because the task was launched, and "dropped" would be a lie.
      if (framework.tasks.has(id.value)) continue;
      const message = `Task launched with invalid offers: ${why}`;
      tell(core, framework, { taskId: id.value, agentId: agentId.value, state: 'TASK_DROPPED', reason: 'REASON_INVALID_OFFERS', message });
    }
  }
}

/** Answers what the task uses, or null when it was refused. */
function launch(
  core: Core,
  framework: Framework,
  agent: Agent,
  role: Offer['role'],
  pool: Resources,
  info: TaskInfo,
  hasOperationId: boolean,
): Resources | null {
  const judged = hasOperationId
    ? { kind: 'problem' as const, text: 'LAUNCH does not support an operation id' }
    : validateTask(info, { agentId: agent.agentId, pool, framework });
  const id = info.task_id.value;
  if (judged.kind === 'problem') {
    count(core, 'tasks_invalid');
    tell(core, framework, { taskId: id, agentId: agent.agentId, state: 'TASK_ERROR', reason: 'REASON_TASK_INVALID', message: judged.text });
    return null;
  }
  count(core, 'tasks_launched');
  addTask(core, framework, agent, { info, role, resources: judged.resources, state: 'TASK_STAGING' }, toTaskId(id));
  return judged.resources;
}

/** What the master fills in before a task travels. */
function completed(core: Core, info: TaskInfo, role: string): TaskInfo {
  const resources = (info.resources ?? []).map((resource) => ({ ...resource, allocation_info: { role } }));
  const { health_check: check, data, ...rest } = info;
  const type = check?.type ?? (check?.http ? 'HTTP' : check?.tcp ? 'TCP' : check?.command ? 'COMMAND' : undefined);
  const isHidden = data === undefined || (!core.ports.config.extensions && decodeTaskData(data) !== null);
  return {
    ...rest,
    resources,
    ...(check === undefined ? {} : { health_check: type === undefined ? check : { ...check, type } }),
    ...(isHidden ? {} : { data }),
  };
}

function refuseRest(core: Core, offer: Offer, rest: Resources, filters: WireFilters | undefined): void {
  if (isNoResources(rest)) return;
  const asked = filters?.refuse_seconds ?? DEFAULT_REFUSE_SECONDS;
  const seconds = asked < 0 ? DEFAULT_REFUSE_SECONDS : Math.min(Number.isNaN(asked) ? MAX_REFUSE_SECONDS : asked, MAX_REFUSE_SECONDS);
  if (seconds > 0) refuse(core.allocator, offer, rest, core.ports.clock.now() + Math.ceil(seconds * 1000));
}
