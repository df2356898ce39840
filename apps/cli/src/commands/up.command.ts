/** `ekiden up`: everything on this machine. And `master`, `agent`, `api`: one part in the foreground, for a real cluster. */
import { spawn } from 'node:child_process';
import { constants } from 'node:os';
import { Option, type Command } from 'commander';
import { CliError } from '../cli-error.js';
import { partScript, type PartName } from '../up/part-commands.js';
import { up } from '../up/up.js';
import { integer, type Terminal } from './context.js';

interface RawUpOptions {
  readonly agents: string;
  readonly agentCpus?: string;
  readonly agentMem?: string;
  readonly agentAttributes?: readonly string[];
  readonly apiPort: string;
  readonly masterPort: string;
  readonly agentPort: string;
  readonly bind: string;
  readonly dataDir: string;
  readonly keepTasks: boolean;
  readonly tokenFile?: string;
  readonly runtime?: string;
}

export function upCommand(program: Command, terminal: Terminal): void {
  program
    .command('up')
    .summary('start a whole Ekiden on this machine (npm start)')
    .description(
      'Starts Postgres, a master, agents and the API, keeps them running, and stops them in order on Ctrl-C. What runs is kept in the data directory and comes back at the next start.',
    )
    .option('--agents <n>', 'how many agents', '1')
    .option('--agent-cpus <n>', 'cpus of each agent (default: those of the machine)')
    .option('--agent-mem <MiB>', 'memory of each agent (default: that of the machine)')
    .option('--agent-attributes <list...>', 'attributes such as "rack:a;disk:ssd"; several lists go to the agents in turn')
    .option('--api-port <port>', 'port of the API', '8080')
    .option('--master-port <port>', 'port of the master', '5050')
    .option('--agent-port <port>', 'port of the agents, each on a loopback address of its own', '5051')
    .option('--bind <address>', 'where the API listens; other than loopback needs --token-file', '127.0.0.1')
    .option('--token-file <file>', 'bearer tokens that the API asks for, one a line')
    .option('--data-dir <dir>', 'where everything is kept', '.ekiden')
    .option('--keep-tasks', 'let tasks run on after Ctrl-C; the next start finds them', false)
    .addOption(new Option('--runtime <name>', 'how tasks run (default: the best that this machine can do)').choices(['process', 'cgroup']))
    .addHelpText(
      'after',
      `
DATABASE_URL uses your own PostgreSQL (15 to 18) instead of the one that comes with Ekiden; REDIS_URL puts the queues on Redis.

Examples:
  npm start
  npm start -- --agents 3 --agent-attributes rack:a rack:b rack:c
  npx ekiden up --api-port 18080 --master-port 15050 --agent-port 15051 --data-dir /tmp/second`,
    )
    .action(async (raw: RawUpOptions) => {
      const options = {
        agents: integer(raw.agents, '--agents', 1),
        agentCpus: raw.agentCpus === undefined ? null : positive(raw.agentCpus, '--agent-cpus'),
        agentMem: raw.agentMem === undefined ? null : positive(raw.agentMem, '--agent-mem'),
        agentAttributes: raw.agentAttributes ?? [],
        apiPort: integer(raw.apiPort, '--api-port', 1, 65_535),
        masterPort: integer(raw.masterPort, '--master-port', 1, 65_535),
        agentPort: integer(raw.agentPort, '--agent-port', 1, 65_535),
        bind: raw.bind,
        dataDir: raw.dataDir,
        keepTasks: raw.keepTasks,
        tokenFile: raw.tokenFile ?? null,
        runtime: raw.runtime ?? null,
      };
      terminal.exitWith(await up(options, { home: terminal.home, env: terminal.env, tell: terminal.tell }));
    });
}

function positive(text: string, name: string): number {
  const value = Number(text);
  if (text.trim() === '' || !Number.isFinite(value) || value <= 0) throw new CliError(`${name} is "${text}", but has to be a number above 0`);
  return value;
}

/** Arguments go to the part as they are; its own --help explains them. */
export function partCommand(program: Command, terminal: Terminal, part: PartName, summary: string): void {
  program
    .command(part)
    .argument('[options...]', `see ekiden ${part} --help`)
    .summary(summary)
    .helpOption(false)
    .allowUnknownOption()
    .action(async (args: readonly string[]) => terminal.exitWith(await runInForeground(partScript(terminal.home, part), args, terminal.env)));
}

function runInForeground(script: string, args: readonly string[], env: Readonly<Record<string, string | undefined>>): Promise<number> {
  const child = spawn(process.execPath, [script, ...args], { stdio: ['inherit', 'inherit', 'inherit', 'ipc'], env });
  const pass = (signal: NodeJS.Signals): void => void child.kill(signal);
  process.on('SIGTERM', pass);
  process.on('SIGINT', () => undefined); // the terminal sends it to the part as well
  return new Promise((resolve, reject) => {
    child.on('error', (error) => reject(new CliError(`cannot run ${script}: ${error.message}`, 'run `npm run build`')));
    child.on('exit', (code, signal) => resolve(code ?? 128 + (signal === null ? 0 : constants.signals[signal])));
  });
}
