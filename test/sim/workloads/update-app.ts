/** New versions of an app: good ones, ones that change labels only, ones in which everything is different, and bad ones. */
import { aBadChange, aGoodCommand, aNewApp } from './app-shapes.js';
import { isForced } from './clients.js';
import { userAct } from './user-act.js';

export const updateApp = userAct('a user rolls out a good version', 5, (clients, id, chance) => {
  clients.change(id, { cmd: aGoodCommand(chance) }, isForced(chance));
});

export const relabelApp = userAct('a user changes labels', 2, (clients, id, chance) => {
  clients.change(id, { labels: { tier: String(chance.int(1, 1_000)) } }, isForced(chance));
});

export const redefineApp = userAct('a user defines an app anew', 2, (clients, id, chance) => {
  clients.change(id, aNewApp(chance, clients.traits), isForced(chance));
});

export const updateBadly = userAct('a user rolls out a bad version', 2, (clients, id, chance) => {
  clients.change(id, aBadChange(chance), isForced(chance));
});
