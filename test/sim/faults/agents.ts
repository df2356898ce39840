/** The agent's process dies, at any moment or right at a step of its work; its tasks run on, and it comes back after a while. */
import type { Happening } from '../happening.js';
import { awayMs } from '../parts.js';
import { CALL_MOMENTS } from '../moments.js';

/** Calls of its ports that go by before it dies. */
const MAX_CALLS = 20;
const MAX_LONG_MS = 600_000;

export const agentDies: Happening = {
  name: 'an agent dies',
  meanMs: 20_000,
  happen({ parts }, chance) {
    parts.killAgent(chance.pick(parts.hosts()), awayMs(chance));
  },
};

/** Longer than any app waits for its tasks: they are given up, replaced and forgotten meanwhile, and run on. */
export const agentStaysAway: Happening = {
  name: 'an agent stays away for minutes',
  meanMs: 60_000,
  happen({ parts }, chance) {
    parts.killAgent(chance.pick(parts.hosts()), Math.min(MAX_LONG_MS, chance.around(200_000)));
  },
};

export const agentDiesAtWork: Happening = {
  name: 'an agent will die at its work',
  meanMs: 15_000,
  happen(stage, chance) {
    const host = chance.pick(stage.parts.hosts());
    const ms = awayMs(chance);
    stage.moments.set(host.name, chance.int(0, MAX_CALLS), chance.pick(CALL_MOMENTS), (port) => {
      stage.note(`an agent dies at ${port}`);
      stage.parts.bringBackAgent(host, ms);
    });
  },
};
