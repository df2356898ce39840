/** What `run-bundled.ts` bundles and runs: seeds, a day, or crash points, as the arguments say. */
import { runCrashPoints } from './crash-points/run-crash-points.js';
import { runDay } from './day/run-day.js';
import { runSeeds } from './run-seeds.js';

function main(args: readonly string[]): Promise<number> {
  if (args.includes('--crash-points')) return runCrashPoints(args);
  if (args.includes('--day')) return runDay(args);
  return runSeeds(args);
}

main(process.argv.slice(2)).then(
  (code) => process.exit(code),
  (error: unknown) => {
    console.error(error instanceof Error ? error.message : error);
    process.exit(2);
  },
);
