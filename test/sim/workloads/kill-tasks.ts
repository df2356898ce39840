/** Kills one instance, or all of an app, or those on one machine: to be replaced, with `scale` to be fewer, with `wipe` to be forgotten. */
import { liveTask } from '@ekiden/model';
import { isForced } from './clients.js';
import { userAct } from './user-act.js';

export const killTasks = userAct('a user kills tasks', 3, (clients, id, chance) => {
  const instances = clients.world.api.view.instances(id);
  if (instances.length === 0) return;
  const scale = chance.hit(0.3);
  const options = { scale, wipe: !scale && chance.hit(0.3), force: isForced(chance) };
  const chosen = chance.pick(instances);
  const host = chance.hit(0.5) ? (liveTask(chosen)?.hostname ?? null) : null;
  const isAll = chance.hit(0.3);
  const what = isAll ? `all${host === null ? '' : ` on ${host}`}` : chosen.id;
  clients.send(id, `kill ${what} ${JSON.stringify(options)}`, async (api) => {
    const result = isAll ? await api.killAppTasks(id, host, options) : await api.killTasks([chosen.id], options);
    // A request that a proxy has sent twice finds the second time nothing to scale: what a read shows counts.
    return result.kind === 'deployment' ? () => clients.shown(api, id, {}) : null;
  });
});
