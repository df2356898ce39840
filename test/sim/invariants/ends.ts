/** Promise 5: ends are told in order, truly, with their reason. */
import type { TaskExit } from '@ekiden/isolation';
import { isTerminal, liveTask, type Instance, type TaskId } from '@ekiden/model';
import type { EventRow } from '../../../apps/paas-api/src/store/paas-store.js';
import type { Invariant } from './invariant.js';

export const endsAreToldOnceOver: Invariant = {
  id: '5b',
  name: 'a terminal status means that it is over',
  sentence: 'an agent sends a terminal status only when no process of the task runs on its machine any more',
  begin: (sight, report) => ({
    on: {
      'agent-sent': ({ host, message }) => {
        if (message.type !== 'status' || !isTerminal(message.status.state)) return;
        const taskId = message.status.task_id.value;
        const isAlive =
          sight
            .host(host)
            ?.machine.alive()
            .some((process) => process.taskId === taskId) === true;
        if (isAlive) report(`${host} says ${message.status.state} of ${taskId}, whose process runs there`);
      },
    },
  }),
};

export const statusesComeInOrder: Invariant = {
  id: '5c',
  name: 'statuses come in order',
  sentence: 'an agent sends a status of a task only when the one before it is acknowledged, as long as it lives',
  begin: (sight, report) => {
    interface InFlight {
      /** Who sent it last. */
      by: object;
      readonly uuid: string;
      /** Who heard its acknowledgement: it may be before that process has repeated the status. */
      acknowledgedTo: object | null;
    }
    const inFlight = new Map<string, InFlight>();
    const processOn = (host: string): object | null => sight.host(host)?.process ?? null;
    return {
      on: {
        'agent-sent': ({ host, message }) => {
          const by = processOn(host);
          if (message.type !== 'status' || message.status.uuid === undefined || by === null) return;
          const { uuid, task_id: id, state } = message.status;
          const key = `${host} ${id.value}`;
          const before = inFlight.get(key);
          if (before?.uuid === uuid) before.by = by;
          else {
            if (before?.by === by && before.acknowledgedTo !== by)
              report(`${host} sent ${state} ${uuid} of ${id.value} before ${before.uuid} was acknowledged`);
            inFlight.set(key, { by, uuid, acknowledgedTo: null });
          }
        },
        'agent-got': ({ host, message }) => {
          if (message.type !== 'acknowledge') return;
          const flight = inFlight.get(`${host} ${message.taskId}`);
          if (flight?.uuid === message.uuid) flight.acknowledgedTo = processOn(host);
        },
        'checkpoint-removed': ({ host, taskId }) => void inFlight.delete(`${host} ${taskId}`),
      },
    };
  },
};

export const recordedEndsAreTrue: Invariant = {
  id: '5d',
  name: 'a recorded end is true',
  sentence: 'an instance leaves its task only when no process of it runs, unless it is out of reach',
  begin: (sight, report) => {
    const running = new Map<TaskId, string>();
    /** Tasks of which a process of paas-api was told that they are out of reach; `isBack`: and then that they run, after what is being committed. */
    const outOfReach = new Map<string, { isBack: boolean }>();
    return {
      on: {
        'process-started': ({ host, process }) => void running.set(process.taskId, host),
        'process-ended': ({ process }) => {
          running.delete(process.taskId);
          outOfReach.delete(process.taskId);
        },
        'stream-got': ({ event }) => {
          if (event.type !== 'UPDATE') return;
          const { state, task_id: id } = event.update.status;
          if (state === 'TASK_UNREACHABLE' || state === 'TASK_UNKNOWN') outOfReach.set(id.value, { isBack: false });
          else if (!isTerminal(state) && outOfReach.has(id.value)) outOfReach.set(id.value, { isBack: true });
        },
        committed: ({ before }) => {
          for (const [id, was] of before.instances) {
            const task = was === null ? null : liveTask(was);
            if (was === null || task === null || was.condition.kind === 'unreachable') continue;
            const is = sight.database.instances.get(id);
            const host = running.get(task.taskId);
            if (host === undefined || (is !== undefined && liveTask(is)?.taskId === task.taskId)) continue;
            if (!outOfReach.has(task.taskId)) report(`${task.taskId} runs on ${host}, its instance went from ${was.condition.kind} to ${nameOf(is)}`);
          }
          for (const [id, { isBack }] of outOfReach) if (isBack) outOfReach.delete(id);
        },
      },
    };
  },
};

const nameOf = (instance: Instance | undefined): string => (instance === undefined ? 'nothing' : instance.condition.kind);

/** Ends that are remembered until they are told. */
const MAX_EXITS = 5_000;

export const reasonsAreTold: Invariant = {
  id: '5e',
  name: 'an end is told with its reason',
  sentence: 'what is published of a task that failed or finished names the exit status or signal that its process had',
  begin: (sight, report) => {
    const exits = new Map<string, TaskExit>();
    return {
      on: {
        'process-ended': ({ process: { taskId, exit } }) => {
          if (exit === null) return;
          exits.set(taskId, exit);
          const oldest = exits.size > MAX_EXITS ? exits.keys().next() : null;
          if (oldest !== null && oldest.done !== true) exits.delete(oldest.value);
        },
        committed: ({ writes }) => {
          if (!sight.scene.hasExtensions) return; // A plain Mesos' reconciliation has no words for it.
          for (const write of writes) {
            if (write.kind !== 'add-event' || write.row.type !== 'status_update_event') continue;
            const { taskId, state, message } = readUpdate(write.row);
            const exit = exits.get(taskId);
            const problem = exit === undefined ? whyUntold(state, message) : whyUntrue(exit, state, message);
            if (problem !== null) report(`${taskId} is told as ${state} "${message}", ${problem}`);
          }
        },
      },
    };
  },
};

function readUpdate({ payload }: EventRow): { readonly taskId: string; readonly state: string; readonly message: string } {
  const text = (name: string): string => (typeof payload[name] === 'string' ? payload[name] : '');
  return { taskId: text('taskId'), state: text('taskStatus'), message: text('message') };
}

const whyUntold = (state: string, message: string): string | null => (state === 'TASK_FAILED' && message === '' ? 'expected a reason: it never ran' : null);

function whyUntrue(exit: TaskExit, state: string, message: string): string | null {
  if (state === 'TASK_FINISHED') return exit.code === 0 ? null : `its process ended with ${JSON.stringify(exit)}`;
  if (state !== 'TASK_FAILED') return null;
  const expected = exit.code !== null ? `status ${exit.code}` : exit.signal !== null ? `signal ${exit.signal}` : exit.lost;
  const isNamed = expected === null ? message !== '' : message.includes(expected) || message.includes('its run directory is gone');
  return isNamed ? null : `expected "${expected}" in it`;
}
