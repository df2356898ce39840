/**
 * Liveness: once the faults are over and all has become right, everything is as asked for and nothing is left over.
 *
 * What was asked for is read from the versions, what there is from the machines: nothing here asks a plan whether it is done.
 */
import { describeSize, liveTask, type AppId, type Instance, type TaskId } from '@ekiden/model';
import type { Invariant, Report } from './invariant.js';
import { amountsOnWire } from './quantities.js';
import { isHealthy } from './rollouts.js';
import type { HostScene, Sight } from './sight.js';

/** Deployments whose progress may be remembered after their end (progress-clock.ts). */
const MAX_DEPLOYMENTS_WATCHED = 1_000;

export const nothingIsUnacknowledged: Invariant = {
  id: 'rest-a',
  name: 'nothing waits to be learnt',
  sentence: 'at rest every task of an agent runs, all its statuses are acknowledged, and its disk has a checkpoint of each and of no other',
  begin: (sight, report) => ({
    atRest: () => {
      for (const host of sight.scene.hosts) {
        const records = host.agent?.tasks() ?? [];
        for (const { task, stage, unacknowledged } of records)
          if (stage !== 'running' || unacknowledged.length > 0)
            report(`${task.task_id.value} on ${host.name} is ${stage}, ${unacknowledged.length} statuses of it are not acknowledged`);
        const known = new Set(records.map(({ task }) => task.task_id.value));
        const stored = host.machine.checkpointed();
        for (const id of stored) if (!known.has(id)) report(`a checkpoint of ${id} is left on ${host.name}`);
        for (const id of known) if (!stored.includes(id)) report(`${id} runs on ${host.name}, and has no checkpoint there`);
      }
    },
  }),
};

export const memoryIsTheDatabase: Invariant = {
  id: 'rest-b',
  name: 'memory is the database',
  sentence: 'at rest the leader’s apps, instances, deployments and desired versions are those of the database, to the letter',
  begin: (sight, report) => ({
    atRest: () => {
      const api = sight.api();
      if (api === null) return report('no paas-api leads');
      const { apps, instances, deployments, versions } = sight.database;
      const ids = api.view.apps().map(({ id }) => id);
      compareRows('app', api.view.apps(), [...apps.values()], report);
      compareRows('instance', ids.flatMap((id) => api.view.instances(id)), [...instances.values()], report); // prettier-ignore
      compareRows('deployment', api.view.deployments().map((row) => ({ ...row, reason: deployments.get(row.id)?.reason ?? null })), [...deployments.values()].filter((row) => row.state === 'running'), report); // prettier-ignore
      for (const row of api.view.apps()) {
        const shown = row.desiredVersion === null ? null : api.view.version(row.id, row.desiredVersion);
        const stored = row.desiredVersion === null ? null : (versions.get(row.id)?.get(row.desiredVersion) ?? null);
        if (JSON.stringify(shown) !== JSON.stringify(stored)) report(`${row.id}: memory has ${JSON.stringify(shown)}, the database ${JSON.stringify(stored)}`);
      }
    },
  }),
};

function compareRows(what: string, memory: readonly { readonly id: string }[], stored: readonly { readonly id: string }[], report: Report): void {
  const texts = new Map(memory.map((row) => [row.id, JSON.stringify(row)]));
  for (const row of stored) {
    const text = JSON.stringify(row);
    if (texts.get(row.id) !== text) report(`${what} ${row.id}: memory has ${texts.get(row.id) ?? 'nothing'}, the database ${text}`);
    texts.delete(row.id);
  }
  for (const [id, text] of texts) report(`${what} ${id}: memory has ${text}, the database nothing`);
}

export const whatRunsIsWhatIsHeld: Invariant = {
  id: 'rest-c',
  name: 'what runs, what is held and what is recorded are one',
  sentence: 'at rest each process is of the task of an instance, each such task has its process, and the master holds resources for exactly these',
  begin: (sight, report) => ({
    atRest: () => {
      const running = new Map(sight.scene.hosts.flatMap((host) => host.machine.alive().map(({ taskId }) => [taskId, host] as const)));
      for (const [taskId, host] of running) {
        const instance = sight.instanceOf(taskId);
        if (sight.isOurs(taskId) && (instance === undefined || liveTask(instance)?.taskId !== taskId))
          report(
            `${taskId} runs on ${host.name}, its instance is ${instance === undefined ? 'not recorded' : `${instance.condition.kind} with ${liveTask(instance)?.taskId ?? 'no task'}`}`,
          );
      }
      for (const one of sight.database.instances.values()) lookForProcess(sight, one, running, report);
      const master = sight.master();
      for (const { agentId } of master?.state.agents() ?? [])
        for (const { taskId, holds } of master?.state.books(agentId)?.tasks ?? [])
          if (!running.has(taskId as TaskId)) report(`the master ${holds ? 'holds resources for' : 'remembers'} ${taskId} of ${agentId}, which runs nowhere`);
    },
  }),
};

function lookForProcess(sight: Sight, one: Instance, running: ReadonlyMap<TaskId, HostScene>, report: Report): void {
  const task = liveTask(one);
  if (task === null || running.has(task.taskId)) return;
  // Its agent is gone for good, with its disk: the app's unreachableStrategy says how long it is remembered.
  const isThere = sight.master()?.state.books(task.agentId)?.isConnected === true;
  if (one.condition.kind !== 'unreachable' || isThere) report(`${one.id} is ${one.condition.kind} with ${task.taskId}, and no such process runs`);
}

export const everythingIsAsAskedFor: Invariant = {
  id: 'rest-d',
  name: 'everything is as asked for',
  sentence:
    'at rest no deployment runs, a deleted app has nothing left, and each other one has as many healthy instances of its newest config as it asks for, and no other',
  begin: (sight, report) => ({
    atRest: () => {
      for (const row of sight.committed.running.values())
        report(`deployment ${row.id} of ${row.changes.map(({ appId }) => appId).join(' ')} still runs: ${row.reason ?? ''}`);
      for (const { id, desiredVersion } of sight.database.apps.values()) lookAtApp(sight, id, desiredVersion, report);
      for (const one of sight.database.instances.values()) if (!sight.database.apps.has(one.appId)) report(`${one.id} is left of an app that is gone`);
    },
  }),
};

function lookAtApp(sight: Sight, id: AppId, desired: number | null, report: Report): void {
  const version = desired === null ? undefined : sight.database.versions.get(id)?.get(desired);
  if (version === undefined) return report(`${id} ${desired === null ? 'was deleted, and its row is left' : `wants version ${desired}, which is gone`}`);
  const all = sight.committed.instances(id);
  const away = all.filter((one) => one.condition.kind === 'unreachable' && one.condition.inactive);
  const present = all.filter((one) => !away.includes(one));
  const right = present.filter((one) => one.version >= version.configVersion && one.goal === 'running' && one.stop === null && isHealthy(sight, one));
  const wrong = present.filter((one) => !right.includes(one)).map((one) => `${one.id} of ${one.version} is ${one.condition.kind}`);
  if (right.length !== version.spec.instances || wrong.length > 0)
    report(
      `${id} asks for ${version.spec.instances} of config ${version.configVersion}, ${right.length} are healthy${wrong.length === 0 ? '' : `; ${wrong.join(', ')}`}`,
    );
}

export const sizesAreAsAskedFor: Invariant = {
  id: 'rest-f',
  name: 'every task has the size that its app asks for',
  sentence: 'at rest each process is limited to what its app’s newest version asks for, and its agent’s record and the master say the same',
  begin: (sight, report) => ({
    atRest: () => {
      for (const host of sight.scene.hosts) {
        const records = new Map((host.agent?.tasks() ?? []).map(({ task }) => [task.task_id.value, task.resources ?? []]));
        const agentId = sight.agentIdOf(host.name);
        const held = agentId === null ? [] : (sight.master()?.state.books(agentId)?.tasks ?? []);
        for (const { taskId, size } of host.machine.alive()) {
          const instance = sight.instanceOf(taskId);
          const desired = instance === undefined ? null : (sight.database.apps.get(instance.appId)?.desiredVersion ?? null);
          const spec = instance === undefined || desired === null ? undefined : sight.database.versions.get(instance.appId)?.get(desired)?.spec;
          const ofTask = held.find((one) => one.taskId === taskId)?.resources;
          const record = amountsOnWire(records.get(taskId) ?? []);
          if (spec === undefined) continue;
          const said = { 'its app asks for': spec, 'its agent’s record says': record, 'the master holds': ofTask };
          for (const [what, other] of Object.entries(said))
            if (other !== undefined && (other.cpusMilli !== size.cpusMilli || other.memMib !== size.memMib))
              report(`${taskId} on ${host.name} is limited to ${describeSize(size)}, ${what} ${describeSize(other)}`);
        }
      }
    },
  }),
};

/** What there is at rest: the sizes of a part's memory are measured by it. */
interface Bounds {
  readonly agents: number;
  readonly tasks: number;
  readonly apps: number;
  /** Tasks whose agent is gone for good, as long as their app's unreachableStrategy remembers them. */
  readonly outOfReach: number;
}

const API_BOUNDS: Readonly<Record<string, (bounds: Bounds) => number>> = {
  decisions: () => 0,
  plans: ({ apps }) => apps,
  appTimers: ({ apps }) => apps,
  appsToLookAt: ({ apps }) => apps,
  deploymentsWatched: () => MAX_DEPLOYMENTS_WATCHED,
  offersHeld: () => 0,
  launchesOpen: () => 0,
  appsWaiting: () => 0,
  appsStopping: () => 0,
  killTimers: () => 0,
  strays: () => 0,
  resizesOpen: () => 0,
  // A task out of reach is asked about once a minute, until it is back or forgotten.
  questionsOpen: ({ outOfReach }) => outOfReach,
};

/** Agents that are gone for good stay known, as unreachable ones, with the tasks that they had. */
const MASTER_BOUNDS: Readonly<Record<string, (bounds: Bounds) => number>> = {
  offers: ({ agents }) => agents,
  tasks: ({ tasks }) => tasks,
  connections: ({ agents }) => agents,
  registryWrites: () => 0,
  allocatorAgents: ({ agents }) => agents,
  holdings: ({ agents }) => 2 * agents,
};

const AGENT_BOUNDS: Readonly<Record<string, (bounds: Bounds) => number>> = {
  tasks: ({ tasks }) => tasks,
  statusesInFlight: () => 0,
  killTimers: () => 0,
  // None is kept where nobody reads it.
  histories: () => 0,
};

export const memoryIsBounded: Invariant = {
  id: 'rest-e',
  name: 'nothing grows without bound',
  sentence: 'at rest no queue, question, kill or offer is left in a part’s memory, and what is remembered is no more than what is there',
  begin: (sight, report) => ({
    atRest: () => {
      const { scene, database } = sight;
      const tasks = scene.hosts.reduce((sum, host) => sum + host.machine.alive().length, 0);
      const outOfReach = [...database.instances.values()].filter((one) => one.condition.kind === 'unreachable').length;
      const all: Bounds = { agents: scene.hosts.length, tasks, apps: database.apps.size, outOfReach };
      compareSizes('paas-api', sight.api()?.sizes() ?? {}, API_BOUNDS, all, report);
      compareSizes('the master', sight.master()?.state.sizes() ?? {}, MASTER_BOUNDS, all, report);
      for (const host of scene.hosts) compareSizes(host.name, host.agent?.sizes() ?? {}, AGENT_BOUNDS, { ...all, tasks: host.machine.alive().length }, report);
    },
  }),
};

function compareSizes(who: string, sizes: Readonly<Record<string, number>>, most: typeof API_BOUNDS, all: Bounds, report: Report): void {
  for (const [name, bound] of Object.entries(most)) {
    const size = sizes[name] ?? 0;
    if (size > bound(all)) report(`${who} remembers ${size} ${name}, at most ${bound(all)} may be left at rest`);
  }
}
