/** Clients that did not get their answer and ask again, that ask twice at once, and that still talk to a leader that is none any more. */
import { aGoodCommand } from './app-shapes.js';
import { isForced } from './clients.js';
import { userAct } from './user-act.js';

const MAX_REPEATS = 30;

export const repeatChange = userAct('a user repeats a change until it is answered', 4, (clients, id, chance) => {
  clients.change(id, { cmd: aGoodCommand(chance), instances: chance.int(1, clients.traits.maxInstances) }, isForced(chance), { repeats: MAX_REPEATS });
});

export const repeatDelete = userAct('a user repeats a delete until it is answered', 1, (clients, id) => {
  clients.send(id, 'delete', (api) => api.deleteApp(id, { force: true }), { outcome: { kind: 'gone' }, repeats: MAX_REPEATS });
});

export const changeThroughOldLeader = userAct('a user asks who led before', 1, (clients, id, chance) => {
  const via = clients.world.staleApi;
  if (via !== null) clients.change(id, { cmd: aGoodCommand(chance) }, isForced(chance), { via });
});
