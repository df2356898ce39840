/** Connections: whoever holds one hears of the other end, and what arrives over it is carried out. */
import type { MasterMessage } from '@ekiden/agent-link';
import type { Invariant } from './invariant.js';
import type { HostScene, Sight, WireScene } from './sight.js';

/** Five pings, or heartbeats, of 15 s, and the way. */
const SILENCE_LIMIT_MS = 80_000;

export const silenceEndsConnections: Invariant = {
  id: 'link-a',
  name: 'a silent connection is given up',
  sentence: 'each minute: no agent and no paas-api holds on to a connection over which it has heard nothing for 80 s',
  begin: (sight, report) => ({
    scan: () => {
      for (const wire of sight.scene.network.wires) {
        const silentMs = wire.isOpenAt('opener') ? wire.silentMs('opener') : 0;
        if (silentMs > SILENCE_LIMIT_MS) report(`${wire.by} holds on to connection ${wire.number}, over which it has heard nothing for ${silentMs} ms`);
      }
    },
  }),
};

/** A registration that is being written, or a link that has just been replaced. */
const AGREE_WITHIN_MS = 10_000;

export const registeredIsConnected: Invariant = {
  id: 'link-b',
  name: 'a registered agent is connected',
  sentence: 'an agent that is registered over a connection that works at both ends is connected in the books of its master, 10 s later at the latest',
  begin: (sight, report) => {
    const newestWires = (): ReadonlyMap<string, WireScene> => {
      const newest = new Map<string, WireScene>();
      for (const wire of sight.scene.network.wires) newest.set(wire.by, wire);
      return newest;
    };
    const disconnected = (host: HostScene, wires: ReadonlyMap<string, WireScene>): WireScene | null => {
      const master = sight.master();
      const agentId = host.agent?.view().registered === true ? sight.agentIdOf(host.name) : null;
      if (master === null || agentId === null) return null;
      const wire = wires.get(host.name);
      if (wire === undefined || wire.isTroubled || wire.master !== master || sight.scene.network.isTroubled(host.name)) return null;
      return master.state.books(agentId)?.isConnected === true ? null : wire;
    };
    return {
      scan: () => {
        const wires = newestWires();
        for (const host of sight.scene.hosts) {
          const wire = disconnected(host, wires);
          if (wire === null) continue;
          sight.scene.clock.after(AGREE_WITHIN_MS, () => {
            if (disconnected(host, newestWires()) === wire)
              report(`${host.name} is registered over connection ${wire.number}, and the master has it as disconnected`);
          });
        }
      },
    };
  },
};

/** An order waits while the agent writes down whose orders it follows. */
const CARRIED_OUT_WITHIN_MS = 20_000;

export const ordersAreCarriedOut: Invariant = {
  id: 'link-c',
  name: 'an order that arrives is carried out',
  sentence:
    'a launch that reaches its agent is recorded or answered, and a kill of a task that it has is recorded, within 20 s of the same process and connection',
  begin: (sight, report) => {
    /** Tasks of which a launch has arrived, and nothing has been seen since; null: it has. */
    const launched = new Map<string, 'open' | null>();
    const settle = (taskId: string): void => void (launched.has(taskId) && launched.set(taskId, null));
    return {
      on: {
        'agent-got': ({ host: name, wire, message }) => {
          const host = sight.host(name);
          if (host === undefined) return;
          for (const { what, isDone } of ordersOf(message, host)) {
            const { process } = host;
            sight.scene.clock.after(CARRIED_OUT_WITHIN_MS, () => {
              if (isDone() || host.process !== process || host.machine.disk.trouble !== null || !isHeld(sight, wire)) return;
              report(`${what} reached ${name} over connection ${wire}, and ${CARRIED_OUT_WITHIN_MS} ms later nothing has come of it`);
            });
          }
        },
        'agent-sent': ({ message }) => {
          if (message.type === 'status') settle(message.status.task_id.value);
        },
        checkpointed: ({ record }) => settle(record.task.task_id.value),
      },
    };

    function ordersOf(message: MasterMessage, host: HostScene): readonly { readonly what: string; readonly isDone: () => boolean }[] {
      const recordOf = (taskId: string) => host.agent?.tasks().find(({ task }) => task.task_id.value === taskId);
      if (message.type === 'launch') {
        const ids = message.tasks.map(({ task_id: id }) => id.value).filter((id) => !launched.has(id));
        for (const id of ids) launched.set(id, 'open');
        return ids.map((id) => ({ what: `the launch of ${id}`, isDone: () => launched.get(id) === null || recordOf(id) !== undefined }));
      }
      if (message.type !== 'kill' || recordOf(message.taskId) === undefined) return [];
      const { taskId } = message;
      const isOver = (): boolean => {
        const record = recordOf(taskId);
        return record === undefined || record.kill !== null || record.stage === 'ended';
      };
      return [{ what: `the KILL of ${taskId}`, isDone: isOver }];
    }
  },
};

/** Twice this, and so on, for further repetitions. */
const REPEATED_AFTER_MS = 10_000;

export const statusesAreRepeatedWithPatience: Invariant = {
  id: 'link-d',
  name: 'a status is repeated with patience',
  sentence: 'over one connection an agent says the same status again after 10 s at the earliest',
  begin: (sight, report) => {
    /** Task → what was said of it last, and when. */
    const said = new Map<string, { readonly uuid: string; readonly wire: number; readonly at: number }>();
    return {
      on: {
        'agent-sent': ({ host, wire, message }) => {
          if (message.type !== 'status') return;
          const { task_id: id, state, uuid } = message.status;
          if (typeof uuid !== 'string' || uuid === '') return; // An answer, which nobody acknowledges.
          const before = said.get(id.value);
          const at = sight.now();
          if (before?.uuid === uuid && before.wire === wire && at - before.at < REPEATED_AFTER_MS)
            report(`${host} says ${state} of ${id.value} again after ${at - before.at} ms`);
          said.set(id.value, { uuid, wire, at });
        },
        'checkpoint-removed': ({ taskId }) => void said.delete(taskId),
      },
    };
  },
};

const isHeld = (sight: Sight, number: number): boolean =>
  [...sight.scene.network.wires].some((wire) => wire.number === number && wire.isOpenAt('opener') && !wire.isTroubled);
