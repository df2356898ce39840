/** Gives the directed scenarios a mutant: Jest runs them from a directory of their own, each file with the product in it. */
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { stripVTControlCharacters } from 'node:util';
import { bundleScenarios } from './bundle.js';
import { HUNT_LIMIT_MS } from './hunter.js';
import type { Mutant } from './mutant.js';
import type { ScenarioMoment } from './scenario-moments.js';

/** A scenario that a mutant makes slow may not be failed for that. */
const SCENARIO_LIMIT_MS = 60_000;

/** A scenario that failed. */
export interface FailedScenario {
  readonly scenario: string;
  readonly seed: number;
  readonly virtualMs: number;
  /** The first line that says why. */
  readonly text: string;
}

interface Report {
  readonly testResults: readonly { readonly assertionResults: readonly Assertion[] }[];
}

interface Assertion {
  readonly fullName: string;
  readonly status: string;
  readonly failureMessages: readonly string[];
}

/**
 * Those that fail in the first file in which one does, without those that ended by an error of the program; without a mutant, all
 * that fail. `file`: that one, by name; empty: all.
 */
export async function runScenarios(mutant: Mutant | null, file: string): Promise<readonly FailedScenario[]> {
  const directory = await mkdtemp(join(tmpdir(), 'ekiden-mutant-'));
  try {
    await bundleScenarios(mutant, directory, file);
    const moments = join(directory, 'moments.jsonl');
    const report = join(directory, 'report.json');
    await jest({ bail: mutant === null ? 0 : 1, directory, report, moments });
    const found = await readMoments(moments);
    if (!existsSync(report)) return []; // It was ended at its limit: a mutant may go round for ever.
    const { testResults }: Report = JSON.parse(await readFile(report, 'utf8'));
    const failed = testResults.flatMap(({ assertionResults }) => assertionResults).filter(({ status }) => status === 'failed');
    return failed.flatMap((one) => {
      const moment = found.get(one.fullName);
      return moment === undefined || (mutant !== null && isError(one)) ? [] : [{ ...moment, text: reasonOf(one) }];
    });
  } finally {
    await rm(directory, { recursive: true });
  }
}

interface JestRun {
  /** Files that may fail before it stops; 0: all. */
  readonly bail: number;
  readonly directory: string;
  readonly report: string;
  readonly moments: string;
}

function jest({ bail, directory, report, moments }: JestRun): Promise<void> {
  const config = JSON.stringify({ rootDir: directory, testMatch: ['**/*.spec.js'], transform: {}, testTimeout: SCENARIO_LIMIT_MS, bail });
  const args = [join('node_modules', 'jest', 'bin', 'jest.js'), '--config', config, '--runInBand', '--forceExit', '--json', '--outputFile', report];
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, args, { stdio: 'ignore', env: { ...process.env, SCENARIO_MOMENTS: moments }, timeout: HUNT_LIMIT_MS });
    child.on('error', reject);
    child.on('close', () => resolve()); // Its report says what came of it.
  });
}

async function readMoments(file: string): Promise<ReadonlyMap<string, ScenarioMoment>> {
  const lines = (await readFile(file, 'utf8')).split('\n').filter((line) => line !== '');
  return new Map(lines.map((line): ScenarioMoment => JSON.parse(line)).map((moment) => [moment.scenario, moment]));
}

const isError = ({ failureMessages }: Assertion): boolean => /\b(TypeError|ReferenceError|RangeError|Exceeded timeout of)\b/.test(failureMessages.join('\n'));

const MAX_TEXT = 120;

function reasonOf({ failureMessages }: Assertion): string {
  const lines = stripVTControlCharacters(failureMessages.join('\n')).split('\n');
  const wrong = lines.find((line) => /^\s*[+] {2,}"/.test(line)) ?? lines[0] ?? '';
  return wrong.trim().slice(0, MAX_TEXT);
}
