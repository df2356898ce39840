/**
 * `npm run test:sim -- --crash-points`: every deployment, interrupted at every step; ends with the line `N passed, N failed`.
 *
 * `--deployment NAME`: that one. `--crash POINT` (several: one after another) and `--long`: that one run, as a failure names it.
 */
import { parseArgs } from 'node:util';
import { describe, doubleCrashes, enumerate, readCrash, singleCrashes, writeCrash, type Case } from './crash-points.js';
import { crashRun, type Absence } from './crash-run.js';
import { DEPLOYMENTS, type Deployment } from './deployments.js';

/** Failures told in full; of the others only the name. */
const MAX_STORIES = 3;

interface Totals {
  runs: number;
  slowestMs: number;
  readonly failed: string[];
}

export async function runCrashPoints(args: readonly string[]): Promise<number> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      'crash-points': { type: 'boolean' },
      deployment: { type: 'string' },
      crash: { type: 'string', multiple: true, default: [] },
      long: { type: 'boolean', default: false },
    },
  });
  const chosen = DEPLOYMENTS.filter(({ name }) => values.deployment === undefined || values.deployment === name);
  if (chosen.length === 0) throw new Error(`no such deployment; there are: ${DEPLOYMENTS.map(({ name }) => name).join(', ')}`);
  const totals: Totals = { runs: 0, slowestMs: 0, failed: [] };
  const began = Date.now();
  for (const deployment of chosen) {
    if (values.crash.length > 0) await runCase({ deployment, crashes: values.crash.map(readCrash), absence: values.long ? 'long' : 'short' }, totals);
    else await interrupt(deployment, totals);
  }
  for (const failed of totals.failed) console.log(`FAILED ${failed}`);
  console.log(
    `${totals.runs} runs in ${((Date.now() - began) / 1000).toFixed(0)} s; right again after ${(totals.slowestMs / 1000).toFixed(1)} virtual s at most`,
  );
  console.log(`${totals.runs - totals.failed.length} passed, ${totals.failed.length} failed`);
  return totals.failed.length === 0 ? 0 : 1;
}

async function interrupt(deployment: Deployment, totals: Totals): Promise<void> {
  const began = Date.now();
  const before = { runs: totals.runs, failed: totals.failed.length };
  const calls = await enumerate(deployment);
  for (const absence of ['short', 'long'] satisfies Absence[]) for (const one of singleCrashes(deployment, calls, absence)) await runCase(one, totals);
  const single = totals.runs - before.runs;
  if (deployment.isInterruptedTwice) for await (const one of doubleCrashes(deployment, calls)) await runCase(one, totals);
  const counts = [...calls].map(([part, all]) => `${part} ${all.length}`).join(', ');
  console.log(
    `${deployment.name}: calls of ${counts}; ${single} runs, ${totals.runs - before.runs - single} of double crashes, ` +
      `${totals.failed.length - before.failed} failed (${((Date.now() - began) / 1000).toFixed(1)} s)`,
  );
}

async function runCase(one: Case, totals: Totals): Promise<void> {
  const run = await crashRun(one.deployment, one.crashes, one.absence);
  totals.runs += 1;
  if (run.convergedInMs > totals.slowestMs) totals.slowestMs = run.convergedInMs;
  if (run.breaches.length === 0) return;
  totals.failed.push(describe(one, run));
  if (totals.failed.length > MAX_STORIES) return;
  const points = one.crashes.map((crash) => `--crash ${writeCrash(crash)}`).join(' ');
  const again = `npm run test:sim -- --crash-points --deployment '${one.deployment.name}' ${points}${one.absence === 'long' ? ' --long' : ''}`;
  console.log(`\n${describe(one, run)}\n\n${run.story()}\n\nagain: ${again}\n`);
}
