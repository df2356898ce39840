/**
 * Bundled before the directed scenarios when a mutant is hunted with them: writes the seed and the virtual time at which each
 * of them ended into the file that the environment names, one line of JSON a scenario.
 */
import { appendFileSync } from 'node:fs';
import { World } from '../world/world.js';

/** One line of the file. */
export interface ScenarioMoment {
  readonly scenario: string;
  readonly seed: number;
  readonly virtualMs: number;
}

let last: { readonly world: World; readonly seed: number; readonly began: number } | null = null;

const start = World.start.bind(World);
World.start = async (seed, ...more) => {
  const world = await start(seed, ...more);
  last = { world, seed, began: world.clock.now() };
  return world;
};

afterEach(() => {
  const file = process.env['SCENARIO_MOMENTS'];
  if (file === undefined || last === null) return;
  const moment: ScenarioMoment = {
    scenario: expect.getState().currentTestName ?? '',
    seed: last.seed,
    virtualMs: last.world.clock.now() - last.began,
  };
  appendFileSync(file, `${JSON.stringify(moment)}\n`);
  last = null;
});
