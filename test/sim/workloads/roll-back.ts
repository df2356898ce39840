/** Back to a version that is still stored, the present one included. */
import { CALLER } from '../world/world.js';
import { isForced } from './clients.js';
import { userAct } from './user-act.js';

export const rollBack = userAct('a user rolls back', 2, (clients, id, chance) => {
  const versions = clients.world.api.view.versions(id);
  if (versions.length === 0) return;
  const chosen = chance.pick(versions);
  const force = isForced(chance);
  clients.send(id, `rollback to ${chosen.version}${force ? ' force' : ''}`, async (api) => {
    await api.rollbackApp(id, chosen.version, { force, caller: CALLER });
    return () => clients.shown(api, id, chosen.definition);
  });
});
