/**
 * Programs of others, installed unmodified into a temporary folder. Where the package registry cannot be reached, nothing can
 * be said about them: the test then passes with a message instead of failing for the network.
 */
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const INSTALL_BOUND_MS = 120_000;
const RUN_BOUND_MS = 240_000;

export interface Ended {
  readonly code: number | null;
  readonly output: string;
}

/** Runs a program to its end, at most `boundMs`. */
export function run(command: string, args: readonly string[], options: { readonly cwd?: string; readonly boundMs?: number } = {}): Promise<Ended> {
  return new Promise((resolve) => {
    const child = spawn(command, [...args], { ...(options.cwd === undefined ? {} : { cwd: options.cwd }), stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    const collect = (chunk: Buffer): void => void (output += chunk.toString());
    child.stdout.on('data', collect);
    child.stderr.on('data', collect);
    const overdue = setTimeout(() => child.kill('SIGKILL'), options.boundMs ?? RUN_BOUND_MS);
    const end = (code: number | null): void => {
      clearTimeout(overdue);
      resolve({ code, output });
    };
    child.on('error', (error) => {
      output += error.message;
      end(null);
    });
    child.on('close', end);
  });
}

export interface Installed {
  readonly folder: string;
  /** The interpreter that finds the package. */
  readonly program: string;
  remove(): void;
}

/** A virtual environment with one package, or null with a message when that cannot be had. */
export async function installFromPyPi(requirement: string): Promise<Installed | null> {
  const folder = mkdtempSync(join(tmpdir(), 'ekiden-compat-'));
  const program = join(folder, 'venv/bin/python');
  return installed(folder, program, requirement, [
    ['python3', ['-m', 'venv', join(folder, 'venv')]],
    [program, ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', requirement]],
  ]);
}

/** A folder with one package, or null with a message when that cannot be had. Its scripts are not run. */
export async function installFromNpm(requirement: string): Promise<Installed | null> {
  const folder = mkdtempSync(join(tmpdir(), 'ekiden-compat-'));
  const args = ['install', '--prefix', folder, '--no-save', '--no-audit', '--no-fund', '--ignore-scripts', '--loglevel', 'error', requirement];
  return installed(folder, process.execPath, requirement, [['npm', args]]);
}

async function installed(folder: string, program: string, requirement: string, steps: readonly (readonly [string, readonly string[]])[]) {
  const remove = (): void => rmSync(folder, { recursive: true, force: true });
  for (const [command, args] of steps) {
    const { code, output } = await run(command, args, { cwd: folder, boundMs: INSTALL_BOUND_MS });
    if (code === 0) continue;
    process.stderr.write(`skipped: ${requirement} cannot be installed here (${command}: ${output.trim().split('\n').at(-1) ?? 'no answer'})\n`);
    remove();
    return null;
  }
  return { folder, program, remove };
}
