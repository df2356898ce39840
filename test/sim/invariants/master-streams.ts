/** The master's rules of frameworks: who is heard, and who is offered something. */
import type { Master } from '../../../apps/master/src/master-ports.js';
import type { Invariant } from './invariant.js';

export const oldStreamsAreDeaf: Invariant = {
  id: 'master-f',
  name: 'an old stream has no effect',
  sentence: 'a call is taken only over the newest stream that the master has opened for its framework (decision 2)',
  begin: (_sight, report) => {
    const newest = new WeakMap<Master, Map<string, string>>();
    /** Stream → its place in the order in which they were opened: of two opened at once, the older one's first words may come last. */
    const openings = new Map<string, number>();
    return {
      on: {
        'stream-opened': ({ streamId }) => void openings.set(streamId, openings.size),
        'stream-sent': ({ master, streamId, event }) => {
          if (event.type !== 'SUBSCRIBED') return;
          const streams = newest.get(master) ?? new Map<string, string>();
          newest.set(master, streams);
          const id = event.subscribed.framework_id.value;
          if ((openings.get(streams.get(id) ?? '') ?? -1) <= (openings.get(streamId) ?? 0)) streams.set(id, streamId);
        },
        'call-done': ({ by, master, streamId, call, answer }) => {
          if (call.type === 'SUBSCRIBE' || answer.status < 200 || answer.status >= 300) return;
          const expected = newest.get(master)?.get(call.framework_id.value);
          if (expected !== undefined && expected !== streamId)
            report(`the master took ${call.type} of ${by} over stream ${streamId}, the newest is ${expected}`);
        },
      },
    };
  },
};

export const nobodyIsOfferedUnasked: Invariant = {
  id: 'master-g',
  name: 'offers go to who wants them',
  sentence: 'a role that its framework has suppressed is offered nothing until it is revived',
  begin: (_sight, report) => {
    /** Framework of one stream → the roles that it does not want offers for. */
    const suppressed = new Map<string, Set<string>>();
    const roles = new Map<string, readonly string[]>();
    return {
      on: {
        'call-got': ({ streamId, call }) => {
          if (call.type === 'UPDATE_FRAMEWORK') roles.set(streamId, call.update_framework.framework_info.roles ?? ['*']);
        },
        'call-done': ({ streamId, call, answer }) => {
          if (answer.status < 200 || answer.status >= 300) return;
          if (call.type === 'SUPPRESS') suppressed.set(streamId, new Set([...(suppressed.get(streamId) ?? []), ...named(call.suppress?.roles, streamId)]));
          else if (call.type === 'REVIVE') for (const role of named(call.revive?.roles, streamId)) suppressed.get(streamId)?.delete(role);
          else if (call.type === 'UPDATE_FRAMEWORK') suppressed.set(streamId, new Set(call.update_framework.suppressed_roles ?? []));
        },
        'stream-opened': ({ streamId, call }) => {
          suppressed.clear();
          roles.clear();
          roles.set(streamId, call.subscribe.framework_info.roles ?? ['*']);
          suppressed.set(streamId, new Set(call.subscribe.suppressed_roles ?? []));
        },
        'stream-sent': ({ streamId, event }) => {
          if (event.type !== 'OFFERS') return;
          for (const offer of event.offers.offers ?? []) {
            const role = offer.allocation_info?.role ?? '*';
            if (suppressed.get(streamId)?.has(role) === true) report(`offer ${offer.id.value} was sent for role ${role}, which is suppressed`);
          }
        },
      },
    };

    function named(names: readonly string[] | undefined, streamId: string): readonly string[] {
      return names === undefined || names.length === 0 ? (roles.get(streamId) ?? ['*']) : names;
    }
  },
};
