/** Runs a bundled simulator on trials in a process of its own, and says what came of it. */
import { spawn } from 'node:child_process';
import type { Hunted } from './trials.js';

/** Real time that one hunt may take, over all its trials: a mutant may also go round in circles. */
export const HUNT_LIMIT_MS = 180_000;

export type Outcome =
  | { readonly kind: 'clean' }
  /** A promise was broken, or something did not become right. */
  | { readonly kind: 'breach'; readonly trial: string; readonly virtualMs: number; readonly text: string }
  /** The run ended by an error that is no promise's: nothing was seen by the simulator. */
  | { readonly kind: 'crash'; readonly trial: string | null; readonly text: string };

/** Stops at the first trial that fails. */
export function hunt(module: string, trials: readonly string[]): Promise<Outcome> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, ['--input-type=module', '-', ...trials], { stdio: ['pipe', 'pipe', 'pipe'] });
    const output = { stdout: '', stderr: '' };
    const limit = setTimeout(() => child.kill('SIGKILL'), HUNT_LIMIT_MS);
    for (const name of ['stdout', 'stderr'] as const) child[name].setEncoding('utf8').on('data', (text: string) => (output[name] += text));
    child.stdin.on('error', () => undefined); // It ended before it had read all: its exit says why.
    child.stdin.end(module);
    child.on('error', reject);
    child.on('close', (code, signal) => {
      clearTimeout(limit);
      const lines = output.stdout.split('\n').filter((line) => line !== '');
      const runs = lines.map((line): Hunted => JSON.parse(line));
      const failed = runs.find((one) => one.promise !== null);
      if (failed !== undefined) resolve(judge(failed));
      else if (code === 0) resolve({ kind: 'clean' });
      else resolve({ kind: 'crash', trial: trials[runs.length] ?? null, text: signal === null ? output.stderr.trim() : `ended by ${signal}` });
    });
  });
}

const MAX_TEXT = 160;

function judge({ trial, virtualMs, promise, hasTripped, breach }: Hunted): Outcome {
  const text = (breach.split('\n')[0] ?? '').slice(0, MAX_TEXT);
  return promise === 'error' || hasTripped ? { kind: 'crash', trial, text: breach.slice(0, 4 * MAX_TEXT) } : { kind: 'breach', trial, virtualMs, text };
}
