/** A user who does not want to wait for the back-off. */
import { userAct } from './user-act.js';

export const resetDelay = userAct('a user resets a delay', 1, (clients, id) => {
  clients.send(id, 'reset the delay', (api) => api.resetDelay(id));
});
