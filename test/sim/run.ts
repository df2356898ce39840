/**
 * `npm run test:sim`: random seeds for a minute, and what else is asked for (run-seeds.ts). `--mutants [name]`: bugs planted in the
 * product, one at a time, which seeds have to catch (mutants/). `--day`: a big cluster for a day (day/). `--crash-points`: deployments
 * that are interrupted at every step (crash-points/).
 */
import { runMutants } from './mutants/run-mutants.js';
import { runBundled } from './run-bundled.js';

const args = process.argv.slice(2);

(args[0] === '--mutants' ? runMutants(args[1] ?? '') : runBundled(args)).then(
  (code) => process.exit(code),
  (error: unknown) => {
    console.error(error instanceof Error ? error.message : error);
    process.exit(2);
  },
);
