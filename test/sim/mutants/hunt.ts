/**
 * Makes the trials of its arguments in turn (`trials.ts`), and writes one line of JSON for each, until one fails.
 *
 * This is what is bundled with a mutant in it, and run in a process of its own: a bug may do anything to the one it is in.
 */
import { enumerate, readCrash, singleCrashes, writeCrash } from '../crash-points/crash-points.js';
import { crashRun } from '../crash-points/crash-run.js';
import { DEPLOYMENTS, type Deployment } from '../crash-points/deployments.js';
import { play } from '../simulate.js';
import { promiseOf } from '../story.js';
import { ALL_CRASH_POINTS, readTrial, VIRTUAL_MINUTES, writeTrial, type CrashTrial, type Hunted, type SeedTrial } from './trials.js';
import { drawWeather } from './weather.js';

const TRIP = /\b(TypeError|ReferenceError|RangeError|SyntaxError|InvariantError)\b/;

async function runSeed(trial: SeedTrial): Promise<Hunted> {
  const { virtualMs, promise, breaches, failure } = await play(drawWeather(trial.seed, VIRTUAL_MINUTES, trial.weather));
  return { trial: writeTrial(trial), virtualMs, promise, hasTripped: TRIP.test(failure ?? ''), breach: breaches[0] ?? '' };
}

async function runCrash(trial: CrashTrial): Promise<Hunted> {
  const crashes = trial.point === '' ? [] : [readCrash(trial.point)];
  const { virtualMs, breaches, story } = await crashRun(deploymentOf(trial.deployment), crashes, trial.absence);
  const [breach = ''] = breaches;
  const promise = breach === '' ? null : promiseOfStep(breach);
  return { trial: writeTrial(trial), virtualMs, promise, hasTripped: promise !== null && TRIP.test(story()), breach };
}

/** What crash points judge besides has no number: a step done twice, or not at all. An error tells where it was thrown. */
function promiseOfStep(breach: string): string {
  const promise = promiseOf(breach);
  return promise === 'error' && !/\n\s+at /.test(breach) ? 'steps' : promise;
}

/** A run of each deployment without a crash, then one with each single crash. */
async function* allCrashes(): AsyncGenerator<Hunted> {
  for (const absence of ['short', 'long'] as const) {
    for (const deployment of DEPLOYMENTS) {
      const trial = { kind: 'crash' as const, deployment: deployment.name, absence };
      const whole = await runCrash({ ...trial, point: '' });
      yield whole;
      if (whole.promise !== null) return;
      for (const { crashes } of singleCrashes(deployment, await enumerate(deployment), absence))
        yield await runCrash({ ...trial, point: crashes.map(writeCrash).join() });
    }
  }
}

async function* runs(texts: readonly string[]): AsyncGenerator<Hunted> {
  for (const text of texts) {
    if (text === ALL_CRASH_POINTS) {
      yield* allCrashes();
      continue;
    }
    const trial = readTrial(text);
    yield trial.kind === 'seed' ? await runSeed(trial) : await runCrash(trial);
  }
}

function deploymentOf(name: string): Deployment {
  const found = DEPLOYMENTS.find((one) => one.name === name);
  if (found === undefined) throw new Error(`no deployment is called ${name}`);
  return found;
}

async function hunt(texts: readonly string[]): Promise<void> {
  for await (const hunted of runs(texts)) {
    process.stdout.write(`${JSON.stringify(hunted)}\n`);
    if (hunted.promise !== null) return;
  }
}

hunt(process.argv.slice(2)).then(
  () => process.exit(0),
  (error: unknown) => {
    console.error(error);
    process.exit(2);
  },
);
