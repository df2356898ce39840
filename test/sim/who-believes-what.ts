/** Each part's own view of one app and its instances, side by side: client, paas-api's memory, database, master, agents, machines. */
import { liveTask, safePath, type AppId, type Instance } from '@ekiden/model';
import type { AppRow, DeploymentRow } from '../../apps/paas-api/src/store/paas-store.js';
import type { Subject } from './story-subject.js';
import type { Clients } from './workloads/clients.js';
import type { Host, World } from './world/world.js';

const MAX_INSTANCES_TOLD = 12;
const WHO_WIDTH = 16;

/** Which parts are there, and who reaches whom. */
export function everybody(world: World): string[] {
  const api = world.hasApi
    ? `${world.api.isLeading ? 'leads' : 'does not lead'}, ${world.api.isConnected ? 'subscribed' : 'not subscribed'}${cutOff(world, 'paas-api')}`
    : 'is down';
  const agents = world.hasMaster ? world.master.state.agents().map((one) => `${one.hostname} ${one.state}${one.connected ? '' : ' (no link)'}`) : [];
  return [
    told('paas-api', api),
    told('master', world.hasMaster ? `leads; knows ${agents.join(', ') || 'no agent'}` : 'is down'),
    told('store', world.isStoreAway ? 'is away' : `answers; epoch ${world.paasDatabase.epoch} of paas-api`),
    ...world.hosts.map((host) => told(host.name, `${aboutHost(host)}${cutOff(world, host.name)}`)),
  ];
}

export function beliefsAbout(world: World, clients: Clients, { appId, instanceId }: Subject): string[] {
  const isOf = (taskId: string): boolean => taskId.startsWith(instanceId ?? `${safePath(appId)}.`);
  return [
    told('client', aboutClient(clients, appId)),
    ...aboutMemory(world, appId).map((line) => told('paas-api memory', line)),
    ...aboutRows(world, appId).map((line) => told('database', line)),
    ...(world.hasMaster ? world.master.state.tasks() : [])
      .filter((task) => isOf(task.taskId))
      .map((task) => told('master', `${task.taskId} is ${task.state} on ${task.agentId}`)),
    ...world.hosts.flatMap((host) => aboutTasks(host, isOf)),
  ];
}

function aboutClient(clients: Clients, id: AppId): string {
  const belief = clients.beliefs.get(id);
  const asked = clients.touchedAt.get(id);
  const since = asked === undefined ? 'never asked for anything' : `asked last at ${asked}`;
  if (belief === undefined) return since;
  return `${belief.kind === 'version' ? `was told version ${belief.version}` : belief.kind === 'gone' ? 'was told that it is deleted' : 'cannot know'}; ${since}`;
}

function aboutMemory(world: World, id: AppId): string[] {
  if (!world.hasApi) return ['(paas-api is down)'];
  const { view } = world.api;
  const plan = view.plan(id);
  return [
    printApp(view.app(id)),
    ...view.deploymentsOf(id).map(printDeployment),
    `plan: ${plan === null ? 'none' : `done ${plan.done}, ${JSON.stringify({ waitingFor: plan.waitingFor, steps: plan.steps, counts: plan.counts, budget: plan.budget })}`}`,
    ...view.instances(id).slice(0, MAX_INSTANCES_TOLD).map(printInstance), // prettier-ignore
  ];
}

function aboutRows({ paasDatabase: { apps, deployments, instances } }: World, id: AppId): string[] {
  return [
    printApp(apps.get(id) ?? null),
    ...[...deployments.values()].filter((row) => row.state === 'running' && row.changes.some((change) => change.appId === id)).map(printDeployment),
    ...[...instances.values()].filter((one) => one.appId === id).slice(0, MAX_INSTANCES_TOLD).map(printInstance), // prettier-ignore
  ];
}

function aboutTasks(host: Host, isOf: (taskId: string) => boolean): string[] {
  const tasks = (host.agent?.tasks() ?? []).filter((record) => isOf(record.task.task_id.value));
  const running = host.machine.alive().filter((process) => isOf(process.taskId));
  return [
    ...tasks.map((record) =>
      told(
        host.name,
        `${record.task.task_id.value} ${record.stage}, last said ${record.latest?.state ?? 'nothing'}, ${record.unacknowledged.length} not acknowledged${record.kill === null ? '' : `, being killed since ${record.kill.at}`}`,
      ),
    ),
    ...running.map((process) => told('its machine', `${host.name}: ${process.taskId} runs "${process.command}", pid ${process.pid}`)),
  ];
}

function aboutHost(host: Host): string {
  const agent = host.agent === null ? 'no agent runs' : `agent ${host.agent.tasks().length} tasks`;
  const disk = host.machine.disk.trouble === null ? '' : `, disk: ${host.machine.disk.trouble}`;
  return `${agent}, ${host.machine.alive().length} processes of tasks, ${host.resources.cpusMilli / 1000} cpus, ${host.machine.bootId}${disk}`;
}

const cutOff = (world: World, name: string): string => {
  const [up, down] = [world.network.isCutOff(name, 'toMaster'), world.network.isCutOff(name, 'fromMaster')];
  return up && down ? ', CUT OFF' : up ? ', NOT HEARD by the master' : down ? ', HEARS NOTHING of the master' : '';
};

const told = (who: string, what: string): string => `${who.padEnd(WHO_WIDTH)} ${what}`;

const printApp = (app: AppRow | null): string =>
  app === null ? 'no such app' : `app: desired ${app.desiredVersion ?? 'nothing'}, active ${app.activeVersion ?? 'nothing'}, generation ${app.generation}`;

const printDeployment = (row: DeploymentRow): string =>
  `deployment ${row.id}: step ${row.currentStep + 1} of ${row.steps.length} (${row.steps.map((step) => step.map((one) => `${one.action} ${one.appId}`).join(' + ')).join(', ')})${row.reason === null ? '' : `: ${row.reason}`}`;

function printInstance(instance: Instance): string {
  const { id, version, goal, condition, stop, backoffMs, incarnation } = instance;
  const task = liveTask(instance);
  const where = task === null ? '' : ` on ${task.hostname}`;
  const until = condition.kind === 'scheduled' ? `, not before ${condition.notBefore}` : '';
  const stopping = stop === null ? '' : `, stop ${stop.reason} since ${stop.since}, kill at ${stop.killAt}`;
  const isGoing = goal === 'running' ? '' : ' (to go)';
  const back = backoffMs === 0 ? '' : `, back-off ${backoffMs} ms`;
  return `${id} #${incarnation}${isGoing} of ${version}: ${condition.kind}${where} since ${condition.since}${until}${stopping}${back}`;
}
