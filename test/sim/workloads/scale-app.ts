/** More or fewer instances, down to none. */
import { isForced } from './clients.js';
import { userAct } from './user-act.js';

export const scaleApp = userAct('a user scales an app', 5, (clients, id, chance) => {
  clients.change(id, { instances: chance.int(0, clients.traits.maxInstances) }, isForced(chance));
});
