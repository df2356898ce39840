/**
 * EKIDEN_RESIZE: a running task gets more or fewer cpus and less or more memory where it is.
 *
 *   call ─► judged ─► growth is paid from offers, the larger of both sizes counts ─► agent ─► its outcome, in a status ─► that size counts
 *
 * So nothing that the task may still use is given to others (promise 3): growth counts before the agent hears of it, and what a
 * smaller size frees is free only once its agent has said so. A master that was not there meanwhile learns what counts from
 * the agent's registration. Of what comes twice, late or in a wrong order the higher revision counts.
 */
import { AGENT_RESIZES } from '@ekiden/agent-link';
import { decodeStatusData, type ResizeCall, type ResizeReport, type TaskStatus, type WireResource } from '@ekiden/mesos';
import { containsResources, describeResources, isTerminal, largerSize, NO_RESOURCES, sumResources, type Resources, type TaskSize } from '@ekiden/model';
import { changeResources } from '../cluster/tasks.js';
import { count, type Agent, type Core, type Framework, type Task } from '../cluster/core.js';
import type { HttpAnswer } from '../master-ports.js';
import { spend } from '../offers/offer-ledger.js';
import { askedResources } from './validate-task.js';

const TAKEN: HttpAnswer = { status: 202, text: '' };
/** Nothing was done, for want of payment. */
const unpaid = (text: string): HttpAnswer => ({ status: 409, text });
/** Nothing was done: the task's agent is not there to do it. */
const notNow = (text: string): HttpAnswer => ({ status: 503, text });
/** That agent will never do it. */
const never = (text: string): HttpAnswer => ({ status: 422, text });

/** Whatever the answer, the offers are spent: of those that pay for nothing all comes back, without a filter. */
export function resize(core: Core, framework: Framework, call: ResizeCall['resize']): HttpAnswer {
  const purse = spendAll(core, framework, call);
  const answer = judge(core, framework, call, purse);
  if (answer.status !== TAKEN.status) count(core, 'resizes_refused');
  return answer;
}

interface Purse {
  /** What pays for growth. */
  readonly resources: Resources;
  /** One of them is no longer valid, or of somebody else. */
  readonly problem: string | null;
}

function spendAll(core: Core, framework: Framework, { task_id: id, agent_id: agentId, offer_ids: ids = [] }: ResizeCall['resize']): Purse {
  const role = framework.tasks.get(id.value)?.role;
  let problem: string | null = null;
  const spent = ids.flatMap(({ value }) => {
    const offer = spend(core, framework, value);
    if (offer === null) problem ??= `Offer ${value} is no longer valid`;
    else if (offer.agentId !== agentId.value) problem ??= `Offer ${value} is of agent ${offer.agentId}, the task runs on ${agentId.value}`;
    else if (role !== undefined && offer.role !== role) problem ??= `Offer ${value} is for role ${offer.role}, the task has role ${role}`;
    return offer === null ? [] : [offer.resources];
  });
  return { resources: problem === null ? sumResources(spent) : NO_RESOURCES, problem };
}

function judge(core: Core, framework: Framework, call: ResizeCall['resize'], purse: Purse): HttpAnswer {
  const { revision } = call;
  const size = readSize(call.resources);
  if (typeof size === 'string') return never(size);
  const task = framework.tasks.get(call.task_id.value);
  const agent = core.agents.get(call.agent_id.value);
  if (task === undefined || isTerminal(task.state)) return notNow(`Task ${call.task_id.value} does not run, as far as is known`);
  if (agent === undefined || task.agentId !== agent.agentId) return notNow(`Task ${task.taskId} runs on ${task.agentId}, not on ${call.agent_id.value}`);
  if (revision <= Math.max(task.revision, task.resize?.revision ?? 0)) return TAKEN; // It came before.
  if (agent.connection === null) return notNow(`Agent ${agent.agentId} is not connected`);
  if (!agent.abilities.includes(AGENT_RESIZES)) return never(`Agent ${agent.agentId} (${agent.hostname}) cannot change the size of a running task`);
  const growth = growthOf(task.resources, size);
  if (purse.problem !== null) return unpaid(purse.problem);
  if (!containsResources(purse.resources, growth))
    return unpaid(`Growth by ${describeResources(growth)} is more than the offers hold: ${describeResources(purse.resources)}`);
  changeResources(core, task, sumResources([task.resources, growth]));
  task.resize = { revision, size };
  count(core, 'tasks_resized');
  core.ports.log.info('task-resized', { taskId: task.taskId, agentId: agent.agentId, frameworkId: framework.frameworkId, revision, ...size });
  sendResize(agent, task);
  return TAKEN;
}

/** What it may use beyond what is held for it already. */
const growthOf = (held: Resources, size: TaskSize): Resources => ({
  ...NO_RESOURCES,
  cpusMilli: Math.max(0, size.cpusMilli - held.cpusMilli),
  memMib: Math.max(0, size.memMib - held.memMib),
});

/** The size, or what is wrong with it. */
function readSize(resources: readonly WireResource[]): TaskSize | string {
  const other = resources.find(({ name }) => name !== 'cpus' && name !== 'mem');
  if (other !== undefined) return `Resource '${other.name}' of a running task cannot change; only 'cpus' and 'mem' can`;
  for (const { name, scalar } of resources)
    if (scalar === undefined || !Number.isFinite(scalar.value) || scalar.value < 0) return `Resource '${name}' needs a scalar of at least 0`;
  const { cpusMilli, memMib } = askedResources(resources);
  if (cpusMilli === 0 || memMib === 0) return "A new size needs both 'cpus' and 'mem', each above 0";
  return { cpusMilli, memMib };
}

/** Also over a new link: what was said over the old one may be lost, and twice does no harm. */
export function sendResize(agent: Agent, { frameworkId, taskId, resize: pending }: Task): void {
  if (pending !== null) agent.connection?.send({ type: 'resize', frameworkId, taskId, ...pending });
}

/** What a status of the task's agent says about its size. Statuses come late, twice, and in an older order than the agent's registrations. */
export function learnOutcome(core: Core, task: Task, status: TaskStatus | null): void {
  const report = reportIn(status);
  if (report === null || report.revision <= task.revision) return;
  settle(core, task, report, { ...task.resources, cpusMilli: report.cpusMilli, memMib: report.memMib });
}

/** A registration says what the task may use: all that counts, but for what its agent has not been told yet. Sizes of agents that cannot change them stay. */
export function learnResources(core: Core, agent: Agent, task: Task, resources: Resources, latest: TaskStatus | null): void {
  if (!agent.abilities.includes(AGENT_RESIZES)) return;
  // An agent that died before it had written an outcome down does not know it any more, and will tell it again.
  settle(core, task, { revision: reportIn(latest)?.revision ?? 0 }, resources);
}

function settle(core: Core, task: Task, { revision }: Pick<ResizeReport, 'revision'>, resources: Resources): void {
  task.revision = revision;
  if (task.resize !== null && task.resize.revision <= revision) task.resize = null;
  changeResources(core, task, task.resize === null ? resources : { ...resources, ...largerSize(resources, task.resize.size) });
}

/** Numbers of others are looked at before they count. */
function reportIn(status: TaskStatus | null): ResizeReport | null {
  const report = decodeStatusData(status?.data)?.resize;
  const isWhole = report !== undefined && [report.revision, report.cpusMilli, report.memMib].every((value) => Number.isSafeInteger(value) && value >= 0);
  return isWhole ? report : null;
}
