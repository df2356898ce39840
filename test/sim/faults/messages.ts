/** Times in which calls are lost, late or without an answer, messages come twice, connections break under them, or all is slow. */
import type { Happening } from '../happening.js';
import type { Chance } from '../world/chance.js';
import type { Fate } from '../world/virtual-wire.js';

const MEAN_LENGTH_MS = 60_000;

export const callsAreLost: Happening = {
  name: 'calls get lost for a while',
  meanMs: 60_000,
  happen({ messages }, chance) {
    const p = rate(chance);
    const fates = chance.pick<readonly Fate[]>([['lose'], ['lose-answer'], ['late'], ['lose', 'lose-answer', 'late']]);
    const lateMs = (): number => chance.int(1, 4_000);
    messages.for(chance.around(MEAN_LENGTH_MS), { call: () => (chance.hit(p) ? chance.pick(fates) : 'deliver'), lateMs, isUnsafe: true });
  },
};

export const callsOvertake: Happening = {
  name: 'calls overtake one another for a while',
  meanMs: 60_000,
  happen({ messages }, chance) {
    const [p, slowest] = [chance.pick([0.02, 0.1, 0.5]), chance.pick([20, 500, 4_000])];
    const lateMs = (): number => chance.int(1, slowest);
    messages.for(chance.around(MEAN_LENGTH_MS), { call: () => (chance.hit(p) ? 'slow' : 'deliver'), lateMs, isUnsafe: true });
  },
};

export const answersAreLost: Happening = {
  name: 'users lose requests and answers for a while',
  meanMs: 60_000,
  happen({ messages }, chance) {
    const p = chance.pick([0.1, 0.5]);
    const fates = chance.pick<readonly Fate[]>([['lose-answer'], ['late'], ['double'], ['lose', 'lose-answer', 'late', 'slow', 'double']]);
    messages.for(chance.around(MEAN_LENGTH_MS), {
      request: () => (chance.hit(p) ? chance.pick(fates) : 'deliver'),
      lateMs: () => chance.int(1, 4_000),
    });
  },
};

export const messagesComeTwice: Happening = {
  name: 'messages come twice for a while',
  meanMs: 60_000,
  happen({ messages }, chance) {
    const p = chance.pick([0.002, 0.02, 0.2]);
    const draw = (): Fate => (chance.hit(p) ? 'double' : 'deliver');
    messages.for(chance.around(MEAN_LENGTH_MS), { call: draw, event: draw, toAgent: draw, toMaster: draw });
  },
};

export const messagesBreakConnections: Happening = {
  name: 'connections break under messages for a while',
  meanMs: 60_000,
  happen({ messages }, chance) {
    const p = rate(chance) / 5;
    const draw = (): Fate => (chance.hit(p) ? 'cut' : 'deliver');
    messages.for(chance.around(MEAN_LENGTH_MS), { event: draw, toAgent: draw, toMaster: draw });
  },
};

export const networkIsSlow: Happening = {
  name: 'the network is slow for a while',
  meanMs: 60_000,
  happen({ messages }, chance) {
    const slowest = chance.pick([5, 50, 500]);
    messages.for(chance.around(MEAN_LENGTH_MS), { delayMs: () => (chance.hit(0.9) ? 1 : chance.int(1, slowest)) });
  },
};

const rate = (chance: Chance): number => chance.pick([0.002, 0.02, 0.1]);
