/**
 * What is run for each part of a local Ekiden: script, arguments, environment. Pure, so that the test shows the whole.
 *
 * Secrets and the database's address go through files and the environment, never through arguments, which everybody on
 * the machine can read.
 */
import { join } from 'node:path';
import type { AgentPlace } from './port-plan.js';
import type { UpOptions } from './up-options.js';

export type PartName = 'master' | 'agent' | 'api';

const FOLDERS: Readonly<Record<PartName, string>> = { master: 'master', agent: 'agent', api: 'paas-api' };

export const partScript = (home: string, part: PartName): string => join(home, 'dist', 'apps', FOLDERS[part], 'main.js');

export interface PartCommand {
  /** For people and for the name of the log file. */
  readonly name: string;
  readonly script: string;
  readonly args: readonly string[];
  /** Of Node itself. */
  readonly execArgv: readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
}

export interface Surroundings {
  readonly home: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly databaseUrl: string;
  /** What agents and frameworks join with. */
  readonly joinTokenFile: string;
}

const LOOPBACK = '127.0.0.1';
/**
 * What keeps the parts of one machine small. Measured, on the API's reads and durable writes:
 *
 * - The young generation, in MiB of each of its three spaces: Node's 16 are resident as soon as a part has loaded its code.
 *   4 saves 15 to 30 MiB and costs no throughput; an agent, of which each machine has one, allocates less.
 * - One helper thread for V8 instead of four saves 8 MiB and costs nothing.
 * - Not taken: `--optimize-for-size` saves another 20 MiB, and a third of the durable writes.
 */
const EXEC_ARGV: Readonly<Record<PartName, readonly string[]>> = {
  master: ['--max-semi-space-size=4', '--v8-pool-size=1'],
  agent: ['--max-semi-space-size=2', '--v8-pool-size=1'],
  api: ['--max-semi-space-size=4', '--v8-pool-size=1'],
};

export const masterUrl = (options: UpOptions): string => `http://${LOOPBACK}:${options.masterPort}`;

export function masterCommand(options: UpOptions, around: Surroundings): PartCommand {
  return {
    name: 'master',
    script: partScript(around.home, 'master'),
    execArgv: EXEC_ARGV.master,
    args: ['--port', String(options.masterPort), '--bind', LOOPBACK, '--token-file', around.joinTokenFile],
    env: { ...around.env, DATABASE_URL: around.databaseUrl },
  };
}

export function apiCommand(options: UpOptions, around: Surroundings): PartCommand {
  const people = options.tokenFile === null ? [] : ['--token-file', options.tokenFile];
  return {
    name: 'api',
    script: partScript(around.home, 'api'),
    execArgv: EXEC_ARGV.api,
    args: ['--port', String(options.apiPort), '--bind', options.bind, '--master', masterUrl(options), '--master-token-file', around.joinTokenFile, ...people],
    env: { ...around.env, DATABASE_URL: around.databaseUrl },
  };
}

/** The agent knows no database: it gets an environment without its address, since tasks are its children. */
export function agentCommand(options: UpOptions, around: Surroundings, place: AgentPlace, workDir: string): PartCommand {
  const { DATABASE_URL: _database, REDIS_URL: _queue, ...env } = around.env;
  const attributes = options.agentAttributes[(place.index - 1) % Math.max(1, options.agentAttributes.length)];
  return {
    name: `agent-${place.index}`,
    script: partScript(around.home, 'agent'),
    execArgv: EXEC_ARGV.agent,
    args: [
      ...pairs({
        '--master': masterUrl(options),
        '--port': String(place.port),
        '--bind': place.ip,
        '--hostname': place.hostname,
        '--work-dir': workDir,
        '--ports': `${place.taskPorts.begin}-${place.taskPorts.end}`,
        '--token-file': around.joinTokenFile,
      }),
      ...(options.agentCpus === null ? [] : ['--cpus', String(options.agentCpus)]),
      ...(options.agentMem === null ? [] : ['--mem', String(options.agentMem)]),
      ...(attributes === undefined ? [] : ['--attributes', attributes]),
      ...(options.runtime === null ? [] : ['--runtime', options.runtime]),
    ],
    env,
  };
}

const pairs = (options: Readonly<Record<string, string>>): readonly string[] => Object.entries(options).flat();
