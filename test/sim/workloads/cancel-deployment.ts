/** Cancels the oldest deployment: it is rolled back, or with force left where it is. */
import { isForced } from './clients.js';
import { userAct } from './user-act.js';

export const cancelDeployment = userAct('a user cancels a deployment', 2, (clients, _id, chance) => {
  const force = isForced(chance);
  const [deployment] = clients.world.api.view.deployments();
  const [id, ...others] = deployment?.changes.map((change) => change.appId) ?? [];
  if (deployment === undefined || id === undefined || [id, ...others].some((one) => clients.isBusy(one))) return;
  // A rollback makes versions of its own: what should be there is asked anew.
  for (const other of others) clients.doubt(other);
  const what = `cancel ${deployment.id}${force ? ' force' : ''}`;
  clients.send(id, what, (api) => api.cancelDeployment(deployment.id, { force }), { outcome: { kind: 'unsure' } });
});
