/** Two apps that are to depend on one another: refused, and nothing of it stays (promises 1 and 8). */
import { EkidenError, type AppId } from '@ekiden/model';
import { CALLER } from '../world/world.js';
import { aNewApp } from './app-shapes.js';
import { userAct } from './user-act.js';

export const askForACircle = userAct('a user asks for a circle of dependencies', 1, (clients, id, chance) => {
  const other = chance.pick(clients.traits.apps.filter((one) => one !== id));
  if (clients.isBusy(other)) return;
  const pairs: readonly (readonly [AppId, AppId])[] = [
    [id, other],
    [other, id],
  ];
  const changes = pairs.map(([app, need]) => ({
    id: app,
    body: { ...aNewApp(chance, clients.traits), dependencies: [need] },
    partial: false,
    expect: 'any' as const,
  }));
  let both: Promise<unknown> | null = null;
  for (const [app, need] of pairs) {
    clients.send(app, `PUT of a circle with ${need}`, async (api) => {
      try {
        await (both ??= api.changeApps(changes, { force: true, caller: CALLER }));
      } catch (error) {
        if (error instanceof EkidenError && error.code === 'invalid-object') return null;
        throw error;
      }
      clients.breaches.push(`8. ${app} and ${need} were to depend on one another, and were told 2xx`);
      return null;
    });
  }
});
