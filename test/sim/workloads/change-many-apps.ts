/** Many changes in the same moment: one request for several apps that depend on one another, and many users at once. */
import type { AppId } from '@ekiden/model';
import type { PaasApi } from '../../../apps/paas-api/src/paas-api.js';
import type { Happening } from '../happening.js';
import { CALLER } from '../world/world.js';
import { aNewApp, type Body } from './app-shapes.js';
import { isForced, type Act, type Answer } from './clients.js';
import { userAct } from './user-act.js';

const MAX_APPS = 5;

/** Apps depend on earlier ones of the list only: no circle comes about. */
export const changeManyApps = userAct('a user changes several apps at once', 2, (clients, id, chance) => {
  const force = isForced(chance);
  const others = Array.from({ length: chance.pick([1, 1, 1, 2, MAX_APPS - 1]) }, () => chance.pick(clients.traits.apps));
  const apps = [...new Set([id, ...others])].filter((one) => !clients.isBusy(one)).sort();
  if (apps.length < 2) return;
  const bodies = new Map<AppId, Body>();
  for (const [index, appId] of apps.entries()) {
    const dependencies = apps.slice(0, index).filter(() => chance.hit(0.5));
    bodies.set(appId, { ...aNewApp(chance, clients.traits), dependencies });
  }
  let all: Promise<unknown> | null = null;
  for (const [appId, body] of bodies) {
    const what = `PUT of ${apps.length} apps, one of them ${JSON.stringify(body)}${force ? ' force' : ''}`;
    const call = async (api: PaasApi): Promise<() => Answer | null> => {
      const changes = [...bodies].map(([one, wanted]) => ({ id: one, body: wanted, partial: false, expect: 'any' as const }));
      await (all ??= clients.world.network.request(() => api.changeApps(changes, { force, caller: CALLER })));
      return () => clients.shown(api, appId, body);
    };
    clients.send(appId, what, call, { isCarried: true });
  }
});

export const manyUsersAtOnce = (acts: readonly Act[]): Happening => ({
  name: 'many users do something in the same moment',
  meanMs: 60_000,
  happen({ clients, traits }, chance) {
    for (const id of traits.apps.slice(0, MAX_APPS)) clients.act(id, chance, chance.pick(acts));
  },
});
