/** All instances of an app anew, by its own upgrade strategy. */
import { isForced } from './clients.js';
import { userAct } from './user-act.js';

export const restartApp = userAct('a user restarts an app', 2, (clients, id, chance) => {
  const force = isForced(chance);
  clients.send(id, `restart${force ? ' force' : ''}`, (api) => api.restartApp(id, { force }));
});
