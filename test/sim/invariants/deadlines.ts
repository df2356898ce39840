/** Promise 5: what time alone has to change is changed in time, whoever leads, although nobody says anything about it any more. */
import type { InstanceId } from '@ekiden/model';
import type { Invariant } from './invariant.js';
import type { Sight } from './sight.js';

/** How late a leader may be that can write: a commit and what waits before it. */
const LATE_MS = 10_000;

const dueOf = (sight: Sight, id: InstanceId): number | null => {
  const condition = sight.database.instances.get(id)?.condition;
  if (condition?.kind !== 'unreachable') return null;
  const { inactiveAt, inactive, expungeAt } = condition;
  return inactive || inactiveAt === null ? expungeAt : inactiveAt;
};

export const theLostAreGivenUpInTime: Invariant = {
  id: '5f',
  name: 'what is out of reach is given up in time',
  sentence: 'an instance out of reach is replaced and forgotten at the moments that its row names, within 10 s of a leader that can write',
  begin: (sight, report) => {
    /** One look for each moment; the leader of then has to have led for as long as it may be late. */
    const look = (id: InstanceId, due: number, leader: string | null): void => {
      if (dueOf(sight, id) !== due) return;
      const now = present();
      const lateMs = sight.now() - due;
      if (now !== null && now === leader && lateMs >= LATE_MS) return report(`${id} is out of reach and was to be given up ${lateMs} ms ago (${now} leads)`);
      sight.scene.clock.after(LATE_MS, () => look(id, due, now));
    };
    const present = (): string | null => {
      const api = sight.api();
      return api !== null && api.isLeading && !sight.scene.isStoreAway ? sight.scene.apiName : null;
    };
    const watched = new Map<InstanceId, number>();
    return {
      on: {
        committed: ({ before }) => {
          for (const id of before.instances.keys()) {
            const due = dueOf(sight, id);
            if (due === null) watched.delete(id);
            else if (watched.get(id) !== due) {
              watched.set(id, due);
              sight.scene.clock.after(Math.max(0, due - sight.now()), () => look(id, due, null));
            }
          }
        },
      },
    };
  },
};
