// Runs everything that CI runs, in order of speed, and ends with the plain line `N passed, N failed`.
//
//   npm test                     all stages
//   npm test -- --only unit,sim  some of them
//
// With EKIDEN_CI_DATABASE_URL and EKIDEN_CI_REDIS_URL set, the stores and the queue are tested once more on these.
import { execFileSync, spawn } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Characters of a command's output in which its last line is looked for. */
const MAX_TAIL = 4_000;

const bin = (name) => join('node_modules', '.bin', name);
const scratch = mkdtempSync(join(tmpdir(), 'ekiden-test-'));
// What tests put into the temporary directory goes away with the run. The database's user has to walk through.
const temporary = join(scratch, 'tmp');
mkdirSync(temporary);
for (const folder of [scratch, temporary]) chmodSync(folder, 0o755);

/** A command that counts as one check. */
const check = (name, command, ...args) => ({ name, run: () => runCheck(name, command, args) });
/** A Jest project; its tests count one by one. */
const jest = (name, args, env = {}) => ({ name, run: () => runJest(name, args, env) });

/** A command that ends with the line `N passed, N failed`. */
const counted = (name, command, ...args) => ({ name, run: () => runCounted(name, command, args) });

const own = { DATABASE_URL: process.env.EKIDEN_CI_DATABASE_URL, REDIS_URL: process.env.EKIDEN_CI_REDIS_URL };
const stages = [
  check('types', bin('tsc'), '--noEmit', '-p', 'tsconfig.json'),
  check('lint', bin('oxlint'), '--type-aware', 'apps', 'libs', 'migrations', 'test', 'tools'),
  check('format', bin('prettier'), '--check', '--log-level', 'warn', 'apps', 'libs', 'migrations', 'test', 'tools', 'bin'),
  check('boundaries', bin('depcruise'), '--config', '.dependency-cruiser.cjs', 'apps', 'libs', 'migrations', 'test'),
  check('tidy', process.execPath, 'tools/tidy.mjs'),
  check('reference', process.execPath, '--import', 'tsx', 'tools/gen-reference.ts', '--check'),
  jest('unit', ['--selectProjects', 'unit'], { TMPDIR: temporary }),
  jest('store', ['--selectProjects', 'store'], { TMPDIR: temporary }),
  ...(own.DATABASE_URL && own.REDIS_URL ? [jest('store-bring-your-own', ['--selectProjects', 'store'], { ...own, TMPDIR: temporary })] : []),
  counted('sim', bin('tsx'), 'test/sim/run.ts', '--minutes', '1', '--seed', seedOfCommit()),
  counted('crash-points', bin('tsx'), 'test/sim/run.ts', '--crash-points'),
  check('build', process.execPath, 'bin/ekiden.mjs', '--version'),
  jest('e2e', ['--selectProjects', 'e2e', '--runInBand']),
  ...(own.DATABASE_URL && own.REDIS_URL ? [jest('e2e-bring-your-own', ['--selectProjects', 'e2e', '--runInBand', 'bring-your-own'], own)] : []),
];

const onlyAt = process.argv.indexOf('--only');
const only = onlyAt < 0 ? null : new Set((process.argv[onlyAt + 1] ?? '').split(','));

let passed = 0;
let failed = 0;
const began = Date.now();
try {
  for (const stage of stages) {
    if (only !== null && !only.has(stage.name)) continue;
    const stageBegan = Date.now();
    console.log(`\n== ${stage.name}`);
    const result = await stage.run();
    passed += result.passed;
    failed += result.failed;
    console.log(`== ${stage.name}: ${result.passed} passed, ${result.failed} failed (${((Date.now() - stageBegan) / 1000).toFixed(1)} s)`);
  }
} finally {
  rmSync(scratch, { recursive: true, force: true });
}
console.log(`\n${((Date.now() - began) / 1000).toFixed(0)} s`);
console.log(`${passed} passed, ${failed} failed`);
process.exit(failed === 0 && passed > 0 ? 0 : 1);

/** Other seeds with each commit, and the same ones for the same commit: what fails can be run again. */
function seedOfCommit() {
  const hash = execFileSync('git', ['rev-parse', 'HEAD'], { encoding: 'utf8' });
  return String(parseInt(hash.slice(0, 5), 16));
}

async function runCheck(name, command, args) {
  const code = await run(command, args, {});
  return code === 0 ? { passed: 1, failed: 0 } : { passed: 0, failed: 1 };
}

async function runJest(name, args, env) {
  const report = join(scratch, `${name}.json`);
  const code = await run(bin('jest'), [...args, '--forceExit', '--json', `--outputFile=${report}`], env);
  try {
    const { numPassedTests, numFailedTests, numFailedTestSuites, numRuntimeErrorTestSuites } = JSON.parse(readFileSync(report, 'utf8'));
    // A file that could not even be loaded has no tests to count: it counts as one failure.
    const failures = numFailedTests + numRuntimeErrorTestSuites;
    return { passed: numPassedTests, failed: failures > 0 ? failures : code === 0 ? 0 : Math.max(1, numFailedTestSuites) };
  } catch {
    console.log(`${name}: Jest ended without a report (exit status ${code})`);
    return { passed: 0, failed: 1 };
  }
}

async function runCounted(name, command, args) {
  let tail = '';
  const code = await run(command, args, {}, (text) => {
    process.stdout.write(text);
    tail = (tail + text).slice(-MAX_TAIL);
  });
  const counts = [...tail.matchAll(/^(\d+) passed, (\d+) failed/gm)].at(-1);
  if (counts === undefined) {
    console.log(`${name}: ended without its line "N passed, N failed" (exit status ${code})`);
    return { passed: 0, failed: 1 };
  }
  const failed = Number(counts[2]);
  return { passed: Number(counts[1]), failed: failed > 0 || code === 0 ? failed : 1 };
}

/** `read`: is given what the command prints, instead of the terminal. */
function run(command, args, env, read = null) {
  return new Promise((resolve) => {
    const stdio = read === null ? 'inherit' : ['inherit', 'pipe', 'inherit'];
    const child = spawn(command, args, { stdio, env: { ...process.env, ...env } });
    child.stdout?.setEncoding('utf8').on('data', read);
    child.on('error', (error) => {
      console.log(`${command}: ${error.message}`);
      resolve(127);
    });
    child.on('close', (code) => resolve(code ?? 1));
  });
}
