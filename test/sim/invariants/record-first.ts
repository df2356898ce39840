/** Record first, then speak: nothing leaves a part that it has not written down. */
import { decodeStatusData, type Acknowledgement, type SchedulerCall, type TaskStatus } from '@ekiden/mesos';
import { isTerminal, liveTask, type TaskId } from '@ekiden/model';
import type { Master } from '../../../apps/master/src/master-ports.js';
import type { Invariant, Report } from './invariant.js';
import { isPaasApi, type Sight } from './sight.js';

type Accept = Extract<SchedulerCall, { type: 'ACCEPT' }>['accept'];

export const launchesAreCommitted: Invariant = {
  id: 'record-a',
  name: 'an ACCEPT is committed first',
  sentence: 'each task of an ACCEPT is the recorded task of its instance, with this agent, these ports and this stream, under a recorded framework id',
  begin: (sight, report) => ({
    on: {
      'call-sent': ({ by, streamId, call }) => {
        if (call.type === 'ACCEPT' && isPaasApi(by)) judgeAccept(sight, `${by} over ${streamId}`, streamId, call.framework_id.value, call.accept, report);
      },
    },
  }),
};

function judgeAccept(sight: Sight, who: string, streamId: string, frameworkId: string, accept: Accept, report: Report): void {
  for (const operation of accept.operations ?? []) {
    if (operation.type !== 'LAUNCH') continue;
    for (const info of operation.launch.task_infos ?? []) {
      const id = info.task_id.value;
      const instance = sight.instanceOf(id);
      const task = instance === undefined ? null : liveTask(instance);
      if (instance === undefined || task?.taskId !== id) {
        report(`${who} launches ${id}, its instance is ${instance === undefined ? 'not recorded' : `recorded with ${task?.taskId ?? 'no task'}`}`);
        continue;
      }
      if (task.agentId !== info.agent_id.value) report(`${who} launches ${id} on ${info.agent_id.value}, recorded is ${task.agentId}`);
      if (task.streamId !== streamId) report(`${who} launches ${id}, recorded for stream ${task.streamId}`);
      if (sight.database.frameworkId !== frameworkId) report(`${who} launches ${id} as ${frameworkId}, recorded is framework ${sight.database.frameworkId}`);
    }
  }
}

export const killsAreCommitted: Invariant = {
  id: 'record-b',
  name: 'a KILL is committed first',
  sentence: 'a KILL is for a task with a recorded stop whose drain is over, or for a task that no instance has',
  begin: (sight, report) => ({
    on: {
      'call-sent': ({ by, call }) => {
        if (call.type !== 'KILL' || !isPaasApi(by)) return;
        const id = call.kill.task_id.value;
        const instance = sight.instanceOf(id);
        if (instance === undefined || liveTask(instance)?.taskId !== id) return;
        const { stop } = instance;
        if (stop === null) report(`${by} kills ${id}, which is ${instance.condition.kind} and has no recorded stop`);
        else if (stop.killAt > sight.now()) report(`${by} kills ${id} ${stop.killAt - sight.now()} ms before its drain ends`);
      },
    },
  }),
};

/** Statuses that are remembered: an acknowledgement follows soon. */
const MAX_REMEMBERED = 20_000;

export const statusesAreCommitted: Invariant = {
  id: 'record-c',
  name: 'a status is committed before it is acknowledged',
  sentence: 'when an acknowledgement leaves, the database shows what the status said: the end, that it runs, the results of its checks',
  begin: (sight, report) => {
    /** Process and task → the newest status that it was told; null: one that nobody acknowledges. */
    const newest = new Map<string, TaskStatus | null>();
    const judge = (by: string, { task_id: id, uuid }: Acknowledgement): void => {
      const status = newest.get(`${by} ${id.value}`);
      const instance = sight.instanceOf(id.value);
      if (status === undefined) return report(`${by} acknowledges ${uuid} of ${id.value}, of which it was told nothing`);
      if (status?.uuid !== uuid || instance === undefined || liveTask(instance)?.taskId !== id.value) return; // Newer news has come since.
      const problem = whyNotRecorded(status, instance.condition);
      if (problem !== null) report(`${by} acknowledges ${status.state} ${uuid} of ${id.value}, ${problem}`);
    };
    return {
      on: {
        'stream-got': ({ by, event }) => {
          if (event.type !== 'UPDATE' || !isPaasApi(by)) return;
          const { status } = event.update;
          newest.set(`${by} ${status.task_id.value}`, status.uuid === undefined ? null : status);
          const oldest = newest.size > MAX_REMEMBERED ? newest.keys().next() : null;
          if (oldest !== null && oldest.done !== true) newest.delete(oldest.value);
        },
        'call-sent': ({ by, call }) => {
          if (!isPaasApi(by)) return;
          if (call.type === 'ACKNOWLEDGE') judge(by, call.acknowledge);
          else if (call.type === 'EKIDEN_BATCH_ACKNOWLEDGE') for (const one of call.batch_acknowledge.acknowledgements) judge(by, one);
        },
      },
    };
  },
};

function whyNotRecorded(status: TaskStatus, condition: NonNullable<ReturnType<Sight['instanceOf']>>['condition']): string | null {
  if (isTerminal(status.state)) return `its instance still has it and is ${condition.kind}: expected its end`;
  if (status.state !== 'TASK_RUNNING') return null;
  if (condition.kind !== 'running') return `its instance is ${condition.kind}: expected running`;
  const checks = decodeStatusData(status.data)?.checks;
  if (checks === undefined || JSON.stringify(checks) === JSON.stringify(condition.checks)) return null;
  return `its checks are ${JSON.stringify(checks)}, recorded are ${JSON.stringify(condition.checks)}`;
}

export const forksAreCheckpointed: Invariant = {
  id: 'record-d',
  name: 'a checkpoint before the fork',
  sentence: 'when a process starts, the disk of its machine durably has its task’s checkpoint, at the stage of launching',
  begin: (sight, report) => ({
    on: {
      'process-started': ({ host, process: { taskId } }) => {
        const record = sight.checkpoints.get(taskId);
        if (record === undefined) report(`${taskId} was started on ${host}, its checkpoint is not on the disk`);
        else if (record.stage !== 'launching') report(`${taskId} was started on ${host}, its checkpoint on the disk says ${record.stage}`);
      },
    },
  }),
};

export const lossesAreRecorded: Invariant = {
  id: 'record-e',
  name: 'an agent is recorded as lost first',
  sentence: 'the master says TASK_UNREACHABLE of an agent’s task only after its registry has said that the agent is, and until it has admitted it again',
  begin: (sight, report) => {
    /** Agents that a master has recorded as unreachable and not admitted since: whether the write of a new admission arrived, it may not know. */
    const lost = new WeakMap<Master, Set<string>>();
    const lostTo = (master: Master): Set<string> => {
      const agents = lost.get(master) ?? new Set<string>();
      lost.set(master, agents);
      return agents;
    };
    const entryOf = (agentId: string): string => [...sight.scene.masterDatabase.agents.values()].find((one) => one.agentId === agentId)?.state ?? 'unknown';
    return {
      on: {
        // Its entry is written later on.
        'master-got': ({ master, message }) => {
          if (message.type === 'register' && message.agentId !== null && entryOf(message.agentId) === 'unreachable') lostTo(master).add(message.agentId);
        },
        'master-sent': ({ master, message }) => {
          if (message.type === 'registered') lostTo(master).delete(message.agentId);
        },
        'stream-sent': ({ master, event }) => {
          if (event.type !== 'UPDATE') return;
          const { status } = event.update;
          if (status.state !== 'TASK_UNREACHABLE' || status.source !== 'SOURCE_MASTER' || status.agent_id === undefined) return;
          const agentId = status.agent_id.value;
          const entry = entryOf(agentId);
          if (entry !== 'unreachable' && !lostTo(master).has(agentId))
            report(`the master says that ${status.task_id.value} is unreachable, its registry has ${agentId} as ${entry}`);
        },
      },
    };
  },
};

export const staleMastersLaunchNothing: Invariant = {
  id: 'record-f',
  name: 'a stale master launches nothing',
  sentence: 'a task starts only when a master that was not older than any that its agent has on record told it to',
  begin: (sight, report) => {
    /** Link → the epoch of its master. */
    const epochs = new Map<number, number>();
    /** Task → why the launch that its agent got does not count, or null when it does. */
    const launches = new Map<string, string | null>();
    return {
      on: {
        'agent-got': ({ host, wire, message }) => {
          if (message.type === 'registered') epochs.set(wire, message.masterEpoch);
          if (message.type !== 'launch') return;
          const epoch = epochs.get(wire) ?? 0;
          const newest = sight.host(host)?.machine.agentRecord()?.masterEpoch ?? 0;
          for (const { task_id: id } of message.tasks) {
            if (launches.get(id.value) === null) continue;
            launches.set(id.value, epoch >= newest ? null : `epoch ${epoch}, its agent has epoch ${newest} on record`);
          }
        },
        'process-started': ({ host, process: { taskId } }) => {
          const problem = launches.get(taskId);
          if (problem !== null)
            report(`${taskId} was started on ${host}, ${problem === undefined ? 'no master had launched it there' : `launched by a master of ${problem}`}`);
          launches.delete(taskId as string as TaskId);
        },
      },
    };
  },
};
