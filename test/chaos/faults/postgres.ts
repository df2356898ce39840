/** Postgres that ends without a word, is away for a while, or ends sessions one by one. */
import { always, duration, seconds, type Fault } from './fault.js';

const AWAY_MEAN_MS = 4_000;
const AWAY_MAX_MS = 15_000;

export const restartPostgres: Fault = {
  name: 'restart-postgres',
  weight: 3,
  whyNot: always,
  async run({ cluster, pause }, chance) {
    const how = chance.pick(['immediate', 'kill', 'away'] as const);
    const ms = duration(chance, AWAY_MEAN_MS, AWAY_MAX_MS);
    if (how !== 'away') {
      cluster.database.crash(how);
      return how;
    }
    await cluster.database.goAway();
    await pause(ms);
    await cluster.database.comeBack();
    return `away for ${seconds(ms)}`;
  },
};

export const endSessions: Fault = {
  name: 'end-sessions',
  weight: 3,
  whyNot: always,
  async run({ cluster }, chance) {
    try {
      const sessions = await cluster.database.sessions();
      const share = chance.pick([0.3, 0.6, 1]);
      const chosen = sessions.filter(() => chance.hit(share));
      await cluster.database.endSessions(chosen);
      return `${chosen.length} of ${sessions.length}`;
    } catch {
      return null; // it is away
    }
  },
};
