/** Away with an app, whatever is under way. */
import { userAct } from './user-act.js';

export const deleteApp = userAct('a user deletes an app', 1, (clients, id) => {
  clients.send(id, 'delete', (api) => api.deleteApp(id, { force: true }), { outcome: { kind: 'gone' } });
});
