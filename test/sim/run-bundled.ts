/**
 * Runs the simulator in a process of its own, as one module, with these arguments.
 *
 * What runs TypeScript as it is wraps each function that is made, to keep its name: a seventh of the time.
 */
import { spawn } from 'node:child_process';
import { bundle } from './mutants/bundle.js';

const ENTRY = 'test/sim/bundled.ts';
/** A run makes much that is soon of no use: with more room for it, less of it is looked through and kept. */
const YOUNG_MIB = 64;
/** A run is over before code that is compiled for the third time pays: a function counts as busy later than V8 would have it. */
const BUSY_AFTER = 400_000;

const V8 = [`--min-semi-space-size=${YOUNG_MIB}`, `--max-semi-space-size=${YOUNG_MIB}`, `--interrupt-budget=${BUSY_AFTER}`];

/** Answers the exit code. */
export async function runBundled(args: readonly string[]): Promise<number> {
  const module = await bundle(null, process.cwd(), ENTRY);
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [...V8, '--input-type=module', '-', ...args], { stdio: ['pipe', 'inherit', 'inherit'] });
    child.stdin.on('error', () => undefined); // It ended before it had read all: its exit says why.
    child.stdin.end(module);
    child.on('error', reject);
    child.on('close', (code) => resolve(code ?? 2));
  });
}
