#!/usr/bin/env node
/**
 * The way in from a checkout: builds what is not built, then runs the command line with the same arguments.
 *
 * Plain Node without dependencies, since it has to explain itself when nothing is installed. The build is skipped while
 * `dist/.stamp` holds the fingerprint (path, size, time of change) of the sources; two starts at once build once.
 * `EKIDEN_HOME` tells the command line where the checkout is.
 */
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, readdirSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createHash } from 'node:crypto';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { setTimeout as sleep } from 'node:timers/promises';

const NODE_AT_LEAST = [20, 19];
const BUILD_WAIT_MS = 180_000;
const LOCK_POLL_MS = 100;
/** Lines of a failed build that are shown. */
const BUILD_OUTPUT_LINES = 40;

const home = dirname(dirname(fileURLToPath(import.meta.url)));
const dist = join(home, 'dist');
const entry = join(dist, 'apps', 'cli', 'main.js');
const apps = ['cli', 'master', 'agent', 'paas-api'];

function fail(message) {
  process.stderr.write(`ekiden: ${message}\n`);
  process.exit(1);
}

function checkNode() {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  const [wantMajor, wantMinor] = NODE_AT_LEAST;
  if (major < wantMajor || (major === wantMajor && minor < wantMinor))
    fail(`Node ${process.versions.node} is too old; ${NODE_AT_LEAST.join('.')} or newer is needed: install it, then start again`);
}

/** One value that changes when any source does; tests are left out, they are not built. */
function fingerprint() {
  const hash = createHash('sha256');
  const add = (path) => {
    const stat = statSync(path, { throwIfNoEntry: false });
    if (stat === undefined) return;
    if (stat.isDirectory()) for (const name of readdirSync(path).sort()) add(join(path, name));
    else if (!/[.-]spec\.ts$/.test(path)) hash.update(`${path.slice(home.length)}\0${stat.size}\0${stat.mtimeMs}\n`);
  };
  for (const name of ['apps', 'libs', 'migrations', 'package-lock.json', 'nest-cli.json', 'tsconfig.json']) add(join(home, name));
  return hash.digest('hex');
}

const readOr = (path, other) => (existsSync(path) ? readFileSync(path, 'utf8') : other);

const isBuilt = (wanted) => readOr(join(dist, '.stamp'), '') === wanted && apps.every((app) => existsSync(join(dist, 'apps', app, 'main.js')));

function isAlive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code === 'EPERM';
  }
}

/** Holds `dist/.building` (a directory: making one is atomic) while `work` runs; a dead owner's lock is taken over. */
async function withBuildLock(work) {
  mkdirSync(dist, { recursive: true });
  const lock = join(dist, '.building');
  for (let waitedMs = 0; ; waitedMs += LOCK_POLL_MS) {
    try {
      mkdirSync(lock);
      break;
    } catch (error) {
      if (error.code !== 'EEXIST') fail(`cannot write to ${dist} (${error.code}): make it writable for this user`);
    }
    const owner = Number(readOr(join(lock, 'pid'), '0'));
    const age = Date.now() - (statSync(lock, { throwIfNoEntry: false })?.mtimeMs ?? Date.now());
    if (owner > 0 ? !isAlive(owner) : age > 5_000) rmSync(lock, { recursive: true, force: true });
    else if (waitedMs > BUILD_WAIT_MS) fail(`process ${owner} has been building for ${BUILD_WAIT_MS / 1000} s: end it, or remove ${lock}`);
    else await sleep(LOCK_POLL_MS);
  }
  writeFileSync(join(lock, 'pid'), String(process.pid));
  try {
    return await work();
  } finally {
    rmSync(lock, { recursive: true, force: true });
  }
}

function runBuild() {
  const nest = join(home, 'node_modules', '.bin', process.platform === 'win32' ? 'nest.cmd' : 'nest');
  if (!existsSync(nest)) fail(`the dependencies are not installed: run \`npm ci\` in ${home}`);
  return new Promise((resolve) => {
    const output = [];
    const child = spawn(nest, ['build', '--all'], { cwd: home, stdio: ['ignore', 'pipe', 'pipe'] });
    child.stdout.on('data', (chunk) => output.push(chunk));
    child.stderr.on('data', (chunk) => output.push(chunk));
    child.on('error', (error) => resolve({ code: 1, output: String(error) }));
    child.on('close', (code) => resolve({ code, output: Buffer.concat(output).toString() }));
  });
}

async function build(wanted) {
  if (isBuilt(wanted)) return;
  process.stderr.write('ekiden: building (once per change of the sources) …\n');
  rmSync(join(dist, '.stamp'), { force: true });
  const { code, output } = await runBuild();
  const missing = apps.filter((app) => !existsSync(join(dist, 'apps', app, 'main.js')));
  if (code !== 0 || missing.length > 0) {
    process.stderr.write(`${output.trimEnd().split('\n').slice(-BUILD_OUTPUT_LINES).join('\n')}\n`);
    rmSync(join(dist, '.building'), { recursive: true, force: true });
    fail(
      missing.length > 0
        ? `the build left out ${missing.join(', ')}: see above; \`npm run build\` repeats it`
        : `the build failed (exit ${code}): see above; \`npm run build\` repeats it, \`npm ci\` mends a half-installed node_modules`,
    );
  }
  const next = join(dist, `.stamp.${process.pid}`);
  writeFileSync(next, wanted);
  renameSync(next, join(dist, '.stamp'));
}

checkNode();
const wanted = fingerprint();
if (!isBuilt(wanted)) await withBuildLock(() => build(wanted));
process.env.EKIDEN_HOME = home;
await import(pathToFileURL(entry).href);
